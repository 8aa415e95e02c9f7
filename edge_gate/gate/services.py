# SPDX-License-Identifier: Apache-2.0
"""The gate's services, as those see them who use them. Nobody is handed the whole gate.

What changes while the gate runs lives behind one of these and is asked for each time; it is never kept as a copy.
`edge_gate/gate/main.py` makes the services and hands each part the few that it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from edge_gate.core.errors import EdgeGateError, StoreError
from edge_gate.gate.authorisation.approvals import ApprovalRequest, Approvals
from edge_gate.gate.authorisation.log_watch import LogWatch
from edge_gate.gate.control.requests import Request
from edge_gate.provenance.cards import Card
from edge_gate.relays.pulses import Confirmation
from edge_gate.rules.comparison import Gallery
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.rules.policy import Policy
from edge_gate.rules.protection import SiteTransform
from edge_gate.store.audit.chain import Checkpoint
from edge_gate.store.events import Event

Outcome = Confirmation | EdgeGateError
"""How a pulse ended: what is known of it, or why it failed."""


class Journal(Protocol):
    """Writes events, and notices a store that fails (gate/journal.py)."""

    @property
    def fault(self) -> str | None:
        """What the store's last failure said; None while it works."""

    def transaction(self) -> AbstractContextManager[None]:
        """Return a block that is written wholly or not at all."""

    def begin(
        self,
        kind: str,
        *,
        resident_id: str | None = None,
        score: float | None = None,
        detail: dict[str, Any] | None = None,
    ) -> Event:
        """Write an event whose outcome follows. Raises StoreError; then what it announces must not be done."""

    def finish(self, event: Event, outcome: str) -> None:
        """Write how an event ended, now or as soon as the store takes it."""

    def record(self, kind: str, *, resident_id: str | None = None, detail: dict[str, Any] | None = None) -> None:
        """Write an event that nothing waits for; never raises for a store that fails."""

    def record_seen(self, kind: str, *, detail: dict[str, Any] | None = None) -> None:
        """Write an event that the eye alone can cause, within a bound."""

    def note_fault(self, error: StoreError) -> None:
        """Remember that the store failed."""


class Recognition(Protocol):
    """Who is known, and how sure the gate has to be (gate/recognition/recognition.py)."""

    @property
    def card(self) -> Card:
        """The eye-region model's."""

    @property
    def fault(self) -> str | None:
        """Why the gallery could not be read; None where it was."""

    @property
    def doubtful(self) -> frozenset[str]:
        """Those whose name or consents are not as was vouched for."""

    @property
    def gallery(self) -> Gallery:
        """What a probe is compared with."""

    @property
    def plain_point(self) -> OperatingPoint:
        """The card's operating point, for two vectors."""

    @property
    def point(self) -> OperatingPoint:
        """The operating point for protected templates."""

    @property
    def policy(self) -> Policy:
        """When an approach counts as recognised."""

    @property
    def transform(self) -> SiteTransform:
        """What makes codes of vectors."""

    def refresh(self, resident_id: str) -> None:
        """Read one resident's template again. A store that fails is told, and they are not compared."""

    def renew(self, transform: SiteTransform, codes: Mapping[str, bytes]) -> None:
        """Compare under another transform, with its code for each resident."""


class Mode(Protocol):
    """What the gate does at the moment, and whether a door may be opened now (gate/mode.py)."""

    @property
    def paused(self) -> bool:
        """Whether the eye has been told to look at nothing."""

    @property
    def enrolling(self) -> bool:
        """Whether an enrolment is under way."""

    @property
    def held(self) -> str:
        """Why nothing may be opened, or nothing."""

    def require_eye(self) -> None:
        """Raise EyeAbsent, CameraAtFault or Paused where nobody can be seen."""

    def refuse_enrolling(self) -> None:
        """Raise Busy while an enrolment is under way."""

    def pause(self, paused: bool) -> None:
        """Stop looking, or look again. Raises Busy."""

    def enrol(self, enrolling: bool) -> None:
        """Begin or end an enrolment."""


class Authorisation(Protocol):
    """Who may do what, what takes two people, and the log of it (gate/authorisation/authorisation.py)."""

    @property
    def settled(self) -> dict[str, Any]:
        """The settings that hold, as an audit row has them."""

    @property
    def log_watch(self) -> LogWatch:
        """Whether the log is the one that this device knows."""

    @property
    def approvals(self) -> Approvals:
        """What waits for a second person."""

    def waiting(self, asked: Request) -> list[ApprovalRequest]:
        """Return what waits and this caller may approve or has asked for."""

    def acted(self, asked: Request, *, resident_id: str | None = None, detail: dict[str, Any] | None = None) -> None:
        """Write down what a caller does, in the transaction that does it. Raises StoreError; then it is not done."""

    def second(
        self, asked: Request, shown: str, *, words: Mapping[str, str] | None = None, always: bool = False
    ) -> dict[str, Any]:
        """Return what the audit row has to say about an approval. Raises ApprovalNeeded, having asked for it."""

    def beyond(self) -> dict[str, Any]:
        """Return what the audit row of an erasure or a withdrawal has to say: nothing while few are made."""

    def let_through(self) -> None:
        """Raise PolicyHeld while nothing may be opened and nobody enrolled."""

    def approve(self, asked: Request, request_id: str) -> ApprovalRequest:
        """Let a second person agree. Raises ApprovalUnknown or NotAllowed."""

    def checkpoint(self, asked: Request) -> Checkpoint:
        """Sign the audit log as it stands."""


class DoorControl(Protocol):
    """The only way to an opened door (gate/door/control.py)."""

    @property
    def released(self) -> bool:
        """Whether the lock is released now."""

    @property
    def pulse_ms(self) -> int:
        """How long a pulse is at present."""

    def pulse(
        self,
        kind: str,
        *,
        on_outcome: Callable[[Outcome], None],
        resident_id: str | None = None,
        score: float | None = None,
        detail: dict[str, Any] | None = None,
        together: Callable[[], None] = ...,
    ) -> None:
        """Write an event, release the lock for one pulse, write the outcome. Raises StoreError; then it stays shut."""
