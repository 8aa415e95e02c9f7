# SPDX-License-Identifier: Apache-2.0
"""The one enrolment that may be under way: asked for at the desk, fed by the eye, ended by either or by time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edge_gate.core.errors import Busy, ConsentMissing, EdgeGateError, EnrolmentFailed, EyeAbsent, NameTaken, WireError
from edge_gate.documents import guidance
from edge_gate.gate.control.requests import line
from edge_gate.gate.control.server import Caller, failure
from edge_gate.rules.enrolment import Enrolment, Progress, refuse_duplicate
from edge_gate.store import events
from edge_gate.store.people import consent, residents
from edge_gate.store.templates import templates
from edge_gate.wire.eye import EyeMode, Sighting

if TYPE_CHECKING:
    from edge_gate.gate.loop import Gate


@dataclass(frozen=True, slots=True)
class StatedConsent:
    """Who agreed to what, as the operator stated it before the camera was used."""

    purpose: str
    given_by: str
    until: datetime


@dataclass(slots=True, eq=False)
class EnrolmentSession:
    """An enrolment under way: for whom, on whose consent, at whose request."""

    caller: Caller
    name: str
    consent: StatedConsent
    enrolment: Enrolment
    approved: dict[str, Any]
    told: Progress | None = None


class EnrolmentDesk:
    """Serves the verb `enrol` (desk.py)."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._sitting: EnrolmentSession | None = None

    @property
    def busy(self) -> bool:
        """Whether an enrolment is under way (then nobody is let in: the camera is busy)."""
        return self._sitting is not None

    def begin(self, caller: Caller, request: dict[str, Any]) -> None:
        """Begin one. The caller is told how it goes, and at last how it ended."""
        gate = self._gate
        name = line(request, "name", residents.LONGEST_NAME)
        stated = _consent(request)
        if stated is None or stated.until <= gate.clock.now():
            raise ConsentMissing(name)
        if self._sitting is not None:
            raise Busy("An enrolment")
        if gate.link.connection is None or gate.desk.paused:
            raise EyeAbsent
        if name in names(gate).values():
            raise NameTaken(name)
        gate.oversight.let_through()
        approved = gate.oversight.second(caller, "enrol", name, f"enrolling {name}")
        enrolment = Enrolment(gate.clock.monotonic_ns(), gate.plain_point.threshold)
        self._sitting = EnrolmentSession(caller, name, stated, enrolment, approved)
        gate.link.send(EyeMode.ENROL)

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
        """End an enrolment that takes too long or whose operator has gone."""
        if self._sitting is None:
            return
        try:
            self._sitting.enrolment.check_time(now_ns)
            if self._sitting.caller.gone:
                raise EnrolmentFailed("the operator has gone")
        except EnrolmentFailed as error:
            self._give_up(error)

    def _tell(self, sitting: EnrolmentSession, progress: Progress) -> None:
        if progress != sitting.told:
            text = guidance.text(progress.guidance, self._gate.config.site.language)
            english = guidance.text(progress.guidance, "en")
            progressed = {"taken": progress.taken, "wanted": progress.wanted, "guidance": text, "guidance_en": english}
            sitting.caller.answer({"progress": progressed})
            sitting.told = progress

    def _finish(self, sitting: EnrolmentSession) -> None:
        """Store consent and template together, or nothing; raises where the person is enrolled already."""
        gate = self._gate
        vector = sitting.enrolment.template()
        refuse_duplicate(vector, gate.gallery, gate.point.threshold, names(gate))
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
        self._gate.link.send(EyeMode.WATCH)


def names(gate: Gate) -> dict[str, str]:
    """Return the name of each resident by identifier."""
    return {each.id: each.name for each in residents.everyone_known(gate.store)}


def _consent(request: dict[str, Any]) -> StatedConsent | None:
    stated = request.get("consent")
    if not isinstance(stated, dict):
        return None
    try:
        until = datetime.fromisoformat(line(stated, "until", 40))
        until = until.replace(tzinfo=until.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the year 10,000 in UTC
        raise WireError("control", f"consent.until is not a date: {error}") from error
    return StatedConsent(line(stated, "purpose", 200), line(stated, "given_by", 200), until)
