# SPDX-License-Identifier: Apache-2.0
"""A flood on either socket degrades nothing else: the real gate process, flooded by real processes of other users.

While it lasts a resident walks up to the door again and again, an auditor asks how the gate is, and the watchdog's
messages are counted. Needs root, to become other users. The controls are the same gate without one of its limits, and
each has to be found out.
"""

from __future__ import annotations

import grp
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from edge_gate.core.errors import EdgeGateError
from edge_gate.gate.authorisation.lockout import MOST_CHANGES, ROWS_PER_HOUR
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store import events
from edge_gate.store.people import residents
from edge_gate.wire.client import ask
from tests.support.clerk import ROLES
from tests.support.peers import RawEye, embedding, enrol, running_gate, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

ANNE, BERT, CARL, EVE = 64_001, 64_002, 64_003, 64_004
# In which of the roles' groups the gate finds them, in lists that are its own.
MEMBERS = {"installer": "bert", "maintainer": "anne,bert", "auditor": "bert,carl"}
LISTED = 'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"'
FLOODER = Path(__file__).with_name("flooder.py")
LASTS_S = 2.5
# From the first sighting of an approach until the relay is on. Three sightings take 80 ms of it.
MOST_DOOR_S = 1.0
MOST_ANSWER_S = 2.0
MOST_UNFED_S = 3.0  # the unit's WatchdogSec= is 10
MOST_GROWTH_KIB = 24 * 1024
# Rows that stay: what the limits allow at once, and some of what anybody does.
MOST_AUDIT_ROWS = 2 * MOST_CHANGES + ROWS_PER_HOUR + 20
MOST_EVENTS = 2 * MOST_CHANGES + 120

# The gate as it would be without a limit.
GREEDY = """
from edge_gate.gate.control.server import ControlServer
once = ControlServer.tend
def tend(self):
    once(self)
    while any(each.waiting for each in self._callers.values()):
        self._turns.next_ns = 0
        once(self)
ControlServer.tend = tend
"""
LAVISH = """
from edge_gate.gate.authorisation import lockout
lockout.MOST_CHANGES = 10**9
"""
PATIENT = """
from edge_gate.gate import journal
from edge_gate.gate.peers import peer_link
peer_link.MOST_JOINS = journal.MOST_SEEN = 10**9
"""
HOSPITABLE = """
from edge_gate.gate.control import server
server.MOST_OF_ONE_USER = server.MOST_CALLERS
"""


@dataclass(slots=True)
class Seen:
    """What was measured while it was flooded; seconds."""

    door_s: list[float] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    unfed_s: float = 0.0
    growth_kib: int = 0
    audit_rows: int = 0
    events: int = 0
    verbs: dict[str, int] = field(default_factory=dict)

    def faults(self) -> set[str]:
        """Return what was degraded."""
        slow = [each for each in self.answers if not each.replace(".", "").isdigit() or float(each) > MOST_ANSWER_S]
        found = {
            "door": len(self.door_s) < 3 or max(self.door_s) > MOST_DOOR_S,
            "auditor": len(self.answers) < 3 or bool(slow),
            "watchdog": self.unfed_s > MOST_UNFED_S,
            "memory": self.growth_kib > MOST_GROWTH_KIB,
            "audit rows": self.audit_rows > MOST_AUDIT_ROWS,
            "events": self.events > MOST_EVENTS,
        }
        return {name for name, wrong in found.items() if wrong}


