# SPDX-License-Identifier: Apache-2.0
"""`enrol`: the one enrolment that may be under way, fed by the eye, ended by the operator, the eye or time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from edge_gate.core.clock import iso
from edge_gate.core.errors import (
    BadDate,
    ConsentMissing,
    ConsentOver,
    EdgeGateError,
    EnrolmentFailed,
    EyeAbsent,
    WireError,
)
from edge_gate.core.local_time import LocalTime
from edge_gate.documents import guidance
from edge_gate.gate.control.requests import Handler, Request, read_line
from edge_gate.gate.recognition.attacks import AttackWatch
from edge_gate.gate.services import Authorisation, Journal, Mode, Recognition
from edge_gate.rules.comparison import Vector
from edge_gate.rules.enrolment import TIMEOUT_S, WANTED, Enrolment, Progress, alike_views, refuse_duplicate
from edge_gate.rules.lending import Lending
from edge_gate.rules.naming import kept_name, kept_words
from edge_gate.store import events
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents
from edge_gate.store.templates import templates
from edge_gate.wire.eye import Sighting

NOT_ALIVE: Final = (
    "it was not seen that a living person stands there. Take pictures and screens out of view, turn to softer light,"
    " look into the camera; where the camera is new, see docs/pad-field-test.md"
)


@dataclass(frozen=True, slots=True)
class StatedConsent:
    """Who agreed to what, as the operator stated it before the camera was used."""

    purpose: str
    given_by: str
    until: datetime


@dataclass(slots=True, eq=False)
class EnrolmentSession:
    """An enrolment under way: for whom, on whose consent, at whose request."""

    request: Request
    name: str
    consent: StatedConsent
    enrolment: Enrolment
    approved: dict[str, Any]
    told: Progress | None = None


class EnrolmentVerbs:
    """Serves it."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        recognition: Recognition,
        mode: Mode,
        authorisation: Authorisation,
        attacks: AttackWatch,
        lending: Lending,
        language: str,
        local: LocalTime,
    ) -> None:
        self._store = store
        self._journal = journal
        self._recognition = recognition
        self._mode = mode
        self._authorisation = authorisation
        self._attacks = attacks
        self._lending = lending
        self._language = language
        self._local = local
        self._session: EnrolmentSession | None = None
        self.handlers: Mapping[str, Handler] = {"enrol": self._begin}

    def take(self, sighting: Sighting) -> bool:
        """Use a sighting for the enrolment under way. Returns False where there is none."""
        session = self._session
        if session is None:
            return False
        try:
            progress = session.enrolment.add(sighting)
            self._tell(session, progress)
            if session.enrolment.attacked:
                self._attacks.found(session.enrolment.looks, sighting.captured_ns)
                raise EnrolmentFailed(NOT_ALIVE)
            if session.enrolment.complete:
                self._finish(session)
        except EdgeGateError as error:
            self._give_up(error)
        return True

    def tick(self, now_ns: int) -> None:
        """End an enrolment that takes too long, whose operator has gone, or that nobody can be seen for any more."""
        if self._session is None:
            return
        try:
            self._mode.require_eye()
            if self._session.enrolment.overdue(now_ns):
                raise EnrolmentFailed(_why_overdue(self._session.enrolment))
            if self._session.request.gone:
                raise EnrolmentFailed("the operator has gone")
        except EyeAbsent as error:
            self._give_up(EnrolmentFailed(str(error).removesuffix(".")))
        except EnrolmentFailed as error:
            self._give_up(error)

    def _begin(self, request: Request) -> None:
        """Begin one. The caller is told how it goes, and at last how it ended."""
        name = kept_name(request.text("name"))
        stated = _consent(request, self._local)
        if stated is None:
            raise ConsentMissing(name)
        if stated.until <= self._store.clock.now():
            raise ConsentOver(name, self._local.show_until(iso(stated.until)))
        self._mode.refuse_enrolling()
        self._mode.require_eye()
        residents.refuse_alike(self._store, name)
        self._authorisation.let_through()
        began_ns, uid = self._store.clock.monotonic_ns(), request.caller.uid
        self._lending.check_enrolments(uid, began_ns)
        words = {"consent.until": self._local.show_until(iso(stated.until))}
        approved = self._authorisation.second(request, f"enrolling {name}", words=words)
        alike = alike_views(self._recognition.card.operating_points, self._recognition.plain_point)
        enrolment = Enrolment(began_ns, alike, self._attacks.wanted)
        self._session = EnrolmentSession(request, name, stated, enrolment, approved)
        self._lending.lend(began_ns, enrolling=uid)
        self._journal.record("enrolment began", detail={"operator": request.operator})
        self._mode.enrol(True)

    def _tell(self, session: EnrolmentSession, progress: Progress) -> None:
        if progress != session.told:
            text = guidance.text(progress.guidance, self._language)
            english = guidance.text(progress.guidance, "en")
            told = {"taken": progress.taken, "wanted": progress.wanted, "guidance": text, "guidance_en": english}
            session.request.progress(told)
            session.told = progress

    def _finish(self, session: EnrolmentSession) -> None:
        """Store consent and template together, or nothing; raises where the person is enrolled already."""
        vector = session.enrolment.template()
        gallery, threshold = self._recognition.gallery, self._recognition.point.threshold
        alike = [each.resident_id for each in gallery.search(vector, 1)]
        refuse_duplicate(vector, gallery, threshold, residents.names(self._store, alike))
        views = session.enrolment.taken
        with self._store.transaction():
            resident = self._write(session, vector)
            detail = {"operator": session.request.operator, "views": views}
            events.append(self._store, "enrolled", resident_id=resident.id, detail=detail)
            noted = {"views": views, **session.approved}
            self._authorisation.acted(session.request, resident_id=resident.id, detail=noted)
            self._attacks.keep_enrolled(session.enrolment.looks)
        self._recognition.refresh(resident.id)
        self._attacks.count_people()
        self._end_session()
        session.request.answer({"id": resident.id, "name": resident.name, "views": views})

    def _write(self, session: EnrolmentSession, vector: Vector) -> residents.Resident:
        """Write resident, consent and template, in the transaction that is open."""
        resident = residents.add(self._store, session.name)
        stated = session.consent
        consent.record(
            self._store,
            resident.id,
            purpose=stated.purpose,
            given_by=stated.given_by,
            until=stated.until,
            operator=session.request.operator,
        )
        code = self._recognition.transform.encode(vector).tobytes()
        model_id, views = self._recognition.card.model_id, session.enrolment.taken
        templates.put(self._store, templates.Template(resident.id, model_id, views, code, len(vector)))
        return resident

    def _give_up(self, error: EdgeGateError) -> None:
        session = self._session
        if session is not None:
            self._end_session()
            session.request.fail(error)
            detail = {"operator": session.request.operator, "reason": _reason(error)}
            self._journal.record("enrolment failed", detail=detail)

    def _end_session(self) -> None:
        self._session = None
        self._lending.give_back(self._store.clock.monotonic_ns())
        self._mode.enrol(False)


