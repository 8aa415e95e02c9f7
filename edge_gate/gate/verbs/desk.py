# SPDX-License-Identifier: Apache-2.0
"""What the CLI may ask of the gate, one method for each verb. Enrolling, and looking after each other, have desks of
their own (enrolment_desk.py, oversight_desk.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from edge_gate.core.clock import iso
from edge_gate.core.errors import Busy, EdgeGateError, StoreError, WireError
from edge_gate.documents.receipt import Kind, Receipt, write
from edge_gate.gate.control.requests import line, number
from edge_gate.gate.control.server import Caller, failure
from edge_gate.gate.door.door import DoorState
from edge_gate.gate.verbs.enrolment import EnrolmentDesk, names
from edge_gate.gate.verbs.oversight import OversightDesk
from edge_gate.gate.verbs.renewals import Renewals
from edge_gate.gate.verbs.status import status
from edge_gate.relays.pulses import Confirmation
from edge_gate.store import events
from edge_gate.store.people import consent, residents
from edge_gate.store.schema import FORGOTTEN
from edge_gate.wire.eye import EyeMode, Sighting

if TYPE_CHECKING:
    from edge_gate.gate.loop import Gate

# However long their names are, so many fit into what may wait to be sent (control.MOST_WAITING_BYTES).
PAGE_RESIDENTS: Final = 200


class Desk:
    """Serves one request after the other. An error reaches the caller as its message and exit code."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._enrolment = EnrolmentDesk(gate)
        self._renewals = Renewals(gate)
        self.paused = False
        self._verbs: dict[str, Callable[[Caller, dict[str, Any]], None]] = {
            "status": lambda caller, _: caller.answer({"ok": status(gate)}),
            "residents": self._residents,
            "events": self._events,
            "enrol": self._enrolment.begin,
            "forget": self._forget,
            "withdraw": self._withdraw,
            "relay-test": self._relay_test,
            "pause": lambda caller, _: self._pause(caller, True),
            "resume": lambda caller, _: self._pause(caller, False),
            "templates": self._renewals.standing,
            "templates-renew": self._renewals.begin,
            "check": lambda caller, _: caller.answer({"ok": {"store": gate.store.check()}}),
            **OversightDesk(gate).verbs,
        }

    @property
    def verbs(self) -> frozenset[str]:
        """What may be asked; roles.py says by whom."""
        return frozenset(self._verbs)

    @property
    def enrolling(self) -> bool:
        """Whether an enrolment is under way (then nobody is let in: the camera is busy)."""
        return self._enrolment.busy

    def handle(self, caller: Caller, request: dict[str, Any]) -> None:
        """Serve one request. Raises EdgeGateError, which the control socket turns into an answer."""
        verb = self._verbs.get(request["verb"])
        if verb is None:
            raise WireError("control", f"unknown verb {request['verb']!r}")
        self._gate.oversight.authorise(caller, request["verb"])
        verb(caller, request)

    def greet_eye(self) -> None:
        """Tell an eye that has just come what is wanted of it."""
        if self.paused:
            self._gate.link.send(EyeMode.PAUSE)
        else:
            self._gate.link.send(EyeMode.ENROL if self.enrolling else EyeMode.WATCH)

    def take(self, sighting: Sighting) -> bool:
        """Use a sighting for the enrolment under way. Returns False where there is none."""
        return self._enrolment.take(sighting)

    def tick(self, now_ns: int) -> None:
        """Go on with a renewal, and end an enrolment that takes too long or whose operator has gone."""
        self._renewals.tick()
        self._enrolment.tick(now_ns)

    def _residents(self, caller: Caller, request: dict[str, Any]) -> None:
        """Send one page of the residents by name, from the number ``first`` on; an empty one is the end."""
        first = number(request, "first", 0, 0, 2**62)
        gate = self._gate
        everyone = residents.everyone(gate.store, gate.card.model_id, gate.clock.now())
        standings = everyone[first : first + PAGE_RESIDENTS]
        compared = set(gate.gallery.ids)
        caller.answer({"ok": [_standing(each, each.resident.id in compared) for each in standings]})

    def _events(self, caller: Caller, request: dict[str, Any]) -> None:
        limit = number(request, "limit", 20, 1, 500)
        kind = request.get("kind")
        if kind is not None and not isinstance(kind, str):
            raise WireError("control", "kind is text")
        known = names(self._gate)
        found = events.recent(self._gate.store, kind=kind, limit=limit)
        caller.answer({"ok": [_event(each, known) for each in found]})

    def _forget(self, caller: Caller, request: dict[str, Any]) -> None:
        gate = self._gate
        resident = residents.find(gate.store, line(request, "name", 200))
        approved = gate.oversight.second(caller, "forget", resident.id, f"forgetting {resident.name}", resident.id)
        try:
            removed = residents.forget(
                gate.store, resident.id, record=lambda: gate.oversight.acted(caller, "forget", detail=approved)
            )
        finally:  # their key may be gone although their rows could not be removed: they are not compared any more
            gate.reload_gallery()
        gate.record("forgotten", detail={"operator": caller.operator})
        receipt = self._receipt(resident.id, removed)
        caller.answer({"ok": {"name": resident.name, **asdict(removed), "receipt": receipt}})

    def _receipt(self, resident_id: str, removed: residents.Forgotten | consent.Withdrawn) -> str:
        """Return the signed page for the resident."""
        gate = self._gate
        kind, events = Kind.WITHDRAWAL, 0
        if isinstance(removed, residents.Forgotten):
            kind, events = Kind.FORGETTING, removed.events
        figures = (removed.consents, removed.templates, events, removed.traces_left)
        receipt = Receipt(gate.config.site.name, resident_id, gate.clock.now(), *figures, kind)
        return write(receipt, gate.store.keyring.signer(), gate.config.site.language)

    def _withdraw(self, caller: Caller, request: dict[str, Any]) -> None:
        gate = self._gate
        resident = residents.find(gate.store, line(request, "name", 200))
        approved = gate.oversight.second(
            caller, "withdraw", resident.id, f"withdrawing the consent of {resident.name}", resident.id
        )

        def record() -> None:
            gate.oversight.acted(caller, "withdraw", resident_id=resident.id, detail=approved)

        try:
            removed = consent.withdraw(gate.store, resident.id, record=record)
        finally:
            gate.reload_gallery()
        gate.record("consent withdrawn", resident_id=resident.id, detail={"operator": caller.operator})
        receipt = self._receipt(resident.id, removed)
        caller.answer({"ok": {"name": resident.name, **asdict(removed), "receipt": receipt}})

    def _relay_test(self, caller: Caller, _: dict[str, Any]) -> None:
        """Pulse the lock once, as an opening would, with its event before and its outcome after.

        While nothing may be opened, wider trust in models being unapproved, that takes a second person too.
        """
        gate = self._gate
        if gate.door.state is DoorState.RELEASED or gate.door.releasing:
            raise Busy("An opening")
        approved = {}
        if gate.oversight.held:
            shown = "releasing the lock by hand while nothing may be opened"
            approved = gate.oversight.second(caller, "relay-test", "relay-test", shown, always=True)
        with gate.store.transaction():
            event = events.append(gate.store, "relay test", detail={"operator": caller.operator}, awaited=True)
            gate.oversight.acted(caller, "relay-test", detail=approved)
        pulse_ms = gate.config.door.pulse_ms

        def record(result: Confirmation | EdgeGateError) -> str:
            outcome = result.value if isinstance(result, Confirmation) else f"failed: {result}"
            events.finish(gate.store, event.id, outcome)
            return outcome

        def tell(result: Confirmation | EdgeGateError) -> None:
            try:
                outcome = record(result)
            except StoreError as error:
                caller.answer(failure(error))
                raise  # the status says so; the event stays awaited, and the next start says so of it
            answer = {"ok": {"outcome": outcome, "pulse_ms": pulse_ms}}
            caller.answer(failure(result) if isinstance(result, EdgeGateError) else answer)

        try:
            gate.door.release(pulse_ms, tell)
        except EdgeGateError as error:
            record(error)
            raise

    def _pause(self, caller: Caller, paused: bool) -> None:
        if paused and self.enrolling:
            raise Busy("An enrolment")
        self._gate.oversight.acted(caller, "pause" if paused else "resume")
        self.paused = paused
        self._gate.link.send(EyeMode.PAUSE if paused else EyeMode.WATCH)
        self._gate.record("paused" if paused else "resumed", detail={"operator": caller.operator})
        caller.answer({"ok": {"paused": paused}})


def _standing(each: residents.ResidentStatus, compared: bool) -> dict[str, Any]:
    return {
        "id": each.resident.id,
        "name": each.resident.name,
        "created_at": iso(each.resident.created_at),
        "consent": each.consent.value,
        "consent_until": iso(each.until) if each.until else None,
        "recognised": compared and each.consent is consent.State.VALID,
    }


def _event(event: events.Event, names: dict[str, str]) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "id": event.id,
        "at": iso(event.at),
        "kind": event.kind,
        "resident": "(forgotten)" if event.resident_id == FORGOTTEN else names.get(event.resident_id or ""),
        "score": event.score,
        "detail": dict(event.detail),
        "outcome": event.outcome,
    }
