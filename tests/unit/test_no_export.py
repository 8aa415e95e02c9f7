# SPDX-License-Identifier: Apache-2.0
"""No verb and no command gives away a template: each is asked, and every answer is searched for one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edge_gate import cli
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules.protection import SiteTransform
from edge_gate.spec.registry import VERBS
from edge_gate.store.templates import templates
from edge_gate.wire.client import GateRefused, converse
from tests.support.commands import callable_commands
from tests.support.gates import eye_at
from tests.support.peers import enrol, running_gate
from tests.support.stores import compared

# Arguments with which each verb answers as fully as it can. What erases the person comes last.
ASKED: dict[str, dict[str, Any]] = {
    **{verb: {} for verb in VERBS},
    "events": {"limit": 500},
    "audit-resident": {"name": "Ann"},
    "approve": {"id": "x"},
    "clock-accept": {"day": "2027-03-31"},
    "enrol": {"name": "Ann", "consent": {"purpose": "x", "given_by": "x", "until": "2099-01-01"}},
    "withdraw": {"name": "Bo"},
    "forget": {"name": "Bo"},
}
# The commands, as words, with their arguments; what serves or measures and asks no gate is not called.
CALLED: dict[str, list[str]] = {
    "status": ["--json"],
    "residents": ["--json"],
    "events": ["--json", "--limit", "500"],
    "audit show": ["--json"],
    "audit verify": ["--json"],
    "audit checkpoint": ["--json"],
    "audit accept": [],
    "templates status": ["--json"],
    "templates renew": ["--yes", "--json"],
    "approvals": ["--json"],
    "approve": ["x"],
    "clock accept": ["2027-03-31"],
    "pause": [],
    "resume": [],
    "keys status": ["--json"],
    "keys passphrase": [],
    "keys unlock": [],
    "relay test": ["--json"],
    "relay list": [],
    "relay off": [],
    "doctor": ["--json"],
    "config check": ["--json"],
    "models list": [],
    "pad report": [],
    "pad record": ["live", "p1", "--seconds", "1"],
    "models show": ["test-eyes"],
    "models verify": [],
    "enrol": ["Ann", "--consent", "x", "--json"],
    "consent withdraw": ["Ann", "--yes"],
    "forget": ["Ann", "--yes", "--json"],
}
NOT_CALLED = {"init", "run", "eye", "relay simulate", "evaluate", "bench", "demo", "pad evaluate", "pad bench"}
# They work on the store's key while the gate is stopped; escrow is what gives it away, to the owners, in shares.
NOT_CALLED |= {"keys rotate", "keys escrow", "keys recover", "keys new-keyring"}
# It goes on until its caller does; its verb is asked.
NOT_CALLED |= {"guidance"}
# They ask for a passphrase and write a file.
NOT_CALLED |= {"keys lock", "keys open"}
WINDOW = 8
SHORTEST = 16


def traces(vector: np.ndarray[Any, Any], said: bytes) -> list[str]:
    """Return in which ways an answer holds eight numbers in a row of a vector, or sixteen where each is a byte."""
    unit = vector / np.linalg.norm(vector)
    whole = {f"float{8 * np.dtype(kind).itemsize}": unit.astype(kind).tobytes() for kind in ("<f2", "<f4", "<f8")}
    whole["int8"] = np.rint(unit * 127 / np.abs(unit).max()).astype(np.int8).tobytes()
    found = [name for name, raw in whole.items() if any(each in said for each in spelled(raw, len(raw) // len(unit)))]
    numbers = np.array([float(each) for each in re.findall(rb"-?\d+\.?\d*(?:[eE][-+]?\d+)?", said)])
    if len(numbers) >= WINDOW:
        told, known = windows(numbers), windows(unit)
        if float(np.max(told @ known.T)) > 0.9995:
            found.append("numbers")
    return found


def windows(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return each eight numbers in a row at length 1, so that a scale does not hide them."""
    rows = np.lib.stride_tricks.sliding_window_view(np.clip(numbers, -1e9, 1e9), WINDOW)
    unit: np.ndarray[Any, Any] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def spelled(raw: bytes, size: int) -> Iterator[bytes]:
    """Yield each part of some bytes, raw, in hexadecimal, and in base64 at any of its three places.

    Of base64 the ends are cut, which depend on the neighbours; what is left of eight bytes, four letters, stands in a
    long answer by chance.
    """
    length = max(WINDOW * size, SHORTEST)
    for start in range(0, len(raw) - length + 1, size):
        part = raw[start : start + length]
        yield part
        yield part.hex().encode()
        yield part.hex().upper().encode()
        for shift in range(3):
            inner = base64.b64encode(b"\0" * shift + part)[4 * (shift > 0) : -4]
            yield inner
            yield inner.replace(b"+", b"-").replace(b"/", b"_")


