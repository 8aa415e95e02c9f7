# SPDX-License-Identifier: Apache-2.0
"""Starts the gate: opens the relay, the key and the store, serves until told to stop, and leaves the door secure."""

from __future__ import annotations

import logging
import os
import selectors
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Final

from edge_gate.core.clock import MachineClock, SystemClock
from edge_gate.core.notify import ServiceNotifier
from edge_gate.core.time_zones import local_time
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.gate.authorisation.authorisation import Authorisation
from edge_gate.gate.authorisation.roles import Lists, SystemLists, groups
from edge_gate.gate.clock_watch import ClockWatch
from edge_gate.gate.control.access_list import set_access_list
from edge_gate.gate.control.server import ControlServer
from edge_gate.gate.door.control import DoorControl
from edge_gate.gate.door.door import Door
from edge_gate.gate.expiry import ExpiredTemplates
from edge_gate.gate.gate import Gate, SealState
from edge_gate.gate.jobs import Jobs
from edge_gate.gate.journal import Journal
from edge_gate.gate.loop import Loop
from edge_gate.gate.mode import Mode
from edge_gate.gate.peers.eye_watch import EyeWatch
from edge_gate.gate.recognition.approaches import Approaches
from edge_gate.gate.recognition.attacks import AttackWatch
from edge_gate.gate.recognition.challenges import Challenges
from edge_gate.gate.recognition.keyring_watch import KeyringWatch
from edge_gate.gate.recognition.limiter import Limiter
from edge_gate.gate.recognition.recognition import Recognition
from edge_gate.gate.unlocking import Unlock, only_unlock, seal_and_unlock
from edge_gate.gate.verbs.clock import ClockVerbs
from edge_gate.gate.verbs.door import DoorVerbs
from edge_gate.gate.verbs.enrolment import EnrolmentVerbs
from edge_gate.gate.verbs.events import EventVerbs
from edge_gate.gate.verbs.eye import EyeVerbs, was_paused
from edge_gate.gate.verbs.guidance import GuidanceVerbs
from edge_gate.gate.verbs.liveness import LivenessVerbs
from edge_gate.gate.verbs.oversight import OversightVerbs
from edge_gate.gate.verbs.residents import ResidentVerbs
from edge_gate.gate.verbs.status import Sources, StatusVerbs
from edge_gate.gate.verbs.store import StoreVerbs
from edge_gate.gate.verbs.table import ControlVerbs
from edge_gate.gate.verbs.templates import TemplateVerbs
from edge_gate.provenance import cards
from edge_gate.relays.board import open_board
from edge_gate.rules.agreed_policy import digest
from edge_gate.rules.lending import Lending
from edge_gate.rules.limiter import Limits
from edge_gate.settings.config import Config
from edge_gate.store import connection
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.integrity import IntegrityCheck
from edge_gate.store.keys.pending import keys_in_use
from edge_gate.store.lock import sole_use

# How often the watchdog is fed; the unit's WatchdogSec= is ten times that.
FEED_S: Final = 1.0
_log = logging.getLogger(__name__)


