# SPDX-License-Identifier: Apache-2.0
"""What the gate says of itself: what is written is read back, and nothing else is believed."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.cli.status import find_faults, show
from edge_gate.core.errors import WireError
from edge_gate.settings.config import parse
from edge_gate.wire import client
from edge_gate.wire.status import (
    ClockStatus,
    DoorStatus,
    EyeStatus,
    GateStatus,
    HardeningStatus,
    LimiterStatus,
    LivenessStatus,
    PartStatus,
    PolicyStatus,
    ProcessStatus,
    SealedStatus,
    ThresholdStatus,
)
from tests.support.gates import eye_at, let_turn
from tests.support.peers import running_gate

# Scripts read these names from `edge-gate status --json`.
ANSWER: Final[dict[str, Any]] = {
    "site": "a gate",
    "door": {"state": "secure", "fault": None, "port": "/dev/edge-gate-relay"},
    "eye": {
        "connected": True,
        "camera": "working",
        "fps": 14.9,
        "loop_p95_ms": 11.2,
        "frames": 1200,
        "pictures": 15,
        "pictures_skipped": 7,
        "messages_refused": 0,
        "turned_away": 0,
        "scene": "known",
        "infrared": "none",
    },
    "store": {"fault": None},
    "keyring": {"fault": None},
    "clock": {"now": "2026-03-01T12:00:00.000Z", "fault": None},
    "log": {"fault": None},
    "events": {"fault": None},
    "people": {"fault": None},
    "approach": None,
    "liveness": {
        "mode": "require",
        "challenge": "in-doubt",
        "model": "attacks",
        "people_measured": 3,
        "attacks": 2,
        "fault": None,
    },
    "limiter": {"state": "slower", "milder_in_s": 20.5, "refusals": 4},
    "guidance": {"fault": None},
    "enrolling": False,
    "paused": False,
    "residents_in_gallery": 12,
    "threshold": {"fmr": 0.0001, "comparison_score": 0.53},
    "model": "eyes",
    "unsigned_models": {"mesh": "not signed"},
    "policy": {"waiting": ["attempts"], "held": ""},
    "approvals_waiting": 1,
    "many_erased": 0,
    "sealed": {
        "gate": {"standing": ["files"], "not_here": {"TCP": "an old kernel"}, "missing": []},
        "eye": None,
    },
    "processes": {"gate": 400, "eye": None},
    "uptime_s": 3.5,
}

counts = st.integers(min_value=0)
numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=20)
names = st.lists(texts, max_size=3).map(tuple)
walls = st.builds(HardeningStatus, names, st.dictionaries(texts, texts, max_size=3), names)
statuses = st.builds(
    GateStatus,
    site=texts,
    door=st.builds(DoorStatus, texts, st.none() | texts, texts),
    eye=st.builds(
        EyeStatus,
        connected=st.booleans(),
        camera=st.none() | texts,
        fps=st.none() | numbers,
        loop_p95_ms=st.none() | numbers,
        frames=st.none() | counts,
        pictures=st.none() | counts,
        pictures_skipped=st.none() | counts,
        messages_refused=counts,
        turned_away=counts,
        scene=st.none() | texts,
        infrared=st.none() | texts,
    ),
    store=st.builds(PartStatus, st.none() | texts),
    keyring=st.builds(PartStatus, st.none() | texts),
    clock=st.builds(ClockStatus, texts, st.none() | texts),
    log=st.builds(PartStatus, st.none() | texts),
    events=st.builds(PartStatus, st.none() | texts),
    people=st.builds(PartStatus, st.none() | texts),
    approach=st.none() | texts,
    liveness=st.builds(LivenessStatus, texts, texts, texts, counts, counts, st.none() | texts),
    guidance=st.builds(PartStatus, st.none() | texts),
    limiter=st.builds(LimiterStatus, texts, st.none() | numbers, counts),
    enrolling=st.booleans(),
    paused=st.booleans(),
    residents_in_gallery=counts,
    threshold=st.builds(ThresholdStatus, numbers, numbers),
    model=texts,
    unsigned_models=st.dictionaries(texts, texts, max_size=3),
    policy=st.builds(PolicyStatus, names, texts),
    approvals_waiting=counts,
    many_erased=counts,
    sealed=st.builds(SealedStatus, walls, st.none() | walls),
    processes=st.builds(ProcessStatus, counts, st.none() | counts),
    uptime_s=numbers,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from([*ANSWER]), inner),
    max_leaves=20,
)


def find_places(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the way to every key, but for those of tables in which any key may stand."""
    for key, each in value.items():
        yield (*above, key)
        if isinstance(each, dict) and key not in ("unsigned_models", "not_here"):
            yield from find_places(each, (*above, key))


PLACES: Final = tuple(find_places(ANSWER))
MAY_BE_NULL: Final = {
    ("door", "fault"),
    *(
        ("eye", figure)
        for figure in ("camera", "fps", "loop_p95_ms", "frames", "pictures", "pictures_skipped", "scene", "infrared")
    ),
    ("store", "fault"),
    ("keyring", "fault"),
    ("clock", "fault"),
    ("log", "fault"),
    ("events", "fault"),
    ("people", "fault"),
    ("guidance", "fault"),
    ("liveness", "fault"),
    ("limiter", "milder_in_s"),
    ("approach",),
    ("sealed", "eye"),
    ("processes", "eye"),
}


