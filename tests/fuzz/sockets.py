# SPDX-License-Identifier: Apache-2.0
"""Both sockets of a whole gate, real store and relay included, whose loop is turned by hand."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_gate.core.errors import ResidentUnknown
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.gate.authorisation.lockout import Lockouts
from edge_gate.gate.gate import Gate
from edge_gate.gate.main import open_gate
from edge_gate.gate.peers.peer_link import MOST_JOINS
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules import enrolment, lending
from edge_gate.settings import config
from edge_gate.spec.registry import VERBS
from edge_gate.store.people import consent, residents
from edge_gate.store.templates import templates
from edge_gate.tools.trial import make_site
from edge_gate.wire.eye import EYE_LINK, HEALTH_BYTES, SIGHTING_BYTES, CameraState, Health
from edge_gate.wire.frame import Direction, encode
from tests.fuzz.target import Target
from tests.support.peers import CONSENT, direction, embedding, sighting, write_model
from tests.support.signing import own_key

_NAMES = ("Ann", "Bo")
_RESTORED_EACH = 50  # runs


class Turned:
    """The gate, without a thread: each of its turns is called for."""

    def __init__(self, folder: Path) -> None:
        self.model_id = write_model(folder / "models")
        self.board = board = BoardSimulator("lcus1")
        settings = make_site(
            folder / "site",
            {
                "models": {"folder": str(folder / "models"), "eyes": "test-eyes", "trusted_keys": (own_key(),)},
                "door": {"relay": "lcus1", "port": board.path, "pulse_ms": 100},
                "roles": {"people_per_hour": 1000},
                "decision": {"window_s": 0.5, "gap_s": 0.2, "hold_off_s": 0.0, "attempts": 20},
                "limiter": {"stricter_after": 100, "token_after": 100, "forgiven_s": 1.0, "wait_s": 0.0},
            },
        )
        self.config = config.load(settings)
        self.held = contextlib.ExitStack()  # until the process ends
        self.gate: Gate = self.held.enter_context(open_gate(self.config))
        self.runs = 0
        self.enrol()

    def enrol(self) -> None:
        """See to it that there are residents to speak of."""
        store, now = self.gate.store, self.gate.clock.now()
        known = {each.name for each in residents.everyone_known(store)}
        for number, name in enumerate(_NAMES):
            if name in known:
                continue
            with store.transaction():
                who = residents.add(store, name)
                until = now.replace(year=now.year + 1, day=1)
                consent.record(store, who.id, purpose="a test", given_by=name, until=until, operator="fuzz")
                code = self.gate.recognition.transform.encode(direction(number)).tobytes()
                templates.put(store, templates.Template(who.id, self.model_id, 16, code, 128))
        self.gate.recognition.load()

    def turn(self, while_: Callable[[], bool], most: int = 400) -> None:
        """Turn until there is nothing more to wait for. No limit on the rate: what is behind it is to be tried."""
        gate = self.gate
        for _ in range(most):
            gate.control._turns.next_ns = 0
            for key, _ in gate.loop.selector.select(0):
                key.data()
            gate.turn()
            if not while_():
                return
        raise AssertionError("the gate does not come to an end")

    def refresh(self) -> None:
        """Forget what was counted against anybody."""
        now = self.gate.clock.monotonic_ns()
        self.gate.authorisation._lockouts = Lockouts()
        self.gate.eye.link._peer._joins = TokenBucket(MOST_JOINS, 1, now)
        self.gate.eye.link._peer._channel._rate = TokenBucket(1000, 1000, now)
        self.runs += 1
        if self.runs % _RESTORED_EACH == 0:
            self.enrol()


def make_control(folder: Path) -> Target:
    """What a caller says: the first byte gives the size of the pieces in which the rest is sent."""
    turned = Turned(folder)
    eye = _eye(turned)
    path = str(turned.config.sockets.control)

    def one(data: bytes) -> None:
        turned.refresh()
        piece, stream = 8 * (data[0] if data else 0) + 1, data[1:]
        heard, over = bytearray(), False
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(path)
            caller.setblocking(False)
            turned.turn(lambda: not turned.gate.control._callers)
            for start in range(0, len(stream), piece):
                with contextlib.suppress(OSError):
                    caller.send(stream[start : start + piece])
                turned.turn(lambda: any(each.waiting for each in turned.gate.control._callers.values()))
                over = _hear(caller, heard) or over
            awaited = sum(max(0, each.awaited) for each in turned.gate.control._callers.values())
            over = _hear(caller, heard) or over
        answers = [json.loads(line) for line in heard.splitlines()]
        final = [each for each in answers if "progress" not in each]
        assert all(("ok" in each) != ("error" in each) for each in final)
        assert over or len(final) + awaited == stream.count(b"\n"), (final, awaited)
        with contextlib.suppress(OSError):
            eye.recv(64)
        turned.turn(lambda: bool(turned.gate.control._callers))

    requests: list[dict[str, Any]] = [{"verb": verb, "name": "Ann"} for verb in sorted(VERBS)]
    requests += [
        {"verb": "enrol", "name": "Cy", "consent": CONSENT},
        {"verb": "enrol", "name": "Cy", "consent": {**CONSENT, "until": "9999-12-31T23:00:00-23:00"}},
        {"verb": "events", "kind": "opened", "limit": 500},
        {"verb": "audit", "first": 3},
        {"verb": "approve", "id": "abcdef"},
    ]
    lines = [json.dumps(each).encode() + b"\n" for each in requests]
    hostile = (
        b'{"verb": "\\ud800"}\n',
        b"[" * 3000 + b"\n",
        b'{"verb": NaN}\n',
        b"9" * 4400 + b"\n",
        b'\xff\n{"a":1e999}\n',
    )
    twice = b'{"verb": "status", "verb": "store-check"}\n{"verb": "status"}\n{"verb'
    return Target(one, tuple(b"\x20" + each for each in (*lines, *hostile, twice, b"".join(lines))), longest=20_000)


def make_eye(folder: Path) -> Target:
    """What an eye says: each message begins with a byte, of which the lowest bit says whether time, number and model
    are put right first, so that the rest of it is not refused unread; the third bit of the first of all, whether
    somebody is being enrolled."""
    turned = Turned(folder)
    enrolment.SPACING_NS = 1  # type: ignore[misc] # what comes after sixteen views is to be tried too
    lending.MOST_ENROLMENTS, lending.AT_ONCE_NS = 10**9, 10**18  # type: ignore[misc] # one in each run

    def one(data: bytes) -> None:
        turned.refresh()
        with _eye(turned) as eye, socket.socket(socket.AF_UNIX) as caller:
            if data and data[0] & 4:
                caller.connect(str(turned.config.sockets.control))
                caller.send(enrol)
                turned.turn(lambda: not turned.gate.mode.enrolling)
            told = 0, 0
            for number, (right, message) in enumerate(_messages(data), 1):
                told = _told(eye, told)
                with contextlib.suppress(OSError):
                    eye.send(_put_right(message, turned.model_id, told, number) if right else message or b"\0")
                turned.turn(lambda: False)
        turned.turn(lambda: turned.gate.eye.link.connection is not None or bool(turned.gate.control._callers))
        with contextlib.suppress(ResidentUnknown):
            residents.forget(turned.gate.store, "Cy")

    enrol = json.dumps({"verb": "enrol", "name": "Cy", "consent": CONSENT}).encode() + b"\n"
    stands = [b"\5" + _pack(sighting(embedding(5, seed=seed), track=9)) for seed in range(18)]
    seen = [b"\1" + _pack(sighting(embedding(0, seed=seed), track=2)) for seed in range(4)]
    refused = b"\1" + _pack(sighting(track=3))
    healths = [
        b"\3" + _pack(Health(7, 1, 1, 9, 15.0, 8.0, 12.0, 0.4, state, 3))
        for state in (CameraState.WORKING, CameraState.BLACK)
    ]
    return Target(
        one,
        (b"".join(seen), refused * 2, b"".join(healths), b"\2" + seen[0][1:], b"".join(stands)),
        longest=18 * (1 + SIGHTING_BYTES),
    )


def _eye(turned: Turned) -> socket.socket:
    eye = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    eye.connect(str(turned.config.sockets.eye))
    eye.setblocking(False)
    turned.turn(lambda: turned.gate.eye.link.connection is None)
    return eye


def _pack(message: object) -> bytes:
    return encode(EYE_LINK, Direction.TO_GATE, message)


def _messages(data: bytes) -> list[tuple[bool, bytes]]:
    """Cut the bytes into messages: the lowest bit of the first byte of each says whether it is to be put right, the
    second whether it is a health's length."""
    found = []
    while data:
        length = HEALTH_BYTES if data[0] & 2 else SIGHTING_BYTES
        found.append((bool(data[0] & 1), data[1 : 1 + length]))
        data = data[1 + length :]
    return found


def _told(eye: socket.socket, before: tuple[int, int]) -> tuple[int, int]:
    """Return count and number of the newest command that the gate gave on this connection."""
    with contextlib.suppress(OSError):
        while command := eye.recv(64):
            *_, order, number = struct.unpack("<2sBBB B H Q", command)
            before = order, number
    return before


def _put_right(message: bytes, model_id: bytes, told: tuple[int, int], number: int) -> bytes:
    kind, size = (2, HEALTH_BYTES) if len(message) <= HEALTH_BYTES else (1, SIGHTING_BYTES)
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    right = bytearray(message.ljust(size, b"\0"))
    right[:32] = struct.pack("<2sBBB x H 3Q", b"EG", 1, 6, kind, *told, number, now)
    if kind == 1:
        right[77:85] = model_id
    return bytes(right)


def _hear(caller: socket.socket, heard: bytearray) -> bool:
    """Take what there is to hear; return whether the gate hung up."""
    try:
        while data := caller.recv(1 << 20):
            heard += data
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
