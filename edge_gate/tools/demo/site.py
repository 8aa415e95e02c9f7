# SPDX-License-Identifier: Apache-2.0
"""A whole site for the length of the demo: real eye, real gate, real store, and a relay board on a pty."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import DemoFailed, EdgeGateError
from edge_gate.core.supervise import Supervised, eye_command, gate_command
from edge_gate.relays.simulator import BoardSimulator, Change
from edge_gate.settings import config
from edge_gate.tools.trial import make_site
from edge_gate.wire import client
from edge_gate.wire.status import GateStatus

START_PATIENCE_S: Final = 30.0
# How JPEG, PNG and WebP begin. Not BMP: its two letters would be found by chance in any encrypted database.
PICTURE_MARKS: Final = (b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"WEBPVP8")


@dataclass(frozen=True, slots=True)
class DiskAudit:
    """What the demo can show of the promise that no picture is written.

    ``eye_bytes``: bytes that the eye caused to be written to storage after its rehearsal, as the kernel counted them;
    ``pictures``: files of the site in which the beginning of a picture was found, of ``files`` that were searched.
    """

    eye_bytes: int
    pictures: int
    files: int


class DemoSite:
    """Starts everything, keeps both processes alive, and takes everything away at the end."""

    def __init__(self, camera: dict[str, Any], on_change: Callable[[Change], None] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="edge-gate-demo-")
        self.folder = Path(self._folder.name)
        self.board = BoardSimulator("modbus-waveshare", on_change=on_change)
        overrides = {
            "site": {"name": "edge-gate demo"},
            "camera": camera,
            "door": {"relay": "modbus-waveshare", "port": self.board.path},
        }
        self.file = make_site(self.folder / "site", overrides)
        self.config = config.load(self.file)
        self._log_end = self._start_log()
        # No bytecode is written, so that whatever the eye writes to disk is the eye's own doing.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self.gate = Supervised(gate_command(self.file), environment, self._log_end)
        self.eye = Supervised(eye_command(self.file), environment, self._log_end)
        self._hands = threading.Lock()  # who ends a process and who starts it again take turns
        self._rehearsed_bytes = 0
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="supervisor", daemon=True)
        self._keeper.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop both processes, then the board, and remove the folder."""
        self._ending.set()
        self._keeper.join()
        self.eye.stop()
        self.gate.stop()
        self.board.close()
        os.close(self._log_end)
        self._log_thread.join(5)
        self._folder.cleanup()

    def wait_until_watching(self) -> None:
        """Wait until the eye's camera works and the gate's door is secure. Raises DemoFailed with the log."""
        deadline = time.monotonic() + START_PATIENCE_S
        while time.monotonic() < deadline:
            try:
                state = self.status()
                ours = state.processes.eye == self.eye.pid  # and not one that has just ended
                if ours and state.eye.camera == "working" and state.door.state == "secure":
                    return
            except EdgeGateError:
                pass
            time.sleep(0.05)
        raise DemoFailed(f"the two processes were not ready within {START_PATIENCE_S:.0f} s", self.log())

    def rehearse(self) -> None:
        """Let the eye live once before nobody, and count from its next life on. Raises DemoFailed with the log.

        A file that is read for the first time in a day has the time of it written to its inode (`relatime`, mount(8)),
        and the kernel counts that as written by the reader. The first life reads all that the later ones read.
        """
        self.wait_until_watching()
        with self._hands:
            self.eye.stop()
            self._rehearsed_bytes = self.eye.written_bytes
        self.wait_until_watching()

    def ask(self, verb: str, **request: Any) -> Any:
        """Ask the gate something over its control socket, as the CLI does."""
        return client.ask(self.config, verb, **request)

    def status(self) -> GateStatus:
        """Ask the gate how it is."""
        return client.status(self.config)

    def consent(self) -> dict[str, str]:
        """Return a consent that holds for a day, as an operator would state it."""
        until = SystemClock().now() + timedelta(days=1)
        return {"purpose": "the demo", "given_by": "nobody: this person does not exist", "until": until.isoformat()}

    def kill(self, which: str) -> None:
        """Kill the eye or the gate as a crash would; it is started again at once."""
        with self._hands:
            (self.eye if which == "eye" else self.gate).kill()

    def log(self) -> str:
        """Return what both processes have written to stderr so far."""
        return self._log_path.read_text(errors="replace")

    def audit(self) -> DiskAudit:
        """Look for pictures in every file of the site, and at what the kernel says the eye wrote since `rehearse`.

        The eye is ended for it, and is started again only when all was read.
        """
        with self._hands:
            self.eye.stop()
            files = [each for each in self.folder.rglob("*") if each.is_file()]
            found = sum(any(mark in each.read_bytes() for mark in PICTURE_MARKS) for each in files)
            return DiskAudit(self.eye.written_bytes - self._rehearsed_bytes, found, len(files))

    def _keep(self) -> None:
        self.gate.tend()
        while not self._ending.wait(0.05):
            with self._hands:
                self.gate.tend()
                self.eye.tend()

    def _start_log(self) -> int:
        """Return a pipe for stderr: were it a file, the log would count as written by the eye."""
        reading, writing = os.pipe()
        self._log_path = self.folder / "demo.log"

        def copy() -> None:
            with os.fdopen(reading, "rb", buffering=0) as source, self._log_path.open("wb", buffering=0) as target:
                while data := source.read(4096):
                    target.write(data)

        self._log_thread = threading.Thread(target=copy, name="log", daemon=True)
        self._log_thread.start()
        return writing
