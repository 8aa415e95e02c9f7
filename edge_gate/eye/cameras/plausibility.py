# SPDX-License-Identifier: Apache-2.0
"""Whether pictures come as a live camera sends them, or as something sends them that feeds the terminal a film.

A sensor has noise: it never sends the same picture twice. So a picture that came before, with others between, is one of
a recording, and so are pictures that stand still by turns. Nor does a camera stamp a picture earlier than the one
before it, or send more pictures than any of its modes has. Each of these happens once in a while: drivers send a buffer
twice, or old ones after they hung. So each is evidence, and only much of it within a minute is told.

Nothing is known of a recording that does not come round within RING pictures, nor of one to which noise was added.
"""

from __future__ import annotations

from collections import deque
from typing import Final

# Ten minutes at 15 pictures a second.
RING: Final = 9_000
ENOUGH: Final = 15
MEMORY_S: Final = 60.0
# A picture that is sent again and again for so long, and then another one: three such in a minute are enough. Drivers
# that double pictures in the dark do it for less.
HOLD_S: Final = 0.5
_FEWEST_HELD: Final = 4
_HOLDS: Final = 3
# Cameras that ignore the wish for fewer send 120. Over so long a time, what waited in a queue does not count.
FASTEST_FPS: Final = 150
PACE_S: Final = 2.0
_MOST_PACED: Final = round(FASTEST_FPS * PACE_S)


class Plausibility:
    """Told of each picture by its digest, says what is wrong with it; nothing where a live camera may have sent it.

    Digests alone are kept, of the last RING pictures that differ from the one before them.
    """

    def __init__(self) -> None:
        self._order: deque[bytes] = deque()
        self._known: set[bytes] = set()
        self._last = b""
        self._repeated = False
        self._sent = 0
        self._since_ns = self._stamp_ns = 0
        self._evidence: deque[int] = deque(maxlen=ENOUGH)
        self._reason = ""
        self._paced: deque[int] = deque(maxlen=_MOST_PACED)

    def judge(self, digest: bytes, captured_ns: int, now_ns: int) -> str:
        """Return what is wrong with a picture that came now: with itself, or with so many lately that none is good."""
        found = self._object_to_stamp(captured_ns) or self._object_to_pace(now_ns) or self._object_to(digest, now_ns)
        if found:
            self._note(found, now_ns)
        while self._evidence and _seconds(now_ns - self._evidence[0]) > MEMORY_S:
            self._evidence.popleft()
        return found or (self._reason if len(self._evidence) == ENOUGH else "")

    def _object_to_stamp(self, captured_ns: int) -> str:
        before_ns, self._stamp_ns = self._stamp_ns, captured_ns
        early_s = _seconds(before_ns - captured_ns)
        return f"a picture that was taken {early_s:.3f} s before the last one" if early_s > 0 else ""

    def _object_to_pace(self, now_ns: int) -> str:
        self._paced.append(now_ns)
        fast = len(self._paced) == _MOST_PACED and _seconds(now_ns - self._paced[0]) < PACE_S
        return f"more than {FASTEST_FPS} pictures a second" if fast else ""

    def _object_to(self, digest: bytes, now_ns: int) -> str:
        self._sent += 1
        if digest != self._last:
            if self._sent > _FEWEST_HELD and _seconds(now_ns - self._since_ns) > HOLD_S:
                for _ in range(ENOUGH // _HOLDS):
                    self._note("pictures that stand still by turns", now_ns)
            self._sent, self._since_ns = 0, now_ns
            self._repeated = digest in self._known
            self._remember(digest)
        return "a picture that has been sent before" if self._repeated else ""

    def _remember(self, digest: bytes) -> None:
        self._last = digest
        if self._repeated:
            return
        self._known.add(digest)
        self._order.append(digest)
        if len(self._order) > RING:
            self._known.discard(self._order.popleft())

    def _note(self, reason: str, now_ns: int) -> None:
        self._reason = reason
        self._evidence.append(now_ns)


def _seconds(duration_ns: int) -> float:
    return duration_ns / 1e9