class Site:
    """A gate process, its relay, and the eye that is its own."""

    def __init__(
        self, settings: config.Config, board: BoardSimulator, model_id: bytes, notified: socket.socket
    ) -> None:
        self.settings, self.board, self.model_id = settings, board, model_id
        self.notified = notified
        self.process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self, without: str = "") -> Iterator[int]:
        """Run the gate, without a limit perhaps; yield its process id."""
        file = self.settings.store.path.with_name("edge-gate.toml")
        script = f"{without}\nimport sys\nfrom edge_gate.gate.program import run\nsys.exit(run())"
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "sh", "-c", LISTED, str(file.parents[1])),
                *(sys.executable, "-c", script, "--config", str(file)),
            ],
            env={**os.environ, "NOTIFY_SOCKET": self.notified.getsockname()},
            stderr=subprocess.DEVNULL,
        )
        try:
            until(self.answers, 20)
            control, eye = self.settings.sockets.control, self.settings.sockets.eye
            for each in (control.parent, eye.parent):
                each.chmod(0o755)  # the kernel's wall is not what is tried here
            for each in (control, eye):
                each.chmod(0o666)
            yield process.pid
            assert process.poll() is None, "the gate has ended"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()

    def answers(self) -> bool:
        with suppress(EdgeGateError, OSError):
            return bool(ask(self.settings, "status"))
        return False

    def eye(self) -> RawEye:
        return RawEye(self.settings.sockets.eye, self.model_id, obedient=True)

    def opening_s(self, eye: RawEye, track: int) -> float:
        """Walk up to the door, stand there until it opens, and return how long that took, or infinity."""
        before, began = len(self.board.history), time.monotonic()
        view, opened = 0, False
        while not opened and time.monotonic() - began < 4:
            eye.see(embedding(1, seed=1000 * track + view), track=track)
            view += 1
            opened = self.board.wait_until(lambda: any(each.on for each in self.board.history[before:]), 0.04)
        first = next((each.at_ns for each in self.board.history[before:] if each.on), 0)
        self.board.wait_until(lambda: not self.board.is_on(1), 5)
        time.sleep(0.4)  # the approach ends
        return first / 1e9 - began if opened else float("inf")

    def lost(self) -> int:
        """Return the number of the last event that an eye was lost, 0 for none."""
        newest = ask(self.settings, "events", kind="eye lost", limit=1)
        return int(newest[0]["seq"]) if newest else 0

    def rows(self) -> tuple[int, int, dict[str, int]]:
        """Return how many rows the audit log and the events have, and how many of the log each verb."""
        last, verbs = 0, dict[str, int]()
        while page := ask(self.settings, "audit", first=last + 1)["rows"]:
            last = page[-1]["seq"]
            for row in page:
                verbs[row["verb"]] = verbs.get(row["verb"], 0) + 1
        newest = ask(self.settings, "events", limit=1)
        return last, newest[0]["seq"], verbs


class Watch(threading.Thread):
    """Takes the place of the service manager: notes how long the gate was silent, and how much memory it had."""

    def __init__(self, notified: socket.socket, pid: int) -> None:
        super().__init__(daemon=True)
        self.unfed_s, self.most_kib = 0.0, 0
        self._notified, self._pid = notified, pid
        self._over = threading.Event()

    def run(self) -> None:
        self._notified.settimeout(0.1)
        last = time.monotonic()
        while not self._over.is_set():
            with suppress(TimeoutError):
                if b"WATCHDOG=1" in self._notified.recv(4096):
                    last = time.monotonic()
            self.unfed_s = max(self.unfed_s, time.monotonic() - last)
            self.most_kib = max(self.most_kib, resident_kib(self._pid))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


# A resident who comes again is judged anew soon, while the flood lasts.
SOON = {"window_s": 0.6, "gap_s": 0.3}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A store with a resident who is enrolled, many who are not, and a past: so that questions cost something."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        board = stack.enter_context(BoardSimulator("lcus1"))
        notified = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notified.bind(str(folder / "notify.sock"))
        with running_gate(folder, board.path, roles=ROLES, door={"pulse_ms": 100}, decision=SOON) as (gate, settings):
            model_id = gate.recognition.card.model_id
            enrol(settings, RawEye(settings.sockets.eye, model_id), "Ann", 1, track=1)
            filled: list[bool] = []

            def fill() -> None:
                with gate.store.transaction():
                    for number in range(300):
                        residents.add(gate.store, f"Resident {number}")
                        events.append(gate.store, "camera", detail={"padding": "x" * 200})
                filled.append(True)

            gate.call(fill)
            until(lambda: filled)
        for each in (folder, folder / "site"):
            each.chmod(0o711)
        write_lists(folder)
        yield Site(settings, board, model_id, notified)


def write_lists(folder: Path) -> None:
    """Write the system's lists of users and groups, with the users of these tests."""
    users = {"anne": ANNE, "bert": BERT, "carl": CARL, "eve": EVE}
    passwd = "".join(f"{name}:x:{uid}:{uid}::/:/bin/sh\n" for name, uid in users.items())
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + passwd)
    groups = Path("/etc/group").read_text()
    for role, names in MEMBERS.items():
        line = f"{ROLES[role]}:x:{grp.getgrnam(ROLES[role]).gr_gid}:"
        assert line + "\n" in groups
        groups = groups.replace(line + "\n", f"{line}{names}\n")
    (folder / "group").write_text(groups)


