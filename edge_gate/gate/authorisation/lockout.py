# SPDX-License-Identifier: Apache-2.0
"""Who was refused, how often, and when that is enough: bounds what refusals can cost, in time and in rows.

A user who is refused too often is not listened to for a while, and one who changes things faster than people do is
refused. Each refusal until then is a row in the audit log, and
so is the lock-out; what is refused beyond the log's allowance is counted and told as one number an hour later. So a
flood costs the disk a bounded number of rows, whoever sends it.
"""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from edge_gate.core.token_bucket import TokenBucket

REFUSALS: Final = 5
WITHIN_NS: Final = 60 * 10**9
LOCKED_NS: Final = 300 * 10**9
ROWS_PER_HOUR: Final = 60
# What one user may change at once, and then each second: each change is a row or two that stay.
MOST_CHANGES: Final = 60
CHANGES_PER_S: Final = 0.1
_HOUR_NS: Final = 3600 * 10**9
# Users that are remembered; the one seen longest ago is forgotten first.
MOST_USERS: Final = 1024


class Note(enum.Enum):
    """What the audit log is to be told of a refusal."""

    NOTHING = enum.auto()
    REFUSED = enum.auto()
    LOCKED_OUT = enum.auto()


@dataclass(slots=True)
class _User:
    refused_ns: deque[int] = field(default_factory=lambda: deque(maxlen=REFUSALS))
    locked_until_ns: int = 0


class Lockouts:
    """Keeps count of refusals, in memory: a restart forgets them."""

    def __init__(self) -> None:
        self._users: OrderedDict[int, _User] = OrderedDict()
        self._changes: OrderedDict[int, TokenBucket] = OrderedDict()
        self._hour_began_ns = -_HOUR_NS
        self._rows = 0
        self._untold = 0

    def locked_s(self, uid: int, now_ns: int) -> int:
        """Return for how many seconds more a user is not listened to; counts the call where they are not."""
        user = self._users.get(uid)
        if user is None or now_ns >= user.locked_until_ns:
            return 0
        self._untold += 1
        return -(-(user.locked_until_ns - now_ns) // 10**9)

    def may_change(self, uid: int, now_ns: int) -> bool:
        """Count a change that a user asks for, and return whether it is not one too many. Root has no more of them."""
        allowance = self._changes.setdefault(uid, TokenBucket(MOST_CHANGES, CHANGES_PER_S, now_ns))
        self._changes.move_to_end(uid)
        if len(self._changes) > MOST_USERS:
            self._changes.popitem(last=False)
        return allowance.spend(now_ns)

    def refused(self, uid: int, now_ns: int) -> Note:
        """Count a refusal, and return what is to be written of it. Root (uid 0) is never locked out."""
        user = self._users.setdefault(uid, _User())
        self._users.move_to_end(uid)
        if len(self._users) > MOST_USERS:
            self._users.popitem(last=False)
        user.refused_ns.append(now_ns)
        locks = uid != 0 and len(user.refused_ns) == REFUSALS and now_ns - user.refused_ns[0] <= WITHIN_NS
        if locks:
            user.locked_until_ns = now_ns + LOCKED_NS
            user.refused_ns.clear()
        if not self._allowed(now_ns):
            self._untold += 1
            return Note.NOTHING
        return Note.LOCKED_OUT if locks else Note.REFUSED

    def untold(self, now_ns: int) -> int:
        """Return how many refusals were counted only, once the hour in which they came is over; then 0 again."""
        if not self._untold or now_ns - self._hour_began_ns < _HOUR_NS:
            return 0
        untold, self._untold = self._untold, 0
        return untold

    def _allowed(self, now_ns: int) -> bool:
        if now_ns - self._hour_began_ns >= _HOUR_NS:
            self._hour_began_ns, self._rows = now_ns, 0
        self._rows += 1
        return self._rows <= ROWS_PER_HOUR
