# SPDX-License-Identifier: Apache-2.0
"""What the gate does at the moment: it watches, enrols, or is paused; and whether it may open a door now."""

from __future__ import annotations

from collections.abc import Callable

from edge_gate.core.errors import Busy, EyeAbsent, Paused
from edge_gate.wire.eye import EyeMode


class Mode:
    """One state, of which the eye is told at each change.

    ``paused``: as the last run of the gate left it. ``eye_is_there()`` tells whether there is an eye to ask; ``held()``
    says why nothing may be opened, or nothing.
    """

    def __init__(
        self,
        ask_eye: Callable[[EyeMode], object],
        eye_is_there: Callable[[], bool],
        held: Callable[[], str],
        *,
        paused: bool,
    ) -> None:
        self._ask_eye = ask_eye
        self._eye_is_there = eye_is_there
        self._held = held
        self._paused, self._enrolling = paused, False

    @property
    def paused(self) -> bool:
        """Whether the eye has been told to look at nothing."""
        return self._paused

    @property
    def enrolling(self) -> bool:
        """Whether an enrolment is under way. The camera is then busy, and nobody is let in."""
        return self._enrolling

    @property
    def held(self) -> str:
        """Why nothing may be opened, or nothing."""
        return self._held()

    def greet_eye(self) -> None:
        """Tell an eye that has just come what is wanted of it."""
        mode = EyeMode.ENROL if self._enrolling else EyeMode.WATCH
        self._ask_eye(EyeMode.PAUSE if self._paused else mode)

    def require_eye(self) -> None:
        """Raise EyeAbsent where nobody can be seen, Paused where that is wanted."""
        if self._paused:
            raise Paused
        if not self._eye_is_there():
            raise EyeAbsent

    def refuse_enrolling(self) -> None:
        """Raise Busy while an enrolment is under way."""
        if self._enrolling:
            raise Busy("An enrolment")

    def pause(self, paused: bool) -> None:
        """Stop looking, or look again. Raises Busy where an enrolment would lose its camera."""
        if paused:
            self.refuse_enrolling()
        self._paused = paused
        self.greet_eye()

    def enrol(self, enrolling: bool) -> None:
        """Begin or end an enrolment."""
        self._enrolling = enrolling
        self.greet_eye()
