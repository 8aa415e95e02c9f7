# SPDX-License-Identifier: Apache-2.0
"""Somebody else answers at the control socket: what they send reaches no terminal in a form that it obeys.

The answers are a real gate's, passed on by a false one that puts the words of terminals into every text.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from edge_gate.core.output import escape
from edge_gate.relays.simulator import BoardSimulator
from tests.support.gates import settle
from tests.support.peers import running_gate
from tests.support.terminal import at_a_terminal

# A title, a cleared screen, the same by an 8-bit control, a bell and a step back, and a turned direction.
WORDS: Final = "\x1b]0;P\x07\x1b[2J\x9b2J\x08\u202eevil\u2066"
OBEYED: Final = ("\x1b]", "\x1b[2J", "\x9b", "\x07", "\x08", "\u202e", "\u2066")
# What is shown and not read: with these changed a command comes to its end.
TEXTS: Final = {"name", "resident", "operator", "reason", "message", "purpose", "given_by", "site", "guidance", "by"}
COMMANDS: Final = (
    *(("status",), ("status", "--json"), ("residents",), ("residents", "--json"), ("events",), ("events", "--json")),
    *(("audit", "show"), ("audit", "verify"), ("audit", "checkpoint"), ("approvals",), ("approve", "1")),
    *(("templates", "status"), ("keys", "status"), ("doctor",), ("doctor", "--json"), ("pause",), ("resume",)),
    *(("relay", "test"), ("consent", "withdraw", "Ann", "--yes"), ("forget", "Bo", "--yes")),
    ("enrol", "Cy", "--consent", "Cy"),
)
ENROLLED: Final = (
    {"progress": {"taken": 1, "wanted": 16, "guidance": WORDS, "guidance_en": WORDS}},
    {"ok": {"id": WORDS, "name": "Cy" + WORDS, "views": 16}},
)


def changed(value: Any, everything: bool, key: str = "") -> Any:
    """Return an answer with the words in its texts; ``everything``: in all of them, and in names of fields."""
    if isinstance(value, dict):
        inside = key == "detail" or everything
        return {
            name + WORDS if key == "detail" else name: changed(each, everything, "name" if inside else name)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [changed(each, everything, key) for each in value]
    return WORDS + value + WORDS if isinstance(value, str) and (everything or key in TEXTS) else value


class FalseGate(threading.Thread):
    """Passes on what the real gate says, line by line."""

    def __init__(self, path: Path, real: Path, everything: bool) -> None:
        super().__init__(daemon=True)
        self._real, self._everything = real, everything
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()

    def run(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            with caller, caller.makefile("rwb") as line:
                request = line.readline()
                if not request:
                    continue
                for answer in self._answers(request):
                    line.write(json.dumps(answer).encode() + b"\n")
                    line.flush()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join()

    def _answers(self, request: bytes) -> Iterator[Any]:
        if json.loads(request)["verb"] == "enrol":
            yield from ENROLLED
            return
        with socket.socket(socket.AF_UNIX) as gate, gate.makefile("rwb") as line:
            gate.connect(str(self._real))
            line.write(request)
            line.flush()
            for answer in line:
                (kind, said), *_ = json.loads(answer).items()
                yield {kind: changed(said, self._everything)}
                if kind != "progress":
                    return


@pytest.fixture(params=[True, False], ids=["every text", "what is only shown"])
def false_gate(request: pytest.FixtureRequest, tmp_path: Path, board: BoardSimulator) -> Iterator[tuple[Path, bool]]:
    """Yield a configuration that leads to the false gate, and whether it changes everything."""
    with running_gate(tmp_path, board.path) as (gate, settings):
        settle(gate, "Ann", "Bo")
        control = settings.sockets.control
        real = control.rename(control.with_name("real.sock"))  # who calls finds another one in its place
        false = FalseGate(control, real, request.param)
        false.start()
        yield settings.store.path.with_name("edge-gate.toml"), request.param
        false.close()


@pytest.mark.processes
def test_whatever_a_gate_says_no_terminal_obeys_it(false_gate: tuple[Path, bool]) -> None:
    file, everything = false_gate
    shown = ""
    for command in COMMANDS:
        program = [sys.executable, "-P", "-m", "edge_gate", *command, "--config", str(file)]
        code, screen = at_a_terminal(program, ())
        assert not [each for each in OBEYED if each in screen], (command, screen)
        assert "Traceback" not in screen and code >= 0, (command, screen)
        shown += screen
    if not everything:  # the control: the words came as far as the screen, and stand there as text
        assert shown.count(escape("\u202e")) > 10 and "Cy" + escape(WORDS)[:6] in shown
