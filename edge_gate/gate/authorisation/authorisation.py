# SPDX-License-Identifier: Apache-2.0
"""Keeps the people behind the gate honest: roles, lock-outs, the second person, and the log of it all.

What changes something is written in the transaction that changes it, and is not done where it cannot be written. What
is merely to be known, such as a refusal or a start, is written if the store allows, so that a full disk does not keep
the gate from running.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from edge_gate.core.access import user_name
from edge_gate.core.clock import Clock
from edge_gate.core.errors import (
    ApprovalNeeded,
    EdgeGateError,
    LockedOut,
    LogDoubtful,
    NotAllowed,
    PolicyHeld,
    StoreError,
    WireError,
)
from edge_gate.gate.authorisation import roles
from edge_gate.gate.authorisation.approvals import LONGEST_POLICY_BYTES, ApprovalRequest, Approvals, Matter
from edge_gate.gate.authorisation.lockout import CHANGES_PER_S, MOST_CHANGES, Lockouts, Note
from edge_gate.gate.authorisation.log_watch import LogWatch
from edge_gate.gate.authorisation.membership import Membership
from edge_gate.gate.authorisation.roles import Lists
from edge_gate.gate.authorisation.software_inventory import SoftwareInventory
from edge_gate.rules.agreed_policy import POLICY, Agreement, held, shutting
from edge_gate.settings.config import Config
from edge_gate.spec.model import Role
from edge_gate.spec.registry import PEOPLE, SECOND, VERBS
from edge_gate.store.audit import generation
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.chain import KEY_CHANGED, STARTED, TIME_KEPT, Checkpoint
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.database import Store
from edge_gate.store.people import residents, vouching

POLICY_WAITS_S: Final = 24 * 3600
HOUR_S: Final = 3600
# Rows about refusals in a transaction that was undone, until the next turn writes them.
MOST_UNWRITTEN: Final = 64
ASSUMED: Final = "settings taken as agreed"
BEYOND: Final = "within the hour"
DAY_S: Final = 24 * 3600
DAY_NS: Final = DAY_S * 10**9
# Erasures beyond the hourly number of which the moment is kept, to be counted.
MOST_COUNTED: Final = 10_000
_log = logging.getLogger(__name__)


class Known(Protocol):
    """A caller as the kernel named them (edge_gate.gate.control.caller.Caller)."""

    @property
    def uid(self) -> int:
        """Their user's number."""

    @property
    def operator(self) -> str:
        """Their login name."""


class Asked(Protocol):
    """A request as the control socket gives it: a verb, and the caller."""

    @property
    def verb(self) -> str:
        """What is asked for."""

    @property
    def fields(self) -> dict[str, Any]:
        """All that was sent, the verb too."""

    @property
    def caller(self) -> Known:
        """The user that asks."""


def _accept(_: Config) -> None:
    return None


