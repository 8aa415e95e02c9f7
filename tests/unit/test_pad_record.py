# SPDX-License-Identifier: Apache-2.0
"""`edge-gate pad record` and `report` at a running gate: real store, real sockets, sightings as the eye sends them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_gate import cli
from edge_gate.core.exit_codes import ExitCode
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings.config import Config
from tests.support.gates import eye_at
from tests.support.peers import RawEye, embedding, running_gate


def present(eye: RawEye, pad: float, path: Path, *words: str) -> int:
    """Record something while the eye sees it with this PAD score; return the exit code."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(cli.run, ["pad", "record", *words, "--seconds", "1", "--config", str(path)])
        track = 100 + len(words[1])
        while not asked.done():
            eye.see(embedding(1), track=track, pad=pad)
            eye.wait(0.1)
        return asked.result()


def config_of(settings: Config) -> Path:
    return settings.store.path.parent / "edge-gate.toml"


def test_what_is_recorded_is_told_and_counted(
    tmp_path: Path, board: BoardSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        path = config_of(settings)
        assert path.is_file()
        assert cli.run(["pad", "report", "--config", str(path)]) == 0
        said = capsys.readouterr().out
        assert "NEVER MEASURED" in said and "edge-gate pad record live" in said

        eye = eye_at(gate)
        assert present(eye, 0.97, path, "live", "p1") == 0
        told = capsys.readouterr()
        assert "found live: right" in told.out and "No picture was kept" in told.out
        assert "for 1 s" in told.err
        assert present(eye, 0.02, path, "print", "a4-1", "--json") == 0
        recorded = json.loads(capsys.readouterr().out)
        assert recorded["verdict"] == "attack" and recorded["looks"] >= 3
        assert set(recorded) == {"looks", "verdict"}, "how nearly it passed is told to nobody"
        assert present(eye, 0.99, path, "phone", "x") == 0
        assert "TAKEN FOR A PERSON" in capsys.readouterr().out

        assert cli.run(["pad", "report", "--config", str(path), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["measured"] is True and found["people"] == 1
        counted = {each["species"]: (each["sources"], each["presentations"], each["wrong"]) for each in found["tried"]}
        assert counted == {"live": (1, 1, 0), "print": (1, 1, 0), "phone": (1, 1, 1)}
        assert cli.run(["pad", "report", "--config", str(path)]) == 0
        said = capsys.readouterr().out
        assert "An attack passed (phone)" in said and "1 of 10 people" in said and "1 passed" in said


def test_nothing_seen_is_nothing_recorded(
    tmp_path: Path, board: BoardSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        path = config_of(settings)
        eye = eye_at(gate)
        with ThreadPoolExecutor(1) as pool:
            words = ["pad", "record", "live", "p1", "--seconds", "1", "--config", str(path)]
            asked = pool.submit(cli.run, words)
            while not asked.done():
                eye.health()
                eye.wait(0.3)
            assert asked.result() == ExitCode.PRESENTATION_MISSING
        assert "Nothing was measured" in capsys.readouterr().err
        assert cli.run(["pad", "report", "--config", str(path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["tried"] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("record", "photo", "p1"), "photo"),
        (("record", "live", "two\nlines"), "line break"),
        (("record", "live", " "), "nothing in it"),
        (("record", "live", "p1", "--seconds", "61"), "61"),
        (("recrd",), "Did you mean record"),
    ],
)
def test_what_is_mistyped_is_told(words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["pad", *words]) == 2
    assert told in capsys.readouterr().err
