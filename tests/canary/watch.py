# SPDX-License-Identifier: Apache-2.0
"""Runs an eye in front of marked pictures, in the place of street and gate, and records every way out of it.

strace(1) tells every file that any of its threads opens for writing, or makes in memory; both ends of every socket that
it has are here; its memory is read through /proc, as root.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_gate.settings import config
from edge_gate.tools.demo.street import HEADER, MAGIC
from edge_gate.wire.eye import EYE_LINK, LARGEST_BYTES, Command, EyeMode, Sighting
from edge_gate.wire.frame import Direction, decode, encode
from tests.canary.marked import Picture

PATIENCE_S = 60.0
PAGE = 4096
_OPENED = re.compile(r'open(?:at2?)?\((?:AT_FDCWD[^,]*, )?"([^"]+)", [^)]*O_(?:WRONLY|RDWR|CREAT)[^=]*= \d')
_TRACED = "trace=open,openat,openat2,creat,memfd_create,connect,execve,execveat"


@dataclass(eq=False)
class Watched:
    """One eye, and all that came out of it."""

    folder: Path
    command: list[str]
    messages: list[bytes] = field(default_factory=list)
    notices: list[bytes] = field(default_factory=list)
    said: bytes = b""
    shown: int = 0
    _open: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it, and wait for it to look at the street and call on the gate."""
        camera = {"driver": "demo-street", "source": str(self.folder / "street.sock"), "stall_s": 30.0}
        settings: dict[str, dict[str, Any]] = {"camera": camera, "sockets": {"eye": str(self.folder / "eye.sock")}}
        path = self.folder / "edge-gate.toml"
        path.write_text(config.example(settings))
        street, gate, notify = (
            _listening(self.folder / name, kind)
            for name, kind in (
                ("street.sock", socket.SOCK_STREAM),
                ("eye.sock", socket.SOCK_SEQPACKET),
                ("notify", socket.SOCK_DGRAM),
            )
        )
        for each in (street, gate, notify):
            self._open.callback(each.close)
        strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", str(self.folder / "trace"), "-e", _TRACED]
        self._process = subprocess.Popen(
            [*strace, *self.command, "--config", str(path)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"), "PYTHONDONTWRITEBYTECODE": "1",
                 "PYTHONPATH": str(Path(__file__).parents[2])},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)), cwd=self.folder,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        threading.Thread(target=self._note, args=(notify,), daemon=True).start()
        self._street, self._gate = street.accept()[0], gate.accept()[0]
        for each in (self._street, self._gate):
            self._open.callback(each.close)
        self._gate.settimeout(PATIENCE_S)
        self._gate.send(encode(EYE_LINK, Direction.FROM_GATE, Command(EyeMode.WATCH, 1, 1)))
        (child,) = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self.pid = int(child)

    def show(self, picture: Picture, sees: bool) -> Sighting | None:
        """Show one picture; where somebody is to be seen in it, wait for what the eye says of it.

        One pixel counts them: a camera that sends a picture twice is not looked through.
        """
        self.shown += 1
        picture = picture.copy()
        picture[0, 0] = np.frombuffer(self.shown.to_bytes(3, "little"), np.uint8)
        at_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._street.sendall(HEADER.pack(MAGIC, at_ns, picture.shape[1], picture.shape[0]) + picture.tobytes())
        while sees:
            self.messages.append(self._gate.recv(LARGEST_BYTES + 1))
            message = decode(EYE_LINK, Direction.TO_GATE, self.messages[-1])
            if isinstance(message, Sighting) and message.captured_ns == at_ns:
                return message
        return None

    def drain(self) -> None:
        """Take in what the eye has said by now."""
        self._gate.setblocking(False)
        try:
            while message := self._gate.recv(LARGEST_BYTES + 1):
                self.messages.append(message)
        except BlockingIOError:
            pass
        self._gate.settimeout(PATIENCE_S)

    def memory(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield name, address and content of every mapping that it can write to, while it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            with Path(f"/proc/{self.pid}/mem").open("rb", buffering=0) as memory:
                for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
                    span, rights, *_ = line.split()
                    if rights[1] == "w":
                        begin, end = (int(each, 16) for each in span.split("-"))
                        memory.seek(begin)
                        yield f"{span} {line[73:].strip() or 'anonymous'}", begin, memory.read(end - begin)
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def abort(self) -> None:
        """End it as a crash would that leaves a core dump."""
        os.kill(self.pid, signal.SIGABRT)
        self._process.wait(PATIENCE_S)

    def end(self) -> None:
        """End it, whatever it does."""
        for pid in (getattr(self, "pid", 0), self._process.pid):
            if pid and self._process.poll() is None:
                os.kill(pid, signal.SIGKILL)
        self._process.wait(PATIENCE_S)
        self._listener.join(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._open.close()

    def opened(self) -> list[str]:
        """Return every file that was opened for writing or made, and every file in memory that has no name."""
        text = (self.folder / "trace").read_text()
        return sorted({*_OPENED.findall(text), *re.findall(r"memfd_create\(.*", text)})

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read1(65536):  # type: ignore[attr-defined]
            self.said += data

    def _note(self, notify: socket.socket) -> None:
        with suppress(OSError):  # closed at the end
            while notice := notify.recv(65536):
                self.notices.append(notice)


def _listening(path: Path, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, kind)
    made.settimeout(PATIENCE_S)
    made.bind(str(path))
    if kind is not socket.SOCK_DGRAM:
        made.listen(1)
    return made