def code_traces(code: bytes, said: bytes) -> list[str]:
    """Return in which ways an answer holds sixteen bytes of a code in a row, 64 bits, or eight bytes as numbers."""
    found = ["bytes"] if any(each in said for each in spelled(code, 1)) else []
    bits = "".join(map(str, np.unpackbits(np.frombuffer(code, np.uint8)))).encode()
    if any(bits[start : start + 64] in said for start in range(0, len(bits) - 63)):
        found.append("bits")
    told = b"," + b",".join(re.findall(rb"\d+", said)) + b","
    listed = [b"," + ",".join(map(str, code[at : at + WINDOW])).encode() + b"," for at in range(len(code) - WINDOW + 1)]
    return [*found, *(["numbers"] if any(each in told for each in listed) else [])]


CODE_LEAKS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda code: b"..." + code,
    "hex": lambda code: code[3:60].hex().encode(),
    "base64": lambda code: base64.b64encode(b"x" + code),
    "bits": lambda code: "".join(f"{each:08b}" for each in code).encode(),
    "JSON": lambda code: json.dumps(list(code[40:60])).encode(),
}


@pytest.mark.parametrize("how", CODE_LEAKS)
def test_a_leak_of_a_code_would_be_seen(how: str) -> None:
    code = np.random.default_rng(1).bytes(256)
    assert code_traces(code, CODE_LEAKS[how](code))
    assert not code_traces(np.random.default_rng(2).bytes(256), CODE_LEAKS[how](code))


LEAKS: dict[str, Callable[[np.ndarray[Any, Any]], bytes]] = {
    "raw": lambda vector: b"..." + vector.astype("<f2").tobytes(),
    "float32 in hex": lambda vector: vector.astype("<f4").tobytes().hex().encode(),
    "float16 in HEX": lambda vector: vector.astype("<f2").tobytes().hex().upper().encode(),
    "base64": lambda vector: base64.b64encode(b"x" + vector.astype("<f2").tobytes()),
    "base64 for URLs": lambda vector: base64.urlsafe_b64encode(b"xy" + vector.astype("<f4").tobytes()),
    "JSON": lambda vector: json.dumps([round(float(each), 4) for each in vector]).encode(),
    "a part, scaled to whole numbers": lambda vector: json.dumps(
        [round(float(each) * 5000) for each in vector[40:60]]
    ).encode(),
}


@pytest.mark.parametrize("how", LEAKS)
def test_a_leak_would_be_seen(how: str) -> None:
    vector = np.random.default_rng(1).normal(size=128)
    vector /= np.linalg.norm(vector)
    assert traces(vector, LEAKS[how](vector))
    assert not traces(np.random.default_rng(2).normal(size=128), LEAKS[how](vector))


def test_no_answer_to_any_verb_or_command_holds_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors: list[np.ndarray[Any, Any]] = []
    encode = SiteTransform.encode

    def noted(self: SiteTransform, given: np.ndarray[Any, Any]) -> Any:
        vectors.extend(np.atleast_2d(given))
        return encode(self, given)

    monkeypatch.setattr(SiteTransform, "encode", noted)
    assert set(ASKED) == set(VERBS)
    assert set(CALLED) | NOT_CALLED == set(callable_commands(cli.group))
    said: dict[str, bytes] = {}
    with BoardSimulator("lcus1") as board, running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        said["enrolling"] = json.dumps(
            [enrol(settings, eye, "Ann", 1, track=1), enrol(settings, eye, "Bo", 2, track=2)]
        ).encode()
        box: list[list[templates.Template]] = []
        gate.call(lambda: box.append(compared(gate.store, gate.recognition.card.model_id, gate.clock.now())))
        for verb, request in sorted(ASKED.items(), key=lambda each: (each[1].get("name") == "Bo", each[0] == "forget")):
            try:
                lines = converse(settings, verb, **request)
                said[verb] = json.dumps(list(islice(lines, 1 if verb == "guidance" else None))).encode()
            except GateRefused as error:
                said[verb] = str(error).encode()
        file = str(tmp_path / "site" / "edge-gate.toml")
        for words, arguments in CALLED.items():
            with_config = ["--config", file] if words != "relay list" else []
            result = CliRunner().invoke(cli.group, [*words.split(), *arguments, *with_config])
            assert result.exit_code != 2, (words, result.output)
            said[f"edge-gate {words}"] = f"{result.output}{result.exception!s}".encode()
    assert [len(each) for each in box] == [2]
    assert all(len(each) > 1 for each in said.values())
    assert len(vectors) >= 2, "the vectors of the two templates were not noted"
    found = {name: seen for name, text in said.items() for each in box[0] if (seen := code_traces(each.code, text))}
    found |= {name: seen for name, text in said.items() for each in vectors if (seen := traces(each, text))}
    assert found == {}