def build(
    config: Config,
    store: Store,
    log: AuditLog,
    check: IntegrityCheck,
    door: Door,
    clock: MachineClock,
    written_by: int,
    lists: Lists,
) -> Gate:
    """Make the gate's parts, hand each the few services that it uses, and listen on both sockets."""
    journal = Journal(store, clock)
    authorisation = Authorisation(config, store, log, clock, written_by, journal.note_fault, lists)
    keyring_watch = KeyringWatch(store, log.public_key, journal, authorisation.note)
    clock_watch = ClockWatch(store, journal, authorisation.note)
    recognition = Recognition(store, config.models, clock)
    limits = Limits.of(config.decision.attempts, config.limiter)
    limiter = Limiter(limits, journal, authorisation.note, clock)
    attacks = AttackWatch(config, store, journal, limiter)
    unsigned = tuple(cards.unsigned_cards(config.models))

    def decide_as_agreed() -> None:
        agreed = authorisation.agreed
        authorisation.hold(recognition.adopt(agreed.decision, authorisation.wanted.decision))
        attacks.mode = agreed.liveness.mode
        limiter.adopt(Limits.of(agreed.decision.attempts, agreed.limiter))

    decide_as_agreed()
    authorisation.check_policy = lambda wanted: recognition.check(wanted.decision)
    recognition.prepare()
    loop = Loop(selectors.DefaultSelector())
    door.attach(loop.selector, lambda: None)  # each turn ticks the door: a descriptor only has to end the wait
    model = recognition.card.model_id, recognition.card.dimensions
    eye = EyeWatch(authorisation.agreed.sockets, digest(config), model, journal, loop.selector, clock)
    authorisation.doubt = lambda: eye.held
    mode = Mode(eye.link.send, lambda: eye.state, lambda: authorisation.held, paused=was_paused(store))
    door_control = DoorControl(door, journal, lambda: authorisation.agreed.door.pulse_ms)
    decision = authorisation.agreed.decision
    challenges = Challenges(
        attacks,
        journal,
        clock,
        setting=lambda: authorisation.agreed.liveness.challenge,
        scene_known=lambda: eye.scene_known,
        heard=lambda: guidance.heard,
    )
    approaches = Approaches(recognition, door_control, journal, mode, attacks, limiter, challenges, decision, clock)
    guidance = GuidanceVerbs(approaches, attacks, limiter, clock)
    local = local_time(config.site.time_zone, os.environ)

    def adopt() -> None:
        """Go on by the settings that were just agreed to. Which groups the kernel lets call is set at a start."""
        decide_as_agreed()
        approaches.adopt(authorisation.agreed.decision)
        eye.link.allow(authorisation.agreed.sockets.eye_user)

    lending, language = Lending(), config.site.language
    enrolment = EnrolmentVerbs(store, journal, recognition, mode, authorisation, attacks, lending, language, local)
    liveness = LivenessVerbs(store, journal, mode, authorisation, attacks, lending, clock)
    jobs = Jobs(clock)
    renewal = TemplateVerbs(store, journal, recognition, authorisation, keyring_watch.refuse, jobs)
    expired = ExpiredTemplates(
        store,
        journal,
        recognition,
        jobs,
        lambda: authorisation.agreed.consent.erase_after_days,
        authorisation.did,
        lambda: authorisation.log_watch.doubt,
    )
    seal = SealState()
    status = StatusVerbs(
        Sources(
            config=config,
            store=store,
            door=door,
            eye=eye,
            guidance=guidance,
            attacks=attacks,
            limiter=limiter,
            challenges=challenges,
            journal=journal,
            mode=mode,
            recognition=recognition,
            authorisation=authorisation,
            unsigned=unsigned,
            sealed=lambda: seal.sealed,
            clock=clock,
            started_ns=clock.monotonic_ns(),
        )
    )
    # One line for each noun. A verb that is declared and not handled, or the other way round, does not start.
    handlers = (
        status.handlers,
        EyeVerbs(mode, journal, authorisation).handlers,
        DoorVerbs(door_control, mode, authorisation).handlers,
        ResidentVerbs(store, journal, recognition, authorisation, config.site, local, jobs).handlers,
        guidance.handlers,
        enrolment.handlers,
        liveness.handlers,
        EventVerbs(store).handlers,
        renewal.handlers,
        StoreVerbs(store, check, jobs).handlers,
        ClockVerbs(store, journal, authorisation, local, recognition.reload).handlers,
        OversightVerbs(store, authorisation, adopt, jobs).handlers,
    )
    verbs = ControlVerbs(handlers, authorisation.authorise)
    control = ControlServer(config.sockets.control, authorisation.judge, loop.selector, verbs.handle, clock)
    set_access_list(config.sockets.control, groups(authorisation.agreed))

    def greet() -> None:
        authorisation.software.look()
        mode.greet_eye()

    eye.greet = greet
    eye.see = lambda sighting: approaches.see(sighting, enrolling=enrolment.take(sighting) or liveness.take(sighting))
    return Gate(
        store=store,
        door=door,
        clock=clock,
        loop=loop,
        journal=journal,
        mode=mode,
        authorisation=authorisation,
        keyring_watch=keyring_watch,
        clock_watch=clock_watch,
        expired=expired,
        recognition=recognition,
        approaches=approaches,
        guidance=guidance,
        eye=eye,
        enrolment=enrolment,
        liveness=liveness,
        attacks=attacks,
        limiter=limiter,
        templates=renewal,
        verbs=verbs,
        control=control,
        jobs=jobs,
        unsigned=unsigned,
        seal=seal,
    )


@contextmanager
def open_gate(
    config: Config,
    written_by: int = 0,
    unlock: Unlock = only_unlock,
    clock: MachineClock | None = None,
    lists: Lists | None = None,
) -> Iterator[Gate]:
    """Yield a gate whose door is secure and whose sockets listen; closes everything afterwards.

    ``written_by`` is the user who owns the configuration file; a second person is anybody else. ``unlock`` gets the
    key. Without ``clock`` and ``lists`` (of users and groups) the machine's own are used.

    The relay comes first: its pulse guard has to be started while this process is small, unsealed, and holds no key.
    """
    clock = clock or SystemClock()
    with ExitStack() as stack:
        door = Door(open_board(config.door, clock, may_pulse=False, environ=os.environ), config.door, clock)
        stack.callback(door.close)
        door.secure()
        door.settle()
        door.check_pulse()  # every relay is off by now, whatever the configuration says
        stack.enter_context(sole_use(config.store.path))
        key, sealed = unlock(config)
        store = stack.enter_context(Store.open(config.store.path, key, clock))
        reading_key, _ = keys_in_use(store.path, key)  # a change of the key may have been cut off half-way
        reader = stack.enter_context(closing(connection.reader(store.path, reading_key)))
        check = IntegrityCheck(reader, store.path)
        log = AuditLog(store, store.keyring.signer())
        gate = build(config, store, log, check, door, clock, written_by, lists or SystemLists())
        gate.seal.sealed = sealed
        stack.callback(gate.close)
        gate.start()
        yield gate


def serve(config: Config, *, written_by: int = 0) -> None:
    """Run the gate, sealed, until SIGTERM or SIGINT. ``written_by`` is as in `open_gate`. Raises EdgeGateError."""
    notifier = ServiceNotifier(os.environ)
    with open_gate(config, written_by, seal_and_unlock) as gate:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: gate.stop())

        fed = TokenBucket(1, 1 / FEED_S, gate.clock.monotonic_ns())

        def alive() -> None:
            if fed.spend(gate.clock.monotonic_ns()):  # however fast a flood makes the loop turn
                notifier.notify("WATCHDOG=1")

        _log.info("serving %s; door %s", config.site.name, gate.door.state.value)
        notifier.notify("READY=1\nSTATUS=Watching the door")
        gate.run(alive)
        notifier.notify("STOPPING=1")
    notifier.close()
