# SPDX-License-Identifier: Apache-2.0
"""Who is served next at the control socket, who loses their place, and what a stream of requests is answered."""

from __future__ import annotations

import itertools
import json
import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import NotAllowed
from edge_gate.core.token_bucket import TokenBucket
from edge_gate.gate.authorisation.lockout import CHANGES_PER_S, MOST_CHANGES, MOST_USERS, Lockouts
from edge_gate.gate.control.caller import Caller
from edge_gate.gate.control.requests import Request
from edge_gate.gate.control.server import IDLE_NS, MOST_BYTES, MOST_CALLERS, MOST_OF_ONE_USER, ControlServer
from edge_gate.gate.control.turns import LONGEST_REST_NS, Turns
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.spec.registry import VERBS
from edge_gate.wire.client import ask
from tests.support.clocks import HeldClock
from tests.support.peers import CONSENT, running_gate

SECOND = 10**9


class Server:
    """The gate's control socket, alone, turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = HeldClock(100 * SECOND)
        self.served: list[tuple[int, str]] = []
        self.path = folder / "control.sock"
        self.selector = selectors.DefaultSelector()
        self.control = ControlServer(self.path, self._judge, self.selector, self._handle, self.clock)

    def _judge(self, uid: int) -> None:
        if uid != os.getuid():
            raise NotAllowed("somebody", "")

    def _handle(self, request: Request) -> None:
        self.served.append((request.caller.uid, request.verb))
        self.clock.at_ns += SECOND // 10
        if request.verb != "wait":
            request.answer(request.verb)

    def dial(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(1)
        connection.connect(str(self.path))
        return connection

    def turn(self, seconds: float = 0.0) -> None:
        self.clock.at_ns += round(seconds * SECOND)
        for key, _ in self.selector.select(0):
            key.data()
        self.control.tend()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.control.close()
    made.selector.close()


def closed(connection: socket.socket) -> bool:
    with suppress(TimeoutError):
        connection.settimeout(0.05)
        return connection.recv(1) == b""
    return False


def test_one_request_is_served_in_a_turn_and_the_door_has_as_long_as_it_took(server: Server) -> None:
    with server.dial() as caller:
        server.turn()
        caller.sendall(b'{"verb": "a"}\n' * 3)
        server.turn()
        assert len(server.served) == 1 and server.control.patience_s() == pytest.approx(0.1)
        server.turn(0.09)
        assert len(server.served) == 1
        server.turn(0.02)
        assert len(server.served) == 2


def test_who_calls_and_hangs_up_in_a_loop_keeps_nobody_out(server: Server) -> None:
    for _ in range(2 * MOST_CALLERS):
        server.dial().close()
    for _ in range(3):
        server.turn()
    with server.dial() as last:
        server.turn()
        last.sendall(b'{"verb": "a"}\n')
        server.turn()
        assert [verb for _, verb in server.served] == ["a"]


def test_a_turn_lets_in_or_turns_away_so_many_and_no_more(server: Server) -> None:
    callers = [server.dial() for _ in range(MOST_CALLERS + 1)]
    server.turn()
    assert len(server.control._callers) == MOST_OF_ONE_USER
    refused = callers[MOST_OF_ONE_USER:MOST_CALLERS]
    assert all(b"try again" in each.recv(MOST_BYTES) for each in refused) and not closed(callers[-1])
    for each in callers:
        each.close()


def test_users_take_turns_whatever_the_number_of_their_connections() -> None:
    turns = Turns()
    for number in range(5):
        turns.took(1, number, number + 1)
    turns.took(2, 5, 6)
    assert turns.last_ns(3) < turns.last_ns(1) < turns.last_ns(2), "who was never served is next, then who waited"
    turns.took(1, 0, 100 * SECOND)
    assert turns.next_ns == 100 * SECOND + LONGEST_REST_NS


def test_who_says_half_a_request_or_takes_no_answer_loses_the_place_and_who_waits_for_one_does_not(
    server: Server,
) -> None:
    with server.dial() as half, server.dial() as waits, server.dial() as silent:
        for _ in range(3):
            server.turn()
        half.sendall(b'{"verb"')
        waits.sendall(b'{"verb": "wait"}\n')
        for _ in range(int(IDLE_NS / SECOND) + 2):
            server.turn(1.0)
            with suppress(OSError):
                half.sendall(b" ")
        assert closed(half) and closed(silent) and not closed(waits)


def test_who_takes_no_answer_loses_the_place_and_is_not_served_meanwhile(server: Server) -> None:
    with server.dial() as deaf:
        server.turn()
        for number in range(30_000):
            if len(server.served) < number:
                break
            deaf.sendall(b'{"verb": "' + b"a" * 5000 + b'"}\n')
            server.turn(1.0)
        served = len(server.served)
        for _ in range(int(IDLE_NS / SECOND) + 2):
            server.turn(1.0)
        assert len(server.served) == served and not server.control._callers


def test_a_request_of_exactly_the_most_bytes_is_read_and_one_more_ends_the_connection(server: Server) -> None:
    for extra, answered in ((0, "ok"), (1, "error")):
        with server.dial() as caller:
            server.turn()
            head = b'{"verb": "a", "padding": "'
            line = head + b"x" * (MOST_BYTES + extra - len(head) - 2) + b'"}'
            for start in range(0, len(line), 5000):
                caller.sendall(line[start : start + 5000])
                server.turn(1.0)
            with suppress(OSError):
                caller.sendall(b"\n")
            server.turn(1.0)
            assert answered in json.loads(caller.makefile("rb").readline())


def test_a_login_name_that_is_no_unicode_comes_back_escaped() -> None:
    """As the system's list of users may have one; an exception here would end the gate."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as lines:
        Caller(theirs, 1, "caf\udce9").answer({"ok": "caf\udce9"})
        assert json.loads(lines.readline()) == {"ok": "caf\udce9"}


