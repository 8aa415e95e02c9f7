# SPDX-License-Identifier: Apache-2.0
"""What a gate ran with, as its audit log has it from one start to the next."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

import edge_gate
from edge_gate.cli.audit import read
from edge_gate.gate.authorisation.software_inventory import models
from edge_gate.provenance import cards
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from tests.support.peers import RawEye, running_gate, until, write_model
from tests.support.signing import sign


def details(settings: config.Config, verb: str) -> list[dict[str, Any]]:
    return [row.said for row in read(settings)[0] if row.verb == verb]


def write_detector(folder: Path, body: bytes) -> str:
    """Write a detector as a signed card vouches for it, and return how the log names it."""
    write_model(folder)
    text = (folder / "test-eyes.toml").read_text()
    known = str(tomllib.loads(text)["sha256"])
    (folder / "finds-faces.tflite").write_bytes(body)
    digest = hashlib.sha256(body).hexdigest()
    changed = text.replace("test-eyes", "finds-faces").replace(known, digest).replace("eye-region embedding", "faces")
    (folder / "finds-faces.toml").write_text(changed)
    sign(folder / "finds-faces.toml")
    return f"finds-faces {digest[:16]}"


def test_a_start_names_software_models_and_configuration_and_says_nothing_more_where_they_stay(
    tmp_path: Path, board: BoardSimulator
) -> None:
    for _ in range(2):
        with running_gate(tmp_path, board.path) as (gate, settings):
            known = details(settings, "started")[-1]
            assert known["software"] == edge_gate.__version__ and len(known["configuration"]) == 16
            assert known["models"]["eyes"] == f"test-eyes {gate.recognition.card.fields['sha256'][:16]}"
            assert known["models"]["mesh"] == "face_landmark CardError", "what does not load is named too"
            assert not [
                row.verb for row in read(settings)[0] if row.verb.endswith(" changed") and "role" not in row.verb
            ]


def test_the_models_that_come_with_it_are_named_by_their_hashes() -> None:
    settings = config.ModelSettings()
    for role, named in models(settings).items():
        name, known = named.split()
        card = cards.read(settings, getattr(settings, role))
        assert name == card.name and hashlib.sha256(card.model_path.read_bytes()).hexdigest()[:16] == known


def test_an_older_model_that_is_put_back_with_its_card_and_signature_is_seen(
    tmp_path: Path, board: BoardSimulator
) -> None:
    folder = tmp_path / "models"
    first = write_detector(folder, b"the first release")
    shutil.copytree(folder, tmp_path / "first")
    second = write_detector(folder, b"the second one")
    with running_gate(tmp_path, board.path, models={"detector": "finds-faces"}) as (_, settings):
        assert details(settings, "started")[-1]["models"]["detector"] == second
        for each in (tmp_path / "first").glob("finds-faces.*"):
            shutil.copy(each, folder)
        assert details(settings, "models changed") == [], "the eye has not loaded it"
        eye = RawEye(settings.sockets.eye, bytes(8))
        until(lambda: details(settings, "models changed"))
        del eye
        moved = [{"from": {"detector": second}, "to": {"detector": first}}]
        assert details(settings, "models changed") == moved
    with running_gate(tmp_path, board.path) as (_, settings):
        assert details(settings, "started")[-1]["models"]["detector"] == first
        assert details(settings, "models changed") == moved, "it is told once"


def test_other_software_and_another_configuration_are_rows_of_their_own(
    tmp_path: Path, board: BoardSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gate(tmp_path, board.path) as (_, settings):
        before = details(settings, "started")[-1]["configuration"]
    file = tmp_path / "site" / "edge-gate.toml"
    file.write_text(file.read_text().replace("pulse_ms = 150", "pulse_ms = 151"))
    monkeypatch.setattr(edge_gate, "__version__", "0.0.9")
    with running_gate(tmp_path, board.path) as (_, settings):
        assert details(settings, "software changed") == [{"from": "0.1.0", "to": "0.0.9"}]
        (changed,) = details(settings, "configuration changed")
        assert changed["from"] == before != changed["to"]
