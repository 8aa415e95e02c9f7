# SPDX-License-Identifier: Apache-2.0
"""`relay-test`: the lock, released by hand."""

from __future__ import annotations

from collections.abc import Mapping

from edge_gate.core.errors import Busy, EdgeGateError
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.services import Authorisation, DoorControl, Mode, Outcome


class DoorVerbs:
    """Serves it."""

    def __init__(self, door: DoorControl, mode: Mode, authorisation: Authorisation) -> None:
        self._door = door
        self._mode = mode
        self._authorisation = authorisation
        self.handlers: Mapping[str, Handler] = {"relay-test": self._test}

    def _test(self, request: Request) -> None:
        """Pulse the lock once, as an opening would, with its event before and its outcome after.

        While nothing may be opened, since a setting waits, that takes a second person too.
        """
        if self._door.released:
            raise Busy("An opening")
        approved = {}
        if self._mode.held:
            shown = "releasing the lock by hand while nothing may be opened"
            approved = self._authorisation.second(request, shown, always=True)
        pulse_ms = self._door.pulse_ms

        def tell(outcome: Outcome) -> None:
            if isinstance(outcome, EdgeGateError):
                request.fail(outcome)
            else:
                request.answer({"outcome": outcome.value, "pulse_ms": pulse_ms})

        self._door.pulse(
            "relay test",
            detail={"operator": request.operator},
            together=lambda: self._authorisation.acted(request, detail=approved),
            on_outcome=tell,
        )