def test_a_user_changes_so_much_at_once_and_then_little_by_little() -> None:
    lockouts = Lockouts()
    assert sum(lockouts.may_change(1, 0) for _ in range(2 * MOST_CHANGES)) == MOST_CHANGES
    assert lockouts.may_change(2, 0), "another user has their own"
    later = round(10 / CHANGES_PER_S) * SECOND
    assert sum(lockouts.may_change(1, later) for _ in range(2 * MOST_CHANGES)) == 10
    for uid in range(10 * MOST_USERS):
        lockouts.may_change(uid, later)
    assert len(lockouts._changes) == MOST_USERS


@given(
    st.lists(st.tuples(st.integers(0, 10**10), st.booleans()), max_size=200), st.integers(1, 50), st.floats(0.01, 99)
)
def test_an_allowance_never_gives_more_than_its_most_and_what_the_time_earned(
    steps: list[tuple[int, bool]], most: int, per_s: float
) -> None:
    allowance, now, given_away = TokenBucket(most, per_s, 0), 0, 0
    for passed_ns, wants in steps:
        now += passed_ns
        given_away += wants and allowance.spend(now)
    assert given_away <= most + now / 1e9 * per_s + 1e-6


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["name", "limit", "kind", "first", "id", "consent", "verb", "until"])
UNTIL = st.sampled_from(["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "9999-12-31", "nonsense"])
REQUESTS = st.builds(
    lambda verb, fields, until: {"verb": verb, "consent": {**CONSENT, "until": until}, **fields},
    st.sampled_from([*sorted(set(VERBS) - {"guidance"}), "open", ""]),  # that one has no last answer
    st.dictionaries(
        FIELDS.filter(lambda key: key != "verb"), JSON | st.sampled_from(["A", "\ud800", "A" * 200]), max_size=3
    ),
    UNTIL,
)
LINES = st.one_of(
    REQUESTS.map(lambda each: json.dumps(each).encode()),
    JSON.map(lambda each: json.dumps(each).encode()),
    st.binary(max_size=60).map(lambda each: each.replace(b"\n", b"")),
    st.sampled_from(
        [b"[" * 5000, b'{"a":' * 2000, b'{"verb": "status", "verb": 1}', b"9" * 5000, b"NaN", b"\xff\xfe{}"]
    ),
)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[config.Config]:
    with BoardSimulator("lcus1") as board, running_gate(tmp_path_factory.mktemp("gate"), board.path) as (_, loaded):
        yield loaded


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, max_size=6), cuts=st.lists(st.integers(0, 20_000), max_size=8), rest=st.binary(max_size=9))
def test_each_whole_line_has_one_last_answer_however_the_stream_is_cut_and_others_are_served(
    gate: config.Config, lines: list[bytes], cuts: list[int], rest: bytes
) -> None:
    stream = b"".join(line + b"\n" for line in lines) + rest.replace(b"\n", b"")
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    with socket.socket(socket.AF_UNIX) as caller, caller.makefile("rb") as answers:
        caller.settimeout(20)
        caller.connect(str(gate.sockets.control))
        for start, end in itertools.pairwise(edges):
            caller.sendall(stream[start:end])
        final = [json.loads(answers.readline()) for _ in lines]
        assert all(("ok" in each) != ("error" in each) for each in final)
        caller.settimeout(0.002)
        with pytest.raises(TimeoutError):
            caller.recv(1)
        assert ask(gate, "status")["door"]["state"] in ("secure", "released")