def copy_and_find(place: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a copy of the answer, and the table in it that has the last key of a place."""
    answer = table = json.loads(json.dumps(ANSWER))
    for key in place[:-1]:
        table = table[key]
    return answer, table


def test_the_answer_is_read_and_written_key_for_key() -> None:
    read = GateStatus.read(ANSWER)
    assert json.loads(json.dumps(read.write())) == ANSWER
    assert list(read.write()) == list(ANSWER), "in this order"
    assert read.policy.waiting == ("attempts",) and read.sealed.gate.not_here == {"TCP": "an old kernel"}
    assert find_faults(read) == []


@given(statuses)
def test_what_is_written_is_read_back(status: GateStatus) -> None:
    assert GateStatus.read(json.loads(json.dumps(status.write()))) == status


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_a_missing_key_is_a_clear_error_that_names_it(place: tuple[str, ...]) -> None:
    answer, table = copy_and_find(place)
    del table[place[-1]]
    with pytest.raises(WireError, match=f"status is not understood.*{place[-1]}"):
        GateStatus.read(answer)


def of_another_type(value: Any) -> list[Any]:
    """Return values that must not stand in this one's place, among them what Python takes for the same."""
    by_type: dict[type, list[Any]] = {
        bool: [0, 1, "true"],
        int: [True, "1", 1.5, [1]],
        float: [True, "1.5", 10**400],
        str: [1, True, ["a"]],
        type(None): [True, ["a"], {"a": [None]}],
        list: ["a", None, [1], {"a": "b"}],
        dict: ["a", 1, [["a", "b"]], {"a": 1}],
    }
    return by_type[type(value)]


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_a_value_of_another_type_is_a_clear_error(place: tuple[str, ...]) -> None:
    answer, table = copy_and_find(place)
    for wrong in of_another_type(table[place[-1]]):
        table[place[-1]] = wrong
        with pytest.raises(WireError, match="status is not understood"):
            GateStatus.read(answer)


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_only_what_may_be_unknown_may_be_null(place: tuple[str, ...]) -> None:
    answer, table = copy_and_find(place)
    table[place[-1]] = None
    if place in MAY_BE_NULL:
        assert isinstance(GateStatus.read(answer), GateStatus)
    else:
        with pytest.raises(WireError, match="status is not understood"):
            GateStatus.read(answer)


@pytest.mark.parametrize("place", [("site",), ("door", "state"), ("eye", "fps"), ("sealed", "gate", "missing")])
def test_what_a_newer_gate_says_besides_is_left_out(place: tuple[str, ...]) -> None:
    answer, table = copy_and_find(place)
    table["of a newer gate"] = {"a": [1]}
    assert GateStatus.read(answer) == GateStatus.read(ANSWER)


@given(anything)
def test_any_answer_is_a_status_or_a_clear_error(answer: Any) -> None:
    with pytest.raises(WireError):
        GateStatus.read(answer)


@given(st.sampled_from(PLACES), anything)
def test_an_answer_with_anything_in_one_place_is_a_status_or_a_clear_error(place: tuple[str, ...], value: Any) -> None:
    answer, table = copy_and_find(place)
    table[place[-1]] = value
    try:
        assert isinstance(GateStatus.read(answer), GateStatus)
    except WireError as error:
        assert "status is not understood" in str(error)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"ok": {"door": {"state": "secure"}}}', "the gate's status is not understood"),
        (b'{"ok": [', "no JSON, or was cut off"),
        (b"[" * 100_000, "no JSON, or was cut off"),
        (b"\xff\n", "no JSON, or was cut off"),
        (b"[]", "the gate's answer is not understood"),
        (b"{}", "the gate's answer is not understood"),
        (b'{"error": null}', "its reason is not understood"),
        (b'{"error": {"message": "no", "exit_code": "7"}}', "its reason is not understood"),
    ],
)
def test_a_caller_of_something_that_is_no_gate_gets_a_clear_error(tmp_path: Path, line: bytes, says: str) -> None:
    settings = parse(f"[sockets]\ncontrol = '{tmp_path}/c.sock'", tmp_path / "x.toml")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/c.sock")
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(line + b"\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(WireError, match=says):
            client.status(settings)
        thread.join()


def test_the_pictures_that_the_eye_skipped_are_in_the_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gate(tmp_path, "/dev/null") as (gate, settings):
        eye = eye_at(gate)
        eye.health(1, arrived=15, skipped=7)
        let_turn(gate)
        state = client.status(settings)
        assert (state.eye.camera, state.eye.pictures, state.eye.pictures_skipped) == ("working", 15, 7)
        show(state, [])
        assert "7 of the last 15 pictures skipped" in " ".join(capsys.readouterr().out.split())
        eye.health(1)
        let_turn(gate)
        show(client.status(settings), [])
        assert "skipped" not in capsys.readouterr().out
