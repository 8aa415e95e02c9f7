# SPDX-License-Identifier: Apache-2.0
"""The root of the one exception tree."""

from __future__ import annotations

from typing import ClassVar

from edge_gate.core.exit_codes import ExitCode


class EdgeGateError(Exception):
    """The root. ``message`` is a template: ``{0}``, ``{1}`` and so on are filled from the arguments.

    The message is an attribute and no docstring, because `python -OO` drops docstrings.
    """

    message: ClassVar[str] = "{0}"
    exit_code: int = ExitCode.EDGE_GATE_ERROR

    def __init_subclass__(cls) -> None:
        """Let `help` show the message of a class that says nothing else."""
        super().__init_subclass__()
        cls.__doc__ = cls.__doc__ or cls.message

    def __str__(self) -> str:
        """Return the message template with the arguments filled in."""
        try:
            return self.message.format(*self.args)
        except (IndexError, TypeError, ValueError):  # too few, or not as the places want them: show what there is
            return f"{type(self).__name__}: {', '.join(map(str, self.args))}"
