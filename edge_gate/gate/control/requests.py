# SPDX-License-Identifier: Apache-2.0
"""One request at the control socket: what is asked, by which caller, and what may stand in its fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_gate.core.errors import EdgeGateError, WireError
from edge_gate.core.output import escape
from edge_gate.gate.control.caller import Caller, failure


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A verb and its fields. Exactly one of `answer` and `fail` ends it; any number of `progress` come before."""

    caller: Caller
    verb: str
    fields: dict[str, Any]

    @property
    def operator(self) -> str:
        """The login name of the user that asks."""
        return self.caller.operator

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.caller.gone

    def answer(self, value: Any) -> None:
        """Send the last line: what was asked for."""
        self.caller.answer({"ok": value})

    def progress(self, value: Any) -> None:
        """Send a line about how it goes."""
        self.caller.answer({"progress": value})

    def fail(self, error: EdgeGateError) -> None:
        """Send the last line: why it was not done."""
        self.caller.answer(failure(error))

    def line(self, key: str, longest: int) -> str:
        """Return a field that is one line of text of at most ``longest`` characters. Raises WireError."""
        return read_line(self.fields, key, longest)

    def text(self, key: str) -> str:
        """Return a field that is text. Raises WireError."""
        value = self.fields.get(key)
        if not isinstance(value, str):
            raise WireError("control", f"{key} is text")
        return value

    def number(self, key: str, default: int, low: int, high: int) -> int:
        """Return a field that is a whole number from ``low`` to ``high``, or its default. Raises WireError."""
        value = self.fields.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise WireError("control", f"{key} is a whole number from {low} to {high}")
        return value


Handler = Callable[[Request], None]
"""What serves a verb. It answers now or later, or raises an EdgeGateError, which then is the answer."""


def read_line(fields: dict[str, Any], key: str, longest: int) -> str:
    """Return a field that is one line of text of at most ``longest`` characters. Raises WireError."""
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > longest or escape(value) != value:
        raise WireError("control", f"{key} is a line of text of 1 to {longest} characters")
    return value.strip()
