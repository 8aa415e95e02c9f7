# SPDX-License-Identifier: Apache-2.0
"""Whose request is next at the control socket, and when: what keeps a flood of requests from taking the gate's time.

In one turn of the gate's loop one request is served, so a sighting waits for one request at most. After a request that
took so long none is served for as long again: half of the time is the door's, however much is asked. Users take
turns, whatever the number of their connections: who has waited longest is next.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

# Users that are remembered; the one served longest ago is forgotten first.
MOST_USERS: Final = 64
# A request that took longer is not made up for wholly: the watchdog and the door have had their turn by then.
LONGEST_REST_NS: Final = 10**9


class Turns:
    """Keeps account of who was served when. Times are CLOCK_BOOTTIME, in nanoseconds."""

    def __init__(self) -> None:
        self.next_ns = 0
        """When the next request may be served."""
        self._served: OrderedDict[int, int] = OrderedDict()

    def last_ns(self, uid: int) -> int:
        """Return when a user was last served; 0 where that is not known."""
        return self._served.get(uid, 0)

    def took(self, uid: int, began_ns: int, ended_ns: int) -> None:
        """Note that a user was served from then to now."""
        self._served[uid] = ended_ns
        self._served.move_to_end(uid)
        if len(self._served) > MOST_USERS:
            self._served.popitem(last=False)
        self.next_ns = ended_ns + min(ended_ns - began_ns, LONGEST_REST_NS)
