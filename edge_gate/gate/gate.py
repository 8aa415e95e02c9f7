# SPDX-License-Identifier: Apache-2.0
"""The gate as a whole: its parts, what each turn of the loop lets them do, and how it starts and ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field

from edge_gate.core.clock import Clock
from edge_gate.core.errors import StoreError
from edge_gate.gate.authorisation.authorisation import Authorisation
from edge_gate.gate.control.server import ControlServer
from edge_gate.gate.door.door import Door
from edge_gate.gate.jobs import Jobs
from edge_gate.gate.journal import Journal
from edge_gate.gate.loop import Loop
from edge_gate.gate.mode import Mode
from edge_gate.gate.peers.eye_watch import EyeWatch
from edge_gate.gate.recognition.approaches import Approaches
from edge_gate.gate.recognition.attacks import AttackWatch
from edge_gate.gate.recognition.keyring_watch import KeyringWatch
from edge_gate.gate.recognition.limiter import Limiter
from edge_gate.gate.recognition.recognition import Recognition
from edge_gate.gate.verbs.enrolment import EnrolmentVerbs
from edge_gate.gate.verbs.guidance import GuidanceVerbs
from edge_gate.gate.verbs.liveness import LivenessVerbs
from edge_gate.gate.verbs.table import ControlVerbs
from edge_gate.gate.verbs.templates import TemplateVerbs
from edge_gate.provenance.cards import Card
from edge_gate.seal import Hardening, Sealed
from edge_gate.settings.liveness import OFF
from edge_gate.store.database import Store
from edge_gate.store.people.sweep import sweep

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class SealState:
    """How far this process is sealed. It seals itself after the gate was built."""

    sealed: Sealed = field(default_factory=lambda: Sealed(Hardening(0)))


@dataclass(frozen=True, slots=True)
class Gate:
    """Owns both sockets, and uses store and door alone. `run` returns when `stop` was called.

    Only `stop` and `call` may be used from elsewhere than the gate's own thread.
    """

    store: Store
    door: Door
    clock: Clock
    loop: Loop
    journal: Journal
    mode: Mode
    authorisation: Authorisation
    keyring_watch: KeyringWatch
    recognition: Recognition
    approaches: Approaches
    eye: EyeWatch
    guidance: GuidanceVerbs
    enrolment: EnrolmentVerbs
    liveness: LivenessVerbs
    attacks: AttackWatch
    limiter: Limiter
    templates: TemplateVerbs
    verbs: ControlVerbs
    control: ControlServer
    jobs: Jobs
    unsigned: tuple[Card, ...]
    seal: SealState

    def start(self) -> None:
        """Account for what a crash may have left open in the log and in forgetting, and read who may come in."""
        self.authorisation.start()
        self.keyring_watch.start()
        self.authorisation.sign()
        self.journal.start()
        if doubt := self.authorisation.log_watch.doubt:
            self.journal.record("log doubted", detail={"why": doubt})
        if doubt := self.authorisation.log_watch.events_doubt:
            self.journal.record("events doubted", detail={"why": doubt})
        self._sweep()
        self.recognition.load()
        if count := self.recognition.newly_protected:
            self.journal.record("templates protected", detail={"templates": count})
        self.journal.record("started", detail={"door": self.door.state.value, "fmr": self.recognition.point.fmr})
        if self.attacks.mode == OFF:
            _log.warning("liveness.mode is off: a picture of a resident opens the door")
        for card in self.unsigned:
            _log.warning("the model %s is %s; models.allow_unsigned lets it in", card.name, card.waived)
            detail = {"model": card.name, "signature": card.waived, "sha256": card.fields["sha256"]}
            self.journal.record("unsigned model", detail=detail)

    def run(self, alive: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`. ``alive()`` is called in each turn and feeds the watchdog. Raises GuardLost."""
        patience_s = (self._door_s, self.control.patience_s, self.jobs.patience_s)
        self.loop.run(self.turn, patience_s, self.journal.note_fault, alive)

    def turn(self) -> None:
        """Do what time alone makes due. Raises GuardLost where only a fresh gate can move the door again."""
        now = self.clock.monotonic_ns()
        self.door.tick()
        if self.door.lost is not None:
            raise self.door.lost
        self.journal.tick(now)
        self.approaches.tick(now)
        self.limiter.tick(now)
        self.guidance.tick(now)
        self.templates.tick()
        self.jobs.tick(now)
        self.enrolment.tick(now)
        self.liveness.tick(now)
        self.authorisation.tick(now)
        self.keyring_watch.tick()
        self.control.tend()
        self.recognition.tick(now)

    def stop(self) -> None:
        """End the loop soon; may be called from a signal handler."""
        self.loop.stop()

    def call(self, function: Callable[[], object]) -> None:
        """Have the gate's own thread call this soon."""
        self.loop.call(function)

    def close(self) -> None:
        """Hang up on everybody. Store and door belong to whoever opened them (edge_gate.gate.main)."""
        if self.door.releasing:  # a pulse that was begun has its outcome recorded while the store is open
            self.door.settle()
        self.door.detach()
        self.jobs.finish()
        self.journal.stop()
        self.authorisation.stop()
        self.control.close()
        self.eye.close()
        self.loop.close()

    def _door_s(self) -> float | None:
        due_ns = self.door.due_ns
        return None if due_ns is None else (due_ns - self.clock.monotonic_ns()) / 1e9

    def _sweep(self) -> None:
        """Remove whoever was forgotten and is back, out of an old backup or through a power cut, and say so."""
        try:
            swept = sweep(self.store)
            if swept:
                _log.warning("swept: %s forgotten residents, %s templates without a key", *astuple(swept))
                self.journal.record("swept", detail=asdict(swept))
        except StoreError as error:  # they stay unreadable; the next start tries again
            self.journal.note_fault(error)