@contextmanager
def flooding(site: Site, *who: tuple[str, int, str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Run these floods: how, as which user, in which role."""
    with ExitStack() as stack:
        started = []
        for how, uid, role in who:
            gid = grp.getgrnam(ROLES[role]).gr_gid if role else uid
            sockets = site.settings.sockets
            path = sockets.eye if how in ("eyes", "garbage", "too_many") else sockets.control
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-S", str(FLOODER), how, str(path), str(uid), str(gid)],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None and process.stdout.readline() == "began\n"
            started.append(process)
        yield started


def measured(site: Site, pid: int, *who: tuple[str, int, str], with_eye: bool = True) -> Seen:
    """Flood the gate for a while and return what became of everything else."""
    seen = Seen()
    audit_rows, last_event, verbs = site.rows()
    memory, watch, track = resident_kib(pid), Watch(site.notified, pid), 0
    eye = site.eye() if with_eye else None
    with flooding(site, ("auditor", CARL, "auditor"), *who) as (auditor, *_):
        with watch:
            ends = time.monotonic() + LASTS_S
            while time.monotonic() < ends:
                track += 1
                if eye is not None:
                    seen.door_s.append(site.opening_s(eye, track))
                time.sleep(0.1)
        auditor.kill()
        seen.answers = auditor.communicate()[0].splitlines()
    seen.unfed_s, seen.growth_kib = watch.unfed_s, watch.most_kib - memory
    until(site.answers, 60)
    after = site.rows()
    seen.audit_rows, seen.events = after[0] - audit_rows, after[1] - last_event
    seen.verbs = {verb: count - verbs.get(verb, 0) for verb, count in after[2].items()}
    return seen


def resident_kib(pid: int) -> int:
    (line,) = (each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1])


# How, as which user, in which role.
FLOODS = {
    "nobody": (),
    "expensive requests": (("requests", ANNE, "maintainer"),) * 2 + (("requests", BERT, "maintainer"),) * 2,
    "changes": (("changes", ANNE, "maintainer"),),
    "signing": (("signing", BERT, "auditor"),) * 2,
    "silence": (("deaf", ANNE, "maintainer"), ("slow", BERT, "maintainer"), ("oversize", BERT, "installer")),
    "callers without a role": (("knocking", EVE, ""), ("slow", EVE, ""), ("oversize", EVE, "")),
    "second eyes": (("eyes", 0, ""), ("eyes", EVE, "")),
}


@pytest.mark.parametrize("how", FLOODS)
def test_under_a_flood_the_door_opens_others_are_answered_and_no_disk_is_filled(site: Site, how: str) -> None:
    with site.running() as pid:
        seen = measured(site, pid, *FLOODS[how])
    assert seen.faults() == set(), seen
    locked = seen.verbs.get("locked out", 0)
    assert locked == {"changes": 1, "signing": 1, "callers without a role": 1}.get(how, 0), seen


@pytest.mark.parametrize("how", ["garbage", "too_many"])
def test_an_eye_that_floods_is_dropped_and_noted_and_harms_nothing_else(site: Site, how: str) -> None:
    with site.running() as pid:
        lost = site.lost()
        seen = measured(site, pid, (how, 0, ""), with_eye=False)
        assert seen.faults() == {"door"}, seen  # nobody is seen without an eye
        assert ask(site.settings, "status")["door"]["state"] == "secure"
        assert site.lost() > lost
        reasons = [each["detail"]["reason"] for each in ask(site.settings, "events", kind="eye lost", limit=100)]
        assert any("flood" in each for each in reasons) == (how == "too_many"), reasons


CONTROLS = {
    "every request at once": (GREEDY, "expensive requests", "door"),
    "any number of changes": (LAVISH, "signing", "audit rows"),
    "all places for one user": (HOSPITABLE, "silence", "auditor"),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_the_same_gate_without_a_limit_is_found_out(site: Site, control: str) -> None:
    without, how, fault = CONTROLS[control]
    with site.running(without) as pid:
        assert fault in measured(site, pid, *FLOODS[how]).faults()


def test_a_gate_that_takes_any_eye_at_any_time_is_found_out(site: Site) -> None:
    with site.running(PATIENT) as pid:
        assert "events" in measured(site, pid, ("garbage", 0, ""), with_eye=False).faults()