class Authorisation:
    """One for each run of the gate. ``written_by`` is the user who owns the configuration file."""

    def __init__(
        self,
        config: Config,
        store: Store,
        log: AuditLog,
        clock: Clock,
        written_by: int,
        on_fault: Callable[[StoreError], None],
        lists: Lists,
    ) -> None:
        self._store = store
        self.log = log
        self._clock = clock
        self._written_by = written_by
        self._on_fault = on_fault
        self._lockouts = Lockouts()
        self.software = SoftwareInventory(config, store, self.note)
        self.lists = lists
        self.approvals = Approvals(clock)
        self.wanted = config
        self.log_watch = LogWatch(store, log, on_fault)
        self._written = self.log_watch.agreed or {}
        settled = self._written and (self.log_watch.doubt or _in_use(store))
        self._agreement = Agreement.read(self._written, config) if settled else Agreement(held(config))
        self.waiting_settings = self._agreement.waiting(config)
        """Those that the file has otherwise than was agreed to, until a second person agrees."""
        self.agreed = self._agreement.serve(config)
        """The settings that hold: those of the file, but for what waits for a second person."""
        self.check_policy: Callable[[Config], None] = _accept
        """Raises an EdgeGateError for a policy by which the gate could not decide."""
        beyond = audit_log.count_recent(store, PEOPLE, DAY_S, BEYOND)  # told for a day from here on, at most
        self._beyond_ns = deque([clock.monotonic_ns()] * beyond, maxlen=MOST_COUNTED)
        self._unwritten: deque[tuple[str, int, dict[str, Any]]] = deque(maxlen=MOST_UNWRITTEN)
        self._membership = Membership(lambda: self.agreed, store, self.note, lists)
        self._held = _why(shutting(self.waiting_settings))
        self.doubt: Callable[[], str] = str
        """Tells why nothing may be opened just now although all is agreed to, or nothing."""

    def start(self) -> None:
        """Write down the start, the key, the settings that hold, and what of the file waits for a second person."""
        before, key = generation.last_recorded(self._store), self.log.public_key.hex()
        known = {generation.FIELD: self._store.keyring.known}
        fmr, software = self.agreed.decision.fmr, self.software.written()
        self.note(STARTED, detail={"device_key": key, "fmr": fmr, **known, TIME_KEPT: True, **software})
        self.software.start()
        if before is not None and before.key != key:
            self.note(KEY_CHANGED, detail={"device_key": key, **known})
        if self._agreement.assumed:
            self.note(ASSUMED, detail={"settings": self._agreement.assumed})
        if self.settled != self._written:
            self.note(POLICY, detail=self.settled)
        if self.waiting_settings and self._usable(self.wanted):
            shown = f"other settings: {', '.join(self.waiting_settings)}"
            changed = {"verb": POLICY, **self._agreement.compared(self.wanted)}
            matter = Matter.of(shown, changed, longest=LONGEST_POLICY_BYTES)
            request, _ = self.approvals.ask(matter, self._written_by, POLICY_WAITS_S)
            detail = {"approval": request.id, "for": POLICY, "settings": self.waiting_settings}
            self.note("approval asked", self._written_by, "configuration file", detail=detail)
        self._membership.look()
        self.log_watch.start()

    def _usable(self, policy: Config) -> bool:
        """Tell whether the gate could decide by a policy; one by which it could not is never asked to be approved."""
        try:
            self.check_policy(policy)
        except EdgeGateError as error:
            _log.error("the settings of the file wait, and cannot be approved: %s", error)
            self.note("policy unusable", detail={"settings": self.waiting_settings})
            return False
        return True

    def stop(self) -> None:
        """Write down the end and sign it."""
        self.note("stopped")
        self.sign()
        self.log_watch.keep()

    def tick(self, now_ns: int) -> None:
        """Write down what time alone makes due, and what could not be written when it happened."""
        while self._unwritten:
            verb, uid, detail = self._unwritten.popleft()
            self.note(verb, uid, "", detail=detail)
        for request in self.approvals.expired():
            self.note("approval expired", detail={"approval": request.id, "for": request.verb})
        self._membership.tick(now_ns)
        self.log_watch.tick(now_ns)
        if untold := self._lockouts.untold(now_ns):
            self.note("refusals not written down", detail={"count": untold})

    def judge(self, uid: int) -> None:
        """Let somebody call, or not. Raises LockedOut, or NotAllowed for who has no role at all."""
        self._listen(uid)
        held = roles.roles_of(uid, self.agreed, self.lists)
        if not held:
            self._refuse(uid, "call")
            hint = f"Ask to be added to one of the groups {', '.join(roles.groups(self.agreed))}."
            raise NotAllowed(user_name(uid), hint)
        self._membership.meet(uid, held)

    def authorise(self, asked: Asked) -> None:
        """Let somebody use a verb, or not. Raises LockedOut, NotAllowed, or WireError for too many changes."""
        uid, verb = asked.caller.uid, VERBS[asked.verb]
        self._listen(uid)
        self._role(asked.caller, verb.roles, verb.name)
        if verb.changes and not self._lockouts.may_change(uid, self._clock.monotonic_ns()):
            self._refuse(uid, verb.name)
            raise WireError("control", f"more than {MOST_CHANGES} changes; wait {1 / CHANGES_PER_S:g} s for each more")

    def acted(self, asked: Asked, *, resident_id: str | None = None, detail: dict[str, Any] | None = None) -> None:
        """Write down what a caller does, in the transaction that does it. Raises StoreError; then it is not done."""
        verb = asked.verb
        role = self._role(asked.caller, VERBS[verb].roles, verb)
        if verb in PEOPLE:  # which changes the keyring, before this
            detail = {**(detail or {}), **self._keys_of(resident_id), **audit_log.running(self._store)}
        actor = f"uid {asked.caller.uid}"
        self.log.append(verb, actor=actor, role=role.value, resident_id=resident_id, detail=detail)
        if detail and BEYOND in detail:
            self._beyond_ns.append(self._clock.monotonic_ns())

    def did(self, verb: str, resident_id: str, detail: Mapping[str, Any]) -> None:
        """Write down what the gate itself does to a resident's keys, in the transaction that does it. Raises
        StoreError; then it is not done."""
        said = {**detail, **self._keys_of(resident_id)}
        self.log.append(verb, actor="gate", role="gate", resident_id=resident_id, detail=said)

    def _keys_of(self, resident_id: str | None) -> dict[str, Any]:
        """Return what a row has to say of the keyring, and of a resident whose keys were changed."""
        found: dict[str, Any] = {generation.FIELD: self._store.keyring.generation}
        if resident_id is not None:
            found[vouching.FIELD] = vouching.code_of(self._store, resident_id)
        return found

    def second(
        self, asked: Asked, shown: str, *, words: Mapping[str, str] | None = None, always: bool = False
    ) -> dict[str, Any]:
        """Return what the audit row of this act has to say about its approval: nothing while few are made.

        The approval applies to this very request, of which ``shown`` tells people the gist, and ``words`` what a field
        says. ``always``: however few are made. Raises ApprovalNeeded, having asked for it.
        """
        verb, uid = asked.verb, asked.caller.uid
        if not always and self._made_within_an_hour() < self.agreed.roles.people_per_hour:
            return {}
        matter = Matter.of(shown, asked.fields, words)
        if used := self.approvals.use(matter, uid):
            return {"approval": used.id, "approver": f"uid {used.approver}"}
        minutes = self.agreed.roles.approval_minutes
        request, new = self.approvals.ask(matter, uid, 60 * minutes)
        if new:
            role = self._role(asked.caller, VERBS[verb].roles, verb)
            detail = {"approval": request.id, "for": verb}
            self.log.append("approval asked", actor=f"uid {uid}", role=role.value, detail=detail)
        raise ApprovalNeeded(shown, request.id, minutes)

    def beyond(self) -> dict[str, Any]:
        """Return what the audit row of an erasure or a withdrawal has to say: nothing while few are made.

        Nobody's wish to be erased waits for a second person. That there were more than usual is told instead.
        """
        made = self._made_within_an_hour()
        return {BEYOND: made + 1} if made >= self.agreed.roles.people_per_hour else {}

    @property
    def many_erased(self) -> int:
        """How often `beyond` had something to say within a day."""
        since = self._clock.monotonic_ns() - DAY_NS
        return sum(each > since for each in self._beyond_ns)

    def _made_within_an_hour(self) -> int:
        """Return how many residents were enrolled, withdrawn or forgotten while the machine ran its last hour."""
        return audit_log.count_recent(self._store, PEOPLE, HOUR_S)

    def approve(self, asked: Asked, request_id: str) -> ApprovalRequest:
        """Let a second person agree. Raises ApprovalUnknown, or NotAllowed for who asked or has not the role."""
        caller = asked.caller
        request = self.approvals.find(request_id)
        role = self._role(caller, SECOND[request.verb], asked.verb)
        if caller.uid == request.uid:
            self._refuse(caller.uid, asked.verb)
            raise NotAllowed(caller.operator, "Who asked for it cannot be the second person.")
        if request.verb == POLICY:  # before a row says that it holds
            self.check_policy(self.wanted)
        with self._store.transaction():
            detail = {"approval": request.id, "for": request.verb, "asked_by": f"uid {request.uid}"}
            self.log.append(asked.verb, actor=f"uid {caller.uid}", role=role.value, detail=detail)
            if request.verb == POLICY:
                self.log.append(POLICY, actor="gate", role="gate", detail=held(self.wanted))
        self.approvals.approve(request, caller.uid)
        if request.verb == POLICY:
            self.approvals.drop(request)
            self.agreed, self.waiting_settings, self._held = self.wanted, [], ""
        return request

    def waiting(self, asked: Asked) -> list[ApprovalRequest]:
        """Return what waits and this caller may approve or has asked for: what else waits may name residents."""
        held = roles.roles_of(asked.caller.uid, self.agreed, self.lists)
        return [
            each
            for each in self.approvals.waiting()
            if each.uid == asked.caller.uid or roles.acting(held, SECOND[each.verb]) is not None
        ]

    def checkpoint(self, asked: Asked) -> Checkpoint:
        """Sign the log as it stands, with a last row that says who asked for it."""
        with self._store.transaction():
            self.acted(asked)
            signed = self.log.checkpoint()
        if signed is None:
            raise StoreError(self._store.path, "the audit log lost a row that was written just now")
        return signed

    @property
    def held(self) -> str:
        """Why nothing may be opened, or nothing."""
        return f"the audit log is in doubt: {self.log_watch.doubt}" if self.log_watch.doubt else self.policy_held

    @property
    def policy_held(self) -> str:
        """The same, whatever the audit log is like."""
        return self._held or self.doubt()

    @property
    def settled(self) -> dict[str, Any]:
        """The settings that hold, as an audit row has them."""
        return self._agreement.settled(self.wanted) if self.waiting_settings else held(self.wanted)

    def hold(self, reason: str) -> None:
        """Have nothing opened for this reason; no reason changes nothing."""
        self._held = reason or self._held

    def let_through(self) -> None:
        """Raise PolicyHeld while nothing may be opened and nobody enrolled."""
        if self.log_watch.doubt:
            raise LogDoubtful(self.log_watch.doubt)
        if self.policy_held:
            raise PolicyHeld(self.policy_held)

    def _listen(self, uid: int) -> None:
        if seconds := self._lockouts.locked_s(uid, self._clock.monotonic_ns()):
            raise LockedOut(f"uid {uid}", seconds)

    def _role(self, caller: Known, allowed: frozenset[Role], verb: str) -> Role:
        """Return the role in which a caller may do something. Raises NotAllowed, having counted the refusal."""
        role = roles.acting(roles.roles_of(caller.uid, self.agreed, self.lists), allowed)
        if role is None:
            self._refuse(caller.uid, verb)
            who = " or ".join(sorted(allowed)) or Role.ROOT
            raise NotAllowed(caller.operator, f"`{verb}` is for who is {who} here (docs/maintainer.md).")
        return role

    def _refuse(self, uid: int, verb: str) -> None:
        note = self._lockouts.refused(uid, self._clock.monotonic_ns())
        if note is not Note.NOTHING:
            row = "refused" if note is Note.REFUSED else "locked out"
            if self._store.in_transaction:  # which the refusal is about to undo
                self._unwritten.append((row, uid, {"verb": verb}))
            else:
                self.note(row, uid, "", detail={"verb": verb})

    def note(
        self, verb: str, uid: int | None = None, role: str = "gate", *, detail: dict[str, Any] | None = None
    ) -> None:
        """Write down what is merely to be known, if the store allows."""
        actor = "gate" if uid is None else f"uid {uid}"
        try:
            self.log.append(verb, actor=actor, role=role, detail=detail)
        except StoreError as error:
            self._on_fault(error)

    def sign(self) -> None:
        """Sign the log as it stands, if the store allows."""
        try:
            self.log.checkpoint()
        except StoreError as error:
            self._on_fault(error)


def _why(shutting: list[str]) -> str:
    return f"{' and '.join(shutting)} changed, and a second person has to agree" if shutting else ""


def _in_use(store: Store) -> bool:
    """Tell whether anybody was ever enrolled. Until then whoever installs a gate tries one setting after the other."""
    return any(store.keyring.counts()) or residents.anybody(store) or audit_log.latest(store, "enrol") is not None
