# SPDX-License-Identifier: Apache-2.0
"""Whatever can be read as "all is well" says what was looked at, and no answer is better than another one's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from edge_gate import cli
from edge_gate.cli.checks import health
from edge_gate.cli.checks.findings import Finding, Patient
from edge_gate.cli.status import find_faults
from edge_gate.cli.status import show as show_status
from edge_gate.core.errors import StoreFull
from edge_gate.documents.receipt import check
from edge_gate.gate.gate import Gate
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store import events
from edge_gate.store.people import residents
from edge_gate.tools.trial import make_site
from edge_gate.wire import client
from edge_gate.wire.status import GateStatus
from tests.support.commands import callable_commands
from tests.support.gates import eye_at, let_turn, settle, within
from tests.support.peers import running_gate
from tests.support.screens import show

# The checks whose look does not depend on the machine on which the tests run.
OF_THE_GATE: Final = (
    health.check_gate,
    health.look_at_camera,
    health.check_relay,
    health.check_store,
    health.check_keyring,
    health.check_clock,
)
SPOILT: Final[dict[str, Callable[[GateStatus], GateStatus]]] = {
    "door": lambda state: replace(state, door=replace(state.door, fault="the relay does not answer")),
    "eye": lambda state: replace(state, eye=replace(state.eye, connected=False)),
    "camera": lambda state: replace(state, eye=replace(state.eye, camera="stalled")),
    "store": lambda state: replace(state, store=replace(state.store, fault="no room is left")),
    "keyring": lambda state: replace(state, keyring=replace(state.keyring, fault="an older one")),
    "clock": lambda state: replace(state, clock=replace(state.clock, fault="it is 1970")),
    "liveness": lambda state: replace(state, liveness=replace(state.liveness, fault="never measured")),
    "residents": lambda state: replace(state, many_erased=3),
    "policy": lambda state: replace(state, policy=replace(state.policy, held="a key was added")),
}

# What is no fault, and not as it was meant to go on: each with the words that tell it and what helps.
WAITING: Final[dict[str, tuple[Callable[[GateStatus], GateStatus], str, str]]] = {
    "pause": (lambda state: replace(state, paused=True), "paused", "edge-gate resume"),
    "settings": (
        lambda state: replace(state, policy=replace(state.policy, waiting=("attempts", "fmr"))),
        "attempts, fmr",
        "edge-gate approvals",
    ),
    "requests": (lambda state: replace(state, approvals_waiting=3), "3 requests", "edge-gate approvals"),
}


@pytest.fixture
def site(tmp_path: Path, board: BoardSimulator) -> Iterator[tuple[Gate, config.Config]]:
    with running_gate(tmp_path, board.path) as running:
        eye = eye_at(running[0])
        eye.health(1)
        let_turn(running[0])
        yield running
        del eye


def looked_at(settings: config.Config, state: GateStatus) -> list[Finding]:
    patient = Patient(Path("x.toml"), settings, state)
    return [finding for look in OF_THE_GATE for finding in look(patient)]


@pytest.mark.parametrize("what", WAITING)
def test_what_somebody_has_to_end_is_told_by_doctor_and_status_and_is_no_fault(
    site: tuple[Gate, config.Config], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, settings = site
    spoil, words, remedy = WAITING[what]
    state = spoil(client.status(settings))
    found = [each for each in looked_at(settings, state) if each.state != "ok"]
    assert {each.state for each in found} == {"unknown"}
    assert any(words in each.text and each.mend == remedy for each in found)
    assert not find_faults(state)
    show_status(state, [])
    said = capsys.readouterr().out
    assert words in said and remedy in said
    assert not state.paused or ("camera working" not in said and "starting" not in said)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o666])
def test_doctor_says_of_the_configuration_only_that_others_do_not_change_it(tmp_path: Path, mode: int) -> None:
    """It may be read by others: the eye's user reads it too."""
    path = make_site(tmp_path / "site", {})
    path.chmod(mode)
    (found,) = health.check_permissions(Patient(path, config.load(path), None))
    assert found.state == ("fault" if mode & 0o022 else "ok")
    assert found.state == "fault" or "configuration to others' changes" in found.text


def test_every_fault_of_the_status_is_one_of_doctor_too(site: tuple[Gate, config.Config]) -> None:
    _, settings = site
    sound = client.status(settings)
    assert not find_faults(sound)
    assert {each.state for each in looked_at(settings, sound)} == {"ok"}
    for part, spoil in SPOILT.items():
        spoilt = spoil(sound)
        (fault,) = find_faults(spoilt)
        assert fault.startswith(f"{part}: ")
        if part == "eye":  # without one doctor looks through the camera itself, which this machine may not have
            (finding,) = [each for each in health.check_gate(Patient(Path("x"), settings, spoilt)) if each.part == part]
            assert finding.state == "fault" and finding.mend
            continue
        faulty = [each for each in looked_at(settings, spoilt) if each.state == "fault"]
        assert len(faulty) == 1, (part, faulty)
        sound_parts = [each.part for each in looked_at(settings, spoilt) if each.state == "ok"]
        assert faulty[0].part not in sound_parts, "not both well and at fault"
    assert set(SPOILT) == {fault.partition(":")[0] for fault in find_faults(all_at_once(sound))} | {"camera"}


def all_at_once(state: GateStatus) -> GateStatus:
    for spoil in SPOILT.values():
        state = spoil(state)
    return state


