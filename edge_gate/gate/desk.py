# SPDX-License-Identifier: Apache-2.0
"""What the CLI may ask of the gate, one method for each verb, and the one enrolment that may be under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from edge_gate import guidance
from edge_gate.clock import iso
from edge_gate.errors import (
    Busy,
    ConsentMissing,
    EdgeGateError,
    EnrolmentFailed,
    EyeAbsent,
    NameTaken,
    WireError,
)
from edge_gate.gate.control import Caller, failure
from edge_gate.gate.door import DoorState
from edge_gate.gate.enrolment import Enrolment, Progress, refuse_duplicate
from edge_gate.gate.oversight_desk import OversightDesk
from edge_gate.gate.renewals import Renewals
from edge_gate.receipt import Kind, Receipt, written
from edge_gate.store import consent, events, residents, templates
from edge_gate.store.schema import FORGOTTEN
from edge_gate.wire import Sighting, Verb

if TYPE_CHECKING:
    from edge_gate.gate.service import Gate


# However long their names are, so many fit into what may wait to be sent (control.MOST_WAITING_BYTES).
PAGE_RESIDENTS: Final = 200


@dataclass(frozen=True, slots=True)
class StatedConsent:
    """Who agreed to what, as the operator stated it before the camera was used."""

    purpose: str
    given_by: str
    until: datetime


@dataclass(slots=True, eq=False)
class Sitting:
    """An enrolment under way: for whom, on whose consent, at whose request."""

    caller: Caller
    name: str
    consent: StatedConsent
    enrolment: Enrolment
    approved: dict[str, Any]
    told: Progress | None = None


class Desk:
    """Serves one request after the other. An error reaches the caller as its message and exit code."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._sitting: Sitting | None = None
        self._renewals = Renewals(gate)
        self.paused = False
        self._verbs: dict[str, Callable[[Caller, dict[str, Any]], None]] = {
            "status": lambda caller, _: caller.answer({"ok": gate.status()}),
            "residents": self._residents,
            "events": self._events,
            "enrol": self._enrol,
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
        return self._sitting is not None

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
            self._gate.link.send(Verb.PAUSE)
        else:
            self._gate.link.send(Verb.ENROL if self.enrolling else Verb.WATCH)

    def take(self, sighting: Sighting) -> bool:
        """Use a sighting for the enrolment under way. Returns False where there is none."""
        if self._sitting is None:
            return False
        try:
            progress = self._sitting.enrolment.add(sighting)
            self._tell(self._sitting, progress)
            if self._sitting.enrolment.complete:
                self._finish(self._sitting)
        except EdgeGateError as error:
            self._give_up(error)
        return True

    def tick(self, now_ns: int) -> None:
        """Go on with a renewal, and end an enrolment that takes too long or whose operator or eye has gone."""
        self._renewals.tick()
        if self._sitting is None:
            return
        try:
            self._sitting.enrolment.check_time(now_ns)
            if self._sitting.caller.gone:
                raise EnrolmentFailed("the operator has gone")
        except EnrolmentFailed as error:
            self._give_up(error)

    def _enrol(self, caller: Caller, request: dict[str, Any]) -> None:
        gate = self._gate
        name = _text(request, "name", residents.LONGEST_NAME)
        stated = _consent(request)
        if stated is None or stated.until <= gate.clock.now():
            raise ConsentMissing(name)
        if self._sitting is not None:
            raise Busy("An enrolment")
        if gate.link.connection is None or self.paused:
            raise EyeAbsent
        if name in self._names().values():
            raise NameTaken(name)
        gate.oversight.let_through()
        approved = gate.oversight.second(caller, "enrol", name, f"enrolling {name}")
        enrolment = Enrolment(gate.clock.monotonic_ns(), gate.plain_point.threshold)
        self._sitting = Sitting(caller, name, stated, enrolment, approved)
        gate.link.send(Verb.ENROL)

    def _tell(self, sitting: Sitting, progress: Progress) -> None:
        if progress != sitting.told:
            text = guidance.text(progress.guidance, self._gate.config.site.language)
            english = guidance.text(progress.guidance, "en")
            line = {"taken": progress.taken, "wanted": progress.wanted, "guidance": text, "guidance_en": english}
            sitting.caller.answer({"progress": line})
            sitting.told = progress

    def _finish(self, sitting: Sitting) -> None:
        """Store consent and template together, or nothing; raises where the person is enrolled already."""
        gate = self._gate
        vector = sitting.enrolment.template()
        refuse_duplicate(vector, gate.gallery, gate.point.threshold, self._names())
        operator, views, stated = sitting.caller.operator, sitting.enrolment.taken, sitting.consent
        with gate.store.transaction():
            resident = residents.add(gate.store, sitting.name)
            consent.record(
                gate.store,
                resident.id,
                purpose=stated.purpose,
                given_by=stated.given_by,
                until=stated.until,
                operator=operator,
            )
            code = gate.transform.encode(vector).tobytes()
            template = templates.Template(resident.id, gate.card.model_id, views, code, len(vector))
            templates.put(gate.store, template)
            detail = {"operator": operator, "views": views}
            events.append(gate.store, "enrolled", resident_id=resident.id, detail=detail)
            noted = {"views": views, **sitting.approved}
            gate.oversight.acted(sitting.caller, "enrol", resident_id=resident.id, detail=noted)
        gate.reload_gallery()
        self._end_sitting()
        sitting.caller.answer({"ok": {"id": resident.id, "name": resident.name, "views": views}})

    def _give_up(self, error: EdgeGateError) -> None:
        sitting = self._sitting
        if sitting is not None:
            self._end_sitting()
            sitting.caller.answer(failure(error))
            self._gate.record("enrolment failed", detail={"operator": sitting.caller.operator})

    def _end_sitting(self) -> None:
        self._sitting = None
        self._gate.link.send(Verb.WATCH)

    def _names(self) -> dict[str, str]:
        gate = self._gate
        standings = residents.everyone(gate.store, gate.card.model_id, gate.clock.now())
        return {each.resident.id: each.resident.name for each in standings}

    def _residents(self, caller: Caller, request: dict[str, Any]) -> None:
        """Send one page of the residents by name, from the number ``first`` on; an empty one is the end."""
        first = request.get("first", 0)
        if not isinstance(first, int) or isinstance(first, bool) or not 0 <= first < 2**62:
            raise WireError("control", "first is a whole number from 0 on")
        gate = self._gate
        everyone = residents.everyone(gate.store, gate.card.model_id, gate.clock.now())
        standings = everyone[first : first + PAGE_RESIDENTS]
        compared = set(gate.gallery.ids)
        caller.answer({"ok": [_standing(each, each.resident.id in compared) for each in standings]})

    def _events(self, caller: Caller, request: dict[str, Any]) -> None:
        limit = request.get("limit", 20)
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 500:
            raise WireError("control", "limit is a whole number from 1 to 500")
        kind = request.get("kind")
        if kind is not None and not isinstance(kind, str):
            raise WireError("control", "kind is text")
        names = self._names()
        found = events.recent(self._gate.store, kind=kind, limit=limit)
        caller.answer({"ok": [_event(each, names) for each in found]})

    def _forget(self, caller: Caller, request: dict[str, Any]) -> None:
        gate = self._gate
        resident = residents.find(gate.store, _text(request, "name", 200))
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
        return written(receipt, gate.store.keyring.signer(), gate.config.site.language)

    def _withdraw(self, caller: Caller, request: dict[str, Any]) -> None:
        gate = self._gate
        resident = residents.find(gate.store, _text(request, "name", 200))
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
        if gate.door.state is DoorState.RELEASED:
            raise Busy("An opening")
        approved = {}
        if gate.oversight.held:
            shown = "releasing the lock by hand while nothing may be opened"
            approved = gate.oversight.second(caller, "relay-test", "relay-test", shown, always=True)
        with gate.store.transaction():
            event = events.append(gate.store, "relay test", detail={"operator": caller.operator}, awaited=True)
            gate.oversight.acted(caller, "relay-test", detail=approved)
        try:
            outcome = gate.door.release().value
        except EdgeGateError as error:
            events.finish(gate.store, event.id, f"failed: {error}")
            raise
        events.finish(gate.store, event.id, outcome)
        caller.answer({"ok": {"outcome": outcome, "pulse_ms": gate.config.door.pulse_ms}})

    def _pause(self, caller: Caller, paused: bool) -> None:
        if paused and self.enrolling:
            raise Busy("An enrolment")
        self._gate.oversight.acted(caller, "pause" if paused else "resume")
        self.paused = paused
        self._gate.link.send(Verb.PAUSE if paused else Verb.WATCH)
        self._gate.record("paused" if paused else "resumed", detail={"operator": caller.operator})
        caller.answer({"ok": {"paused": paused}})


def _text(request: dict[str, Any], key: str, longest: int) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
        raise WireError("control", f"{key} is a line of text of 1 to {longest} characters")
    return value.strip()


def _consent(request: dict[str, Any]) -> StatedConsent | None:
    stated = request.get("consent")
    if not isinstance(stated, dict):
        return None
    try:
        until = datetime.fromisoformat(_text(stated, "until", 40))
        until = until.replace(tzinfo=until.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the year 10,000 in UTC
        raise WireError("control", f"consent.until is not a date: {error}") from error
    return StatedConsent(_text(stated, "purpose", 200), _text(stated, "given_by", 200), until)


def _standing(each: residents.Standing, compared: bool) -> dict[str, Any]:
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
