# SPDX-License-Identifier: Apache-2.0
"""The gate process: one thread, one loop, in which a sighting becomes a decision and a decision an opened door.

The order that matters: the event is committed, then the relay is pulsed, then the result is recorded. A crash between
the first two leaves an event without an outcome and a closed door, never an opening that nobody can find in the log.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Callable
from dataclasses import asdict, astuple
from functools import partial
from typing import Any, Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import EdgeGateError, NoOperatingPoint, StoreError
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.gate.authorisation.oversight import Oversight
from edge_gate.gate.authorisation.roles import groups
from edge_gate.gate.control.access_list import set_access_list
from edge_gate.gate.control.server import ControlServer
from edge_gate.gate.door.door import Door
from edge_gate.gate.peers.eye import EyeLink
from edge_gate.gate.recognition.keyring_watch import KeyringWatch
from edge_gate.gate.verbs.desk import Desk
from edge_gate.provenance import cards
from edge_gate.relays.pulses import Confirmation
from edge_gate.rules.comparison import Gallery
from edge_gate.rules.fusion import Approach, ApproachTracker
from edge_gate.rules.policy import Decision, Policy, Verdict
from edge_gate.rules.protection import correct_threshold
from edge_gate.seal import Hardening, Sealed
from edge_gate.settings.config import Config
from edge_gate.store import events
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.people.sweep import sweep
from edge_gate.store.templates import renewal, templates
from edge_gate.wire.eye import CameraState, Health, Sighting

# How often the loop turns when nothing happens: consents expire, approaches end, the watchdog is fed.
IDLE_S: Final = 0.25
# Events that the eye alone can cause, at once and then each second: one that was taken over fills no disk.
MOST_SEEN: Final = 600
SEEN_PER_S: Final = 0.5
GALLERY_REFRESH_NS: Final = 60_000_000_000
_log = logging.getLogger(__name__)


class Gate:
    """Owns both sockets, and uses store and door alone. `run` returns when `stop` was called.

    ``written_by`` is the user who owns the configuration file.
    """

    def __init__(self, config: Config, store: Store, log: AuditLog, door: Door, clock: Clock, written_by: int) -> None:
        self.store_fault: str | None = None
        self.oversight = Oversight(config, store, log, clock, written_by, self._note_store_fault)
        self.config = config
        self.store = store
        self.door = door
        self.clock = clock
        self.card = cards.read(config.models, config.models.eyes)
        self.waived = cards.unsigned_cards(config.models)
        self.adopt_policy()
        self.tracker = ApproachTracker(config.decision.gap_s)
        self.started_ns = clock.monotonic_ns()
        self.keyring_watch = KeyringWatch(self)
        self.transform, self._protected = renewal.prepare(store)
        # Drawing the axes takes a moment, in which an approach could be lost: now, not in the middle of an enrolment.
        if self.card.dimensions:
            self.transform.axes(self.card.dimensions)
        self.gallery = Gallery.of((), (), self.transform)
        self._opened: dict[bytes, templates.Template] = {}
        self._gallery_read_ns = 0
        self._opened_ns: dict[str, int] = {}
        self.camera = CameraState.STARTING
        self._seen = TokenBucket(MOST_SEEN, SEEN_PER_S, self.started_ns)
        self._unseen = 0
        self._started = self._stopping = False
        self.sealed = Sealed(Hardening(0))
        self._selector = selectors.DefaultSelector()
        door.attach(self._selector, lambda: None)  # each turn ticks the door: a descriptor only has to end the wait
        sockets = config.sockets
        model = self.card.model_id, self.card.dimensions
        self.link = EyeLink(sockets.eye, sockets.eye_user, *model, clock, self._eye_gone)
        self.desk = Desk(self)
        self.control = ControlServer(sockets.control, self.oversight.judge, self._selector, self.desk.handle, clock)
        set_access_list(sockets.control, groups(config))
        self._selector.register(self.link.server, selectors.EVENT_READ, self._accept_eye)
        # A pair of sockets through which a signal handler wakes the loop.
        self._waker, self._wake = socket.socketpair()
        self._selector.register(self._waker, selectors.EVENT_READ, lambda: self._waker.recv(64))

    def start(self) -> None:
        """Account for what a crash may have left open in the log and in forgetting, and read who may come in."""
        self._started = True
        self.oversight.start()
        self.keyring_watch.start()
        self.oversight.sign()
        for event in events.unfinished(self.store):
            events.finish(self.store, event.id, "interrupted")
        self._sweep()
        self.reload_gallery()
        if self._protected:
            self.record("templates protected", detail={"templates": self._protected})
        self.record("started", detail={"door": self.door.state.value, "fmr": self.point.fmr})
        for card in self.waived:
            _log.warning("the model %s is %s; models.allow_unsigned lets it in", card.name, card.waived)
            detail = {"model": card.name, "signature": card.waived, "sha256": card.fields["sha256"]}
            self.record("unsigned model", detail=detail)

    def _sweep(self) -> None:
        """Remove whoever was forgotten and is back, out of an old backup or through a power cut, and say so."""
        try:
            swept = sweep(self.store)
            if swept:
                _log.warning("swept: %s forgotten residents, %s templates without a key", *astuple(swept))
                self.record("swept", detail=asdict(swept))
        except StoreError as error:  # they stay unreadable; the next start tries again
            self._note_store_fault(error)

    def run(self, alive: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`; ``alive()`` is called in each turn and feeds the watchdog."""
        while not self._stopping:
            try:
                for key, _ in self._selector.select(self._patience_s()):
                    key.data()
                self.turn()
            except StoreError as error:  # nothing was opened without its event; the next turn tries again
                self._note_store_fault(error)
            alive()

    def turn(self) -> None:
        """Do what time alone makes due. Raises GuardLost where only a fresh gate can move the door again."""
        now = self.clock.monotonic_ns()
        self.door.tick()
        if self.door.lost is not None:
            raise self.door.lost
        ended = self.tracker.expire(now)
        if ended is not None:
            self._end(ended)
        if self.tracker.current is not None:
            self._consider(self.tracker.current)
        self.desk.tick(now)
        self.oversight.tick(now)
        self.keyring_watch.tick()
        self.control.tend()
        if now - self._gallery_read_ns > GALLERY_REFRESH_NS:
            self.reload_gallery()

    def stop(self) -> None:
        """End the loop soon; may be called from a signal handler."""
        self._stopping = True
        self._wake.send(b"x")

    def close(self) -> None:
        """Hang up on everybody. Store and door belong to whoever opened them (edge_gate.gate.main)."""
        self._await_outcomes()
        if self._started:
            self.oversight.stop()
        self.control.close()
        self.link.close()
        self._selector.close()
        self._waker.close()
        self._wake.close()

    def _await_outcomes(self) -> None:
        """Let every pulse that was begun have its outcome recorded while the store is open."""
        while self.door.releasing:
            try:
                if not self.door.settle():
                    break  # the next start records it as interrupted
            except StoreError as error:
                self._note_store_fault(error)
        self.door.detach()

    def adopt_policy(self) -> None:
        """Decide by the settings that hold: the file's, but for what waits for a second person (standing.py)."""
        self.config = self.oversight.standing.applied(self.config)
        try:
            self.plain_point = self.card.threshold("fused", self.config.decision.fmr)
        except NoOperatingPoint:
            if not self.oversight.looser:
                raise
            # The card of another model has not the point that was agreed to: as with trust, nothing is opened.
            self.plain_point = self.card.threshold("fused", self.oversight.wanted.fmr)
            self.oversight.held = "decision.fmr was raised, and this model has no point at the old one"
        # The card's point is of two vectors; the scores of protected templates are less exact.
        self.point = correct_threshold(self.card.operating_points, self.plain_point)
        self.policy = Policy(self.point, self.config.decision)

    def reload_gallery(self) -> None:
        """Read the templates of everyone whose consent holds at this moment."""
        # What was opened from its seal is not opened again each minute.
        found = templates.gallery(self.store, self.card.model_id, self.clock.now(), self._opened.get)
        self._opened = {each.seal: each for each in found}
        self.gallery = Gallery.of([each.resident_id for each in found], [each.code for each in found], self.transform)
        self._gallery_read_ns = self.clock.monotonic_ns()

    def record(
        self,
        kind: str,
        *,
        resident_id: str | None = None,
        score: float | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Append an event that nothing waits for: where the store is full or read-only the gate says so and goes on."""
        try:
            events.append(self.store, kind, resident_id=resident_id, score=score, detail=detail)
            self.store_fault = None
        except StoreError as error:
            self._note_store_fault(error)

    def _record_seen(self, kind: str, **said: Any) -> None:
        """Record what the eye alone can cause; what is too much is counted, and the next event says how much it was."""
        if not self._seen.spend(self.clock.monotonic_ns()):
            self._unseen += 1
            return
        if self._unseen:
            said["detail"] = {**said.get("detail", {}), "not_written_down": self._unseen}
            self._unseen = 0
        self.record(kind, **said)

    def _note_store_fault(self, error: StoreError) -> None:
        if self.store_fault != str(error):
            _log.error("%s", error)
        self.store_fault = str(error)

    def _patience_s(self) -> float:
        due, asked = self.door.due_ns, self.control.patience_s()
        door_s = IDLE_S if due is None else max(0.0, (due - self.clock.monotonic_ns()) / 1e9)
        return min(IDLE_S, door_s, IDLE_S if asked is None else asked)

    def _accept_eye(self) -> None:
        if self.link.accept() and self.link.connection is not None:
            self._selector.register(self.link.connection, selectors.EVENT_READ, self._hear)
            self._record_seen("eye joined")
            self.oversight.origins.look()
            self.desk.greet_eye()

    def _eye_gone(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        self.camera = CameraState.STARTING
        self._record_seen("eye lost", detail={"reason": self.link.gone_because})

    def _hear(self) -> None:
        for message in self.link.receive():
            if isinstance(message, Health):
                self._note_health(message)
            else:
                self._see(message)

    def _note_health(self, health: Health) -> None:
        if health.camera is self.camera:
            return
        faults = (CameraState.STARTING, CameraState.WORKING)
        if health.camera not in faults or self.camera not in faults:
            self._record_seen("camera", detail={"state": health.camera.name.lower()})
        self.camera = health.camera

    def _see(self, sighting: Sighting) -> None:
        enrolling = self.desk.take(sighting)
        approach, ended = self.tracker.add(sighting)
        if ended is not None:
            self._end(ended)
        if enrolling:  # who has just been enrolled steps away and comes again, like everybody else
            approach.settled = True
        self._consider(approach)

    def _consider(self, approach: Approach) -> None:
        if self.oversight.held:
            return
        decision = self.policy.decide(approach, self.gallery, self.clock.monotonic_ns())
        if decision.verdict is Verdict.OPEN:
            self._open(approach, decision)
        elif decision.verdict is Verdict.REFUSE:
            self._refuse(approach, decision)

    def _open(self, approach: Approach, decision: Decision) -> None:
        """Commit, pulse, record. Where the event cannot be committed the door stays shut (StoreError)."""
        now, resident_id = self.clock.monotonic_ns(), str(decision.resident_id)
        approach.settled = True
        if now - self._opened_ns.get(resident_id, -(10**18)) < self.config.decision.hold_off_s * 1e9:
            return
        event = events.append(
            self.store,
            "opened",
            awaited=True,
            resident_id=resident_id,
            score=decision.comparison_score,
            detail={"sightings": len(approach.vectors), "captured_ns": approach.last.captured_ns},
        )
        self._opened_ns[resident_id] = now
        done = partial(self._finish_opening, event.id, resident_id, approach)
        try:
            self.door.release(self.config.door.pulse_ms, done)
        except EdgeGateError as error:
            done(error)

    def _finish_opening(
        self, event_id: str, resident_id: str, approach: Approach, result: Confirmation | EdgeGateError
    ) -> None:
        """Record how an opening ended. Where that fails the event stays awaited, and the next start says so of it."""
        outcome = result.value if isinstance(result, Confirmation) else f"failed: {result}"
        if isinstance(result, EdgeGateError):
            self._opened_ns.pop(resident_id, None)
            self._next_attempt(approach)
        _log.info("opened: %s", outcome)
        events.finish(self.store, event_id, outcome)

    def _refuse(self, approach: Approach, decision: Decision) -> None:
        if approach.attempt == 1:  # one person who stands there is one event, however often they are compared
            self._record_seen("refused", score=decision.comparison_score)
            _log.info("refused")
        self._next_attempt(approach)

    def _next_attempt(self, approach: Approach) -> None:
        approach.settled = approach.attempt >= self.config.decision.attempts
        approach.next_attempt()

    def _end(self, approach: Approach) -> None:
        """Somebody left. Whoever was never seen well enough to be judged is worth a line: it may be a bad light."""
        if approach.settled or approach.attempt > 1 or approach.accepted + approach.refusals.total() < 2:
            return
        decision = self.policy.decide(approach, self.gallery, self.clock.monotonic_ns())
        if len(approach.vectors) >= self.config.decision.min_sightings:
            self._refuse(approach, decision)
            return
        reasons = approach.refusals.most_common(1)
        detail = {"accepted": approach.accepted, "reason": reasons[0][0].name.lower() if reasons else "left too soon"}
        self._record_seen("unclear", detail=detail)
