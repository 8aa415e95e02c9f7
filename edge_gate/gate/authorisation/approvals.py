# SPDX-License-Identifier: Apache-2.0
"""What waits for a second person: asked for by one user, approved by another, used once, gone after a while.

Kept in memory. A restart drops what waits and what was approved but not used: then somebody has to agree again, which
costs a minute; an approval that outlived the moment in which it was given could cost more.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import ApprovalUnknown, Busy

MOST_WAITING: Final = 16


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """One thing that waits. ``key`` says to what exactly it applies; ``shown`` says so to people."""

    id: str
    verb: str
    key: str
    shown: str
    uid: int
    until_ns: int
    approver: int | None = None


class Approvals:
    """The requests that have neither been used nor expired."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: dict[str, ApprovalRequest] = {}

    def ask(self, verb: str, key: str, shown: str, uid: int, lasts_s: float) -> tuple[ApprovalRequest, bool]:
        """Return the request of this user for just this, and whether it is new. Raises Busy where too many wait."""
        for each in self._requests.values():
            if (each.verb, each.key, each.uid) == (verb, key, uid):
                return each, False
        if len(self._requests) >= MOST_WAITING:
            raise Busy(f"The approval of {MOST_WAITING} other requests")
        until_ns = self._clock.monotonic_ns() + round(lasts_s * 1e9)
        request = ApprovalRequest(secrets.token_hex(3), verb, key, shown, uid, until_ns)
        self._requests[request.id] = request
        return request, True

    def find(self, request_id: str) -> ApprovalRequest:
        """Return a request that nobody has approved yet. Raises ApprovalUnknown."""
        request = self._requests.get(request_id)
        if request is None or request.approver is not None or self._over(request):
            raise ApprovalUnknown(request_id)
        return request

    def approve(self, request: ApprovalRequest, uid: int) -> None:
        """Note that a user agrees; that it is another one is for the caller to see to."""
        self._requests[request.id] = replace(request, approver=uid)

    def use(self, verb: str, key: str, uid: int) -> ApprovalRequest | None:
        """Return the approved request of this user for just this and forget it; None where there is none."""
        for each in self._requests.values():
            if (each.verb, each.key, each.uid) == (verb, key, uid) and each.approver is not None:
                del self._requests[each.id]
                return None if self._over(each) else each
        return None

    def drop(self, request: ApprovalRequest) -> None:
        """Forget a request."""
        self._requests.pop(request.id, None)

    def expired(self) -> list[ApprovalRequest]:
        """Forget the requests whose time is over and return them."""
        over = [each for each in self._requests.values() if self._over(each)]
        for each in over:
            self.drop(each)
        return over

    def waiting(self) -> list[ApprovalRequest]:
        """Return what nobody has approved yet, oldest first."""
        return [each for each in self._requests.values() if each.approver is None and not self._over(each)]

    def left_s(self, request: ApprovalRequest) -> int:
        """Return how many seconds a request has left."""
        return max(0, (request.until_ns - self._clock.monotonic_ns()) // 10**9)

    def _over(self, request: ApprovalRequest) -> bool:
        return self._clock.monotonic_ns() >= request.until_ns
