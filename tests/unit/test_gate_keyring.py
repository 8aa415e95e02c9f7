# SPDX-License-Identifier: Apache-2.0
"""A keyring or a database that was put back, on a real gate: who is let in, and where it is told."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_gate import cli
from edge_gate.cli.audit import read
from edge_gate.core.errors import KeyringDoubtful
from edge_gate.gate import main
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store.keys.keyring import Keyring, keyring_path
from edge_gate.store.keys.source import load_key
from edge_gate.wire.client import GateRefused, ask
from tests.support.gates import eye_at
from tests.support.peers import enrol, events, pulsed, running_gate


@pytest.fixture
def old(tmp_path: Path, board: BoardSimulator) -> Callable[[str], None]:
    """A site where Ann was enrolled, then Bo; returns what puts a file of the time between back."""
    kept = tmp_path / "kept"
    kept.mkdir()
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
    for name in ("edge-gate.db", "edge-gate.db.keyring"):
        shutil.copy(tmp_path / "site" / name, kept)
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Bo", 2, track=2)

    def put_back(name: str) -> None:
        shutil.copy(tmp_path / "site" / name, tmp_path / f"new-{name}")
        shutil.copy(kept / name, tmp_path / "site" / name)

    return put_back


def run(folder: Path, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli.group, [*words, "--config", str(folder / "site" / "edge-gate.toml")], input=typed)


def details(settings: config.Config, verb: str) -> list[dict[str, Any]]:
    return [json.loads(row.detail) for row in read(settings)[0] if row.verb == verb]


def recognised(settings: config.Config) -> list[str]:
    return [row["name"] for row in ask(settings, "residents") if row["recognised"]]


def test_with_an_older_keyring_the_gate_goes_on_for_those_whose_keys_are_there_and_says_so_everywhere(
    tmp_path: Path, board: BoardSimulator, old: Callable[[str], None]
) -> None:
    old("edge-gate.db.keyring")
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert details(settings, "older keyring") == [{"keyring": 2, "known": 3}]
        (event,) = events(settings, "older keyring")
        assert "generation 2, but 3 was known" in event["detail"]["why"]
        assert recognised(settings) == ["Ann"]
        faults = json.loads(run(tmp_path, "status", "--json").stdout)["faults"]
        assert any(each.startswith("keyring: an older one was put back") for each in faults)
        findings = json.loads(run(tmp_path, "doctor", "--json").stdout)["findings"]
        (finding,) = [each for each in findings if each["part"] == "keyring"]
        assert finding["state"] == "fault" and "newest copy" in finding["mend"]
        with pytest.raises(GateRefused) as refused:
            ask(settings, "templates-renew")
        assert refused.value.exit_code == 95
        eye = eye_at(gate)
        eye.walk_up(1, track=3)
        assert pulsed(board)
    shutil.copy(tmp_path / "new-edge-gate.db.keyring", tmp_path / "site" / "edge-gate.db.keyring")
    with running_gate(tmp_path, board.path) as (_, settings):
        assert recognised(settings) == ["Ann", "Bo"], "the right keyring mends it"
        assert len(details(settings, "older keyring")) == 1
        assert ask(settings, "status")["keyring"] == {"fault": None}
        (finding,) = [
            each
            for each in json.loads(run(tmp_path, "doctor", "--json").stdout)["findings"]
            if each["part"] == "keyring"
        ]
        assert finding["state"] == "ok"


def test_without_a_newer_keyring_whoever_is_lost_can_be_forgotten_and_enrolled_again(
    tmp_path: Path, board: BoardSimulator, old: Callable[[str], None]
) -> None:
    old("edge-gate.db.keyring")
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "forget", name="Bo")["templates"] == 1
        enrol(settings, eye_at(gate), "Bo", 2, track=2)
        assert recognised(settings) == ["Ann", "Bo"]
    with running_gate(tmp_path, board.path) as (_, settings):
        assert recognised(settings) == ["Ann", "Bo"]
        assert ask(settings, "status")["keyring"] == {"fault": None}
    shutil.copy(tmp_path / "new-edge-gate.db.keyring", tmp_path / "site" / "edge-gate.db.keyring")
    with running_gate(tmp_path, board.path) as (_, settings):
        assert recognised(settings) == ["Ann"]
        assert details(settings, "older keyring") == [{"keyring": 2, "known": 3}, {"keyring": 3, "known": 5}]


def test_a_restored_database_is_told_and_all_goes_on(
    tmp_path: Path, board: BoardSimulator, old: Callable[[str], None]
) -> None:
    old("edge-gate.db")
    with running_gate(tmp_path, board.path) as (_, settings):
        assert details(settings, "older database") == [{"recorded": 2, "keyring": 3}]
        assert len(events(settings, "older database")) == 1
        assert recognised(settings) == ["Ann"] and ask(settings, "status")["keyring"] == {"fault": None}
    with running_gate(tmp_path, board.path) as (_, settings):
        assert len(details(settings, "older database")) == 1, "it is told once"


def test_nothing_is_told_where_nothing_was_put_back(
    tmp_path: Path, board: BoardSimulator, old: Callable[[str], None]
) -> None:
    with running_gate(tmp_path, board.path) as (_, settings):
        assert recognised(settings) == ["Ann", "Bo"]
        assert details(settings, "older database") == details(settings, "older keyring") == []
        assert [each["keyring"] for each in details(settings, "started")] == [1, 2, 3]
        assert [each["keyring"] for each in details(settings, "enrol")] == [2, 3]


def test_a_keyring_that_new_keyring_did_not_make_keeps_the_gate_from_starting_and_costs_nothing(
    tmp_path: Path, board: BoardSimulator, old: Callable[[str], None]
) -> None:
    settings = config.load(tmp_path / "site" / "edge-gate.toml")
    ring = keyring_path(settings.store.path)
    right = ring.read_bytes()
    ring.unlink()
    Keyring.create(ring, load_key(settings.store, {}))
    with pytest.raises(KeyringDoubtful, match="new-keyring"), main.open_gate(settings):
        pass
    ring.write_bytes(right)
    with running_gate(tmp_path, board.path):
        assert recognised(settings) == ["Ann", "Bo"]


def test_what_is_done_to_the_keys_while_the_gate_is_stopped_is_in_its_log(
    tmp_path: Path, board: BoardSimulator, old: Callable[[str], None]
) -> None:
    assert run(tmp_path, "keys", "rotate").exit_code == 0
    keyring_path(tmp_path / "site" / "edge-gate.db").unlink()
    assert run(tmp_path, "keys", "new-keyring", "--yes").exit_code == 0
    with running_gate(tmp_path, board.path) as (_, settings):
        assert recognised(settings) == []
        rows = {row.verb: row for row in read(settings)[0]}
        assert rows["keys-rotate"].seq < rows["new-keyring"].seq < rows["started"].seq
        assert rows["keys-rotate"].actor == rows["new-keyring"].actor == f"uid {os.getuid()}"
        assert "device key changed" not in rows and "older keyring" not in rows
        judged = run(tmp_path, "audit", "verify")
        assert judged.exit_code == 0 and "Before, from row 1 on" in judged.stdout