def _why_overdue(enrolment: Enrolment) -> str:
    """Return what came of a whole enrolment's time, and what helps: what the person was told most often."""
    if enrolment.taken >= WANTED:
        return NOT_ALIVE
    found = f"only {enrolment.taken} of {WANTED} good views in {TIMEOUT_S:.0f} seconds"
    refusal = enrolment.commonest_refusal
    if refusal is not None:
        return f'{found}. What the person was told most often: "{guidance.text(refusal, "en")}"'
    if enrolment.taken:
        return f"{found}. The person has to stay in view until it ends"
    return f"{found}, and nobody was in view. One person has to stand before the camera, with the face towards it"


def _reason(error: EdgeGateError) -> str:
    """Return why an enrolment failed, for an event, which is no place for a name: others' words may have one."""
    return str(error.args[0]) if type(error) is EnrolmentFailed else type(error).__name__


def _consent(request: Request, local: LocalTime) -> StatedConsent | None:
    stated = request.fields.get("consent")
    if not isinstance(stated, dict):
        return None
    try:
        until = local.read_until(read_line(stated, "until", 40))
    except BadDate as error:
        raise WireError("control", f"consent.until: {error}") from error
    return StatedConsent(read_line(stated, "purpose", 200), kept_words(read_line(stated, "given_by", 200)), until)
