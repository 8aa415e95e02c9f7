# SPDX-License-Identifier: Apache-2.0
"""What the gate does at the moment: it watches, enrols, or is paused; and whether it may open a door now."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from edge_gate.core.errors import Busy, CameraAtFault, EyeAbsent, Paused
from edge_gate.wire.eye import CameraState, EyeMode

_LOG: Final = "The eye's log says more."
# What helps with each fault of the camera.
REMEDIES: Final = MappingProxyType(
    {
        CameraState.MISSING: f"Plug it in, or correct camera.source. {_LOG}",
        CameraState.STALLED: f"Plug it in again; of a film or folder, see that it is not at its end. {_LOG}",
        CameraState.BLACK: "Uncover the lens, or make light.",
        CameraState.GARBAGE: f"Plug it in again, or choose another camera.driver. {_LOG}",
        CameraState.REPLACED: f"Look at the camera and its cable. {_LOG}",
        CameraState.SUSPECT: f"See whether somebody feeds it a film; else plug it in again. {_LOG}",
    }
)


class Mode:
    """One state, of which the eye is told at each change.

    ``paused``: as the last run of the gate left it. ``camera()`` tells how the eye's camera is, or None where there is
    no eye to ask; ``held()`` says why nothing may be opened, or nothing.
    """

    def __init__(
        self,
        ask_eye: Callable[[EyeMode], object],
        camera: Callable[[], CameraState | None],
        held: Callable[[], str],
        *,
        paused: bool,
    ) -> None:
        self._ask_eye = ask_eye
        self._camera = camera
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
        """Raise EyeAbsent or CameraAtFault where nobody can be seen, Paused where that is wanted."""
        if self._paused:
            raise Paused
        camera = self._camera()
        if camera is None:
            raise EyeAbsent
        if camera in REMEDIES:
            raise CameraAtFault(camera.name.lower(), REMEDIES[camera])

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
