# SPDX-License-Identifier: Apache-2.0
"""What waits for a second person: asked for by one user, approved by another, used once, gone after a while.

An approval is for a whole request: every field that was sent. The second person is shown each of them, and what is used
later has to have the same digest over them all; with another date it is another request.

Kept in memory. A restart drops what waits and what was approved but not used: then somebody has to agree again, which
costs a minute; an approval that outlived the moment in which it was given could cost more.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import ApprovalUnknown, Busy, WireError

# So many of one user, so that nobody keeps others from asking, and so many in all that one answer shows them.
MOST_OF_ONE_USER: Final = 4
MOST_WAITING: Final = 48
LONGEST_BYTES: Final = 4096
# All settings there are, from what to what.
LONGEST_POLICY_BYTES: Final = 32_768
_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Matter:
    """What is to be approved: what is asked for, told to people as ``shown``, and every field of it in words.

    ``digest`` is over all of it, as it was sent.
    """

    verb: str
    shown: str
    fields: tuple[tuple[str, str], ...]
    digest: bytes

    @classmethod
    def of(
        cls,
        shown: str,
        asked: Mapping[str, Any],
        words: Mapping[str, str] | None = None,
        *,
        longest: int = LONGEST_BYTES,
    ) -> Matter:
        """Return it for a request with its verb; ``words`` say a field's value as people read it.

        Raises WireError for one that takes more bytes than ``longest``.
        """
        spelled = json.dumps(asked, sort_keys=True, separators=(",", ":")).encode("ascii")
        if len(spelled) > longest:
            raise WireError("control", f"what waits for a second person has at most {longest} bytes")
        told = {name: text for name, text in _flat(asked) if name != "verb"} | dict(words or {})
        return cls(str(asked["verb"]), shown, tuple(sorted(told.items())), hashlib.sha256(spelled).digest())


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """One thing that waits. The ``id`` is the beginning of a digest over all of it, who asked, and a random number."""

    id: str
    matter: Matter
    uid: int
    until_ns: int
    approver: int | None = None

    @property
    def verb(self) -> str:
        """What is asked for."""
        return self.matter.verb


class Approvals:
    """The requests that have neither been used nor expired."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: dict[str, ApprovalRequest] = {}

    def ask(self, matter: Matter, uid: int, lasts_s: float) -> tuple[ApprovalRequest, bool]:
        """Return the request of this user for just this, and whether it is new. Raises Busy where too many wait."""
        theirs = [each for each in self._requests.values() if each.uid == uid]
        if same := next((each for each in theirs if each.matter.digest == matter.digest), None):
            return same, False
        if len(theirs) >= MOST_OF_ONE_USER:
            raise Busy(f"The approval of {MOST_OF_ONE_USER} other requests of this user")
        if len(self._requests) >= MOST_WAITING:
            raise Busy(f"The approval of {MOST_WAITING} other requests")
        until_ns = self._clock.monotonic_ns() + round(lasts_s * 1e9)
        request = ApprovalRequest(self._name(matter, uid), matter, uid, until_ns)
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

    def use(self, matter: Matter, uid: int) -> ApprovalRequest | None:
        """Return the approved request of this user for just this and forget it; None where there is none."""
        for each in self._requests.values():
            if (each.uid, each.matter.digest) == (uid, matter.digest) and each.approver is not None:
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

    def _name(self, matter: Matter, uid: int) -> str:
        """Return an identifier that nobody can guess or choose, and that leads to no field once it is used."""
        while True:
            salted = secrets.token_bytes(16) + matter.digest + str(uid).encode()
            name = hashlib.sha256(salted).hexdigest()[:_DIGITS]
            if name not in self._requests:
                return name


def _flat(fields: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield each field of an object and of those in it, with its value as text.

    Raises WireError for a name that is no word: no two fields may be shown under one name.
    """
    for name, value in fields.items():
        if not (name.isascii() and name.isidentifier()):
            raise WireError("control", f"no field is named {name!r}")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value if isinstance(value, str) else json.dumps(value)