def test_a_store_that_is_full_is_no_ok_of_doctor(site: tuple[Gate, config.Config]) -> None:
    gate, settings = site

    def fill() -> None:
        pages = gate.store.rows("PRAGMA page_count")[0]["page_count"]
        gate.store.rows(f"PRAGMA max_page_count = {pages}")
        with suppress(StoreFull):
            for _ in range(10_000):
                events.append(gate.store, "started", detail={"why": "x" * 900})
        for _ in range(200):
            gate.journal.record("started")

    within(gate, fill)
    file = str(settings.store.path.parent / "edge-gate.toml")
    assert "fault" in show(["status", "--config", file], "utf-8", 200).out
    said = show(["doctor", "--config", file], "utf-8", 200)
    lines = [line.split() for line in said.out.splitlines()]
    assert [line[0] for line in lines if line[1:2] == ["store"]] == ["fault"] and said.code == 1
    assert "no room left" in said.out


def test_a_process_that_was_not_looked_at_is_not_passed_over(site: tuple[Gate, config.Config]) -> None:
    _, settings = site
    state = client.status(settings)
    gone = replace(state, processes=replace(state.processes, eye=None))
    findings = [each for each in health.check_sandbox(Patient(Path("x"), settings, gone)) if "the eye" in each.text]
    assert [each.state for each in findings] == ["unknown"]


# Commands, as words, without --json, and why. Every other one that answers has it.
WITHOUT_JSON: Final = {
    "run": "it serves",
    "eye": "it serves",
    "relay simulate": "it says what the board does until it is stopped",
    "init": "it says what to type next; whoever calls it has named the folder",
    "keys escrow": "it prints words for paper, which no program should hold",
    "keys recover": "it is a conversation: one share after the other is typed",
    "keys lock": "it is a conversation: a passphrase is typed twice",
    "keys passphrase": "it is a conversation: two passphrases are typed",
    "keys unlock": "it is a conversation: a passphrase is typed",
    "keys open": "systemd's agents ask for the passphrase, and it answers nothing",
}


def test_every_command_that_answers_does_so_for_scripts_too() -> None:
    without = {
        name
        for name, command in callable_commands(cli.group).items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == set(WITHOUT_JSON)


@pytest.mark.parametrize("width", [None, 40, 80, 200])
def test_events_are_listed_with_what_matters(site: tuple[Gate, config.Config], width: int | None) -> None:
    gate, settings = site
    settle(gate, "Ann")
    failed, cut = "failed: the relay on /dev/edge-gate-relay does not answer", "interrupted"

    def write() -> None:
        who = residents.find(gate.store, "Ann").id
        for outcome in ("confirmed", failed, cut):
            told = {"sightings": 5, "captured_ns": 123_456_789}
            event = events.append(gate.store, "opened", resident_id=who, score=0.71, detail=told, awaited=True)
            events.finish(gate.store, event.id, outcome)
        gate.journal.record("not acquired", detail={"reason": "too_dark", "accepted": 0})
        gate.journal.record("enrolment failed", detail={"operator": "bert", "reason": "the operator has gone"})

    within(gate, write)
    file = ["--config", str(settings.store.path.parent / "edge-gate.toml")]
    said = show(["events", *file], "utf-8", width)
    for wanted in ("opening failed", failed, cut, "reason too_dark", "reason the operator has gone", "door secure"):
        assert wanted in said.out, wanted
    assert "bert" in said.out or "Too narrow for:" in said.err
    assert "123456789" not in said.out
    opened = show(["events", "--kind", "opened", *file], "utf-8", width).out
    assert "confirmed" in opened and "failed" not in opened and cut not in opened


def test_a_filter_that_nothing_passes_is_named(site: tuple[Gate, config.Config]) -> None:
    file = ["--config", str(site[1].store.path.parent / "edge-gate.toml")]
    said = show(["events", "--kind", "relay test", *file])
    assert said.code == 0 and "no event of the kind 'relay test'" in said.out
    assert json.loads(show(["events", "--kind", "relay test", "--json", *file]).out) == []
    cut = show(["events", "--limit", "1", *file])
    assert "newest 1" in cut.err and len(cut.out.splitlines()) == 2


def test_a_question_is_no_part_of_what_a_script_or_a_resident_gets(site: tuple[Gate, config.Config]) -> None:
    gate, settings = site
    settle(gate, "Ann", "Bo")
    file = str(settings.store.path.parent / "edge-gate.toml")
    for verb in (["consent", "withdraw", "Ann"], ["forget", "Ann"], ["forget", "Bo"]):
        command = [sys.executable, "-m", "edge_gate.cli", *verb, "--json", "--config", file]
        done = subprocess.run(command, input="y\n", capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 and "[y/N]" in done.stderr
        assert check(json.loads(done.stdout)["receipt"]).resident_id


def test_verifying_models_says_which_and_finds_one_that_is_used_and_not_there(tmp_path: Path) -> None:
    said = show(["models", "verify"])
    assert said.code == 0 and "Looked at: " in said.out and "Not looked at: " in said.out
    file = tmp_path / "x.toml"
    file.write_text('[models]\neyes = "no-such-model"')
    missing = show(["models", "verify", "--config", str(file)])
    assert missing.code == 1 and "no-such-model" in missing.out
    told = json.loads(show(["models", "verify", "--json", "--config", str(file)]).out)
    assert {each["state"] for each in told["models"]} == {"ok", "fault"} and told["trusted_keys"]
