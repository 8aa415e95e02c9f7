# SPDX-License-Identifier: Apache-2.0
"""Keeps a child process running where there is no systemd: for a trial at a desk, and for the demo."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_gate.core.clock import Clock, SystemClock
from edge_gate.core.isolation import module_command

BACKOFF_NS: Final = 300_000_000
PATIENCE_S: Final = 5.0
_BLOCK: Final = 512


@dataclass(slots=True, eq=False)
class Supervised:
    """A command that is started again whenever it ends, not more often than every 0.3 s; once it has ended with one of
    the codes that are ``final``, never more.

    ``written_bytes``: what its lives that are over caused to be written to storage, as the kernel counted at their end
    (getrusage(2), blocks of 512 bytes): of a sealed process nobody but root may ask it earlier.
    """

    command: Sequence[str]
    environment: dict[str, str] | None = None
    log: int | None = None
    final: Collection[int] = ()
    clock: Clock = field(default_factory=SystemClock)
    starts: int = 0
    written_bytes: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _started_ns: int = 0

    @property
    def pid(self) -> int | None:
        """The process at this moment, None where there is none."""
        if self._process is None or self._process.returncode is not None:
            return None
        with suppress(subprocess.TimeoutExpired):
            self._reap(0)
        return self._process.pid if self._process.returncode is None else None

    @property
    def done(self) -> bool:
        """Whether the command has ended in a way that starting it again would not mend."""
        return self.pid is None and self._process is not None and self._process.returncode in self.final

    def tend(self) -> None:
        """Start the command if it is not running; call this a few times a second."""
        if self.pid is not None or self.done or self.clock.monotonic_ns() - self._started_ns < BACKOFF_NS:
            return
        self._started_ns = self.clock.monotonic_ns()
        self.starts += 1
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            list(self.command), env=self.environment, stderr=self.log, stdin=subprocess.DEVNULL
        )

    def kill(self) -> None:
        """Kill the process without notice, as a crash would; it is started again by `tend`."""
        if self._process is not None:
            self._process.kill()
            self._reap(None)

    def stop(self) -> None:
        """End the command for good: politely, then not."""
        if self._process is None or self.pid is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._reap(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _reap(self, timeout_s: float | None) -> None:
        """Wait for the end. A child of another kind that ends at the same moment is counted in, never left out."""
        if self._process is None or self._process.returncode is not None:
            return
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock
        self._process.wait(timeout_s)
        self.written_bytes += _BLOCK * (resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock - before)


def gate_command(path: Path) -> list[str]:
    """Return the command line of the gate process, for a configuration file."""
    return [*module_command("edge_gate.gate"), "--config", str(path.absolute())]


def eye_command(path: Path) -> list[str]:
    """Return the command line of the eye process, for a configuration file."""
    return [*module_command("edge_gate.eye"), "--config", str(path.absolute())]
