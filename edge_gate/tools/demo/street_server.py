# SPDX-License-Identifier: Apache-2.0
"""The demo's street: plays a schedule in real time, and shows the present moment to whoever looks.

Time goes on without a camera. While one is connected it is sent each new frame; a camera that is slow to take one gets
the present one next, never a queue of the past.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edge_gate.core.clock import Clock, SystemClock
from edge_gate.eye.face.geometry import Picture
from edge_gate.tools.demo.scene import Scene, Stage
from edge_gate.tools.demo.schedule import Schedule
from edge_gate.tools.demo.street import HEADER, MAGIC

FPS: Final = 15
_PATIENCE_S: Final = 1.0  # a camera that takes no byte for so long is gone


class Street:
    """Serves frames on the UNIX socket ``path`` from ``with Street(...) as street`` until the end of the block.

    ``stage`` has what the scenes need. Before a schedule is played, the street is empty.
    """

    def __init__(self, path: Path, stage: Stage, fps: int = FPS, clock: Clock | None = None) -> None:
        self._path = path
        self._stage = stage
        self._clock = clock or SystemClock()
        self._tick_ns = round(1e9 / fps)
        self._playing = (Schedule(()), self._clock.monotonic_ns())
        self._stopped = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._run, name="street", daemon=True)
        self._viewer: socket.socket | None = None

    def __enter__(self) -> Self:
        """Listen, and begin to show."""
        self._socket.bind(str(self._path))
        self._socket.listen(4)
        self._socket.setblocking(False)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing, and take the socket away."""
        self._stopped.set()
        self._thread.join()
        self._leave()
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def play(self, schedule: Schedule) -> int:
        """Begin a schedule now, in place of the one before; return its time 0 on CLOCK_BOOTTIME, in nanoseconds."""
        began_ns = self._clock.monotonic_ns()
        self._playing = (schedule, began_ns)
        return began_ns

    def now(self, monotonic_ns: int | None = None) -> Scene | None:
        """Return the scene that is on at a time (by default now), or None while the street is empty between scenes."""
        schedule, began_ns = self._playing
        at_ns = self._clock.monotonic_ns() if monotonic_ns is None else monotonic_ns
        return schedule.now((at_ns - began_ns) / 1e9)

    def frame(self, monotonic_ns: int) -> Picture:
        """Return what is to be seen at a time: uint8, 480 x 640 x 3, blue, green, red."""
        schedule, began_ns = self._playing
        moment = schedule.at((monotonic_ns - began_ns) / 1e9)
        if moment.scene is not None:
            return self._stage.compose(moment.scene, moment.t_s)
        return self._stage.between(moment.before, moment.after, moment.part, moment.t_s)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._welcome()
            if self._viewer is not None:
                self._show(self._viewer, self._clock.monotonic_ns())
            # A tick that was missed is left out: the next frame is of its own time, not of the missed one's.
            self._stopped.wait((self._tick_ns - self._clock.monotonic_ns() % self._tick_ns) / 1e9)

    def _welcome(self) -> None:
        """Take the newest camera that has come; the one before it is gone or no longer wanted."""
        with contextlib.suppress(BlockingIOError):
            while True:
                newest = self._socket.accept()[0]
                self._leave()
                newest.settimeout(_PATIENCE_S)
                self._viewer = newest

    def _show(self, viewer: socket.socket, now_ns: int) -> None:
        frame = self.frame(now_ns)
        height, width = frame.shape[:2]
        try:
            viewer.sendall(HEADER.pack(MAGIC, now_ns, width, height))
            viewer.sendall(frame.data)
        except OSError:  # it went away, or stands still: it may come again
            self._leave()

    def _leave(self) -> None:
        if self._viewer is not None:
            self._viewer.close()
            self._viewer = None
