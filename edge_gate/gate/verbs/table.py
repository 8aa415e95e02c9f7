# SPDX-License-Identifier: Apache-2.0
"""The handlers of all verbs. There is one for each verb that edge_gate/spec declares, and for no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from edge_gate.core.errors import WireError
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.spec.registry import VERBS


class ControlVerbs:
    """Serves one request after the other. ``authorise(request)`` raises for a caller that may not ask for this."""

    def __init__(self, handlers: Iterable[Mapping[str, Handler]], authorise: Callable[[Request], None]) -> None:
        """Take the handlers. Raises ValueError where a verb has none or two, or is not declared."""
        self._authorise = authorise
        self._handlers: dict[str, Handler] = {}
        for each in handlers:
            if twice := self._handlers.keys() & each.keys():
                raise ValueError(f"two handlers for {sorted(twice)}")
            self._handlers.update(each)
        if odd := self._handlers.keys() ^ VERBS.keys():
            raise ValueError(f"declared or handled, but not both: {sorted(odd)}")

    @property
    def names(self) -> frozenset[str]:
        """What may be asked."""
        return frozenset(self._handlers)

    def handle(self, request: Request) -> None:
        """Serve one request. Raises EdgeGateError, which the control socket turns into an answer."""
        handler = self._handlers.get(request.verb)
        if handler is None:
            raise WireError("control", f"unknown verb {request.verb!r}")
        self._authorise(request)
        handler(request)
