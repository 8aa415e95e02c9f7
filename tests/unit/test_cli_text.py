# SPDX-License-Identifier: Apache-2.0
"""Every command that asks the gate, with names that somebody chose to do harm, on any terminal and in any locale."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_gate.core.output import encodable, escape
from edge_gate.documents import receipt
from edge_gate.gate.gate import Gate
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store.people import consent, residents
from edge_gate.wire.client import ask
from tests.support.gates import eye_at, within
from tests.support.peers import running_gate, stand, until
from tests.support.screens import ENCODINGS, WIDTHS, Screen, Stream, show

NAMES: Final = (
    "Li [/b2]",
    "Zhang [b2-301]",
    "[link=http://evil.example]Wang[/link]",
    "欧阳修 东门三单元",
    "Ünsal \N{GRINNING FACE}",
    "turned \u202efdp.exe",
    "red \x1b[31m",
    "two\nlines",
    "N" * 100,
    "名" * 100,
)
SITE: Final = "[red]东门[/b2] \N{GRINNING FACE} {0}"
READING: Final = (
    ("status",),
    ("residents",),
    ("events",),
    ("audit", "show"),
    ("audit", "checkpoint"),
    ("audit", "verify"),
    ("approvals",),
    ("templates", "status"),
    ("doctor",),
    ("doctor", "--security"),
    ("keys", "status"),
    ("pause",),
    ("resume",),
)
FINDINGS: Final = {"status", "doctor", "audit"}
BOLD: Final = re.compile(r"\x1b\[[01]m")  # all that is left of styles where there is no colour
# Three ways to a locale without Chinese, one with another Chinese encoding, and the usual one.
LOCALES: Final = MappingProxyType(
    {
        "C.UTF-8": {"LC_ALL": "C.UTF-8"},
        "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        "ascii": {"PYTHONIOENCODING": "ascii:strict"},
        "latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
        "gbk": {"PYTHONIOENCODING": "gbk:strict"},
    }
)
HOSTILE: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


@pytest.fixture
def site(tmp_path: Path, board: BoardSimulator) -> Iterator[tuple[Gate, config.Config]]:
    """A gate whose own name is hostile too."""
    with running_gate(tmp_path, board.path, site={"name": SITE}, roles={"people_per_hour": 1000}) as running:
        yield running


def at(settings_of_site: config.Config, *arguments: str) -> list[str]:
    return [*arguments, "--config", str(settings_of_site.store.path.parent / "edge-gate.toml")]


def check(arguments: tuple[str, ...], shown: Screen) -> None:
    assert shown.code in ((0, 1) if arguments[0] in FINDINGS else (0,)), (arguments, shown)
    assert "Traceback" not in shown.err + shown.out and "fault of edge-gate" not in shown.err + shown.out
    assert not {"\x1b", "\u202e"} & set(BOLD.sub("", shown.out + shown.err))


def put(gate: Gate, *names: str) -> list[residents.Resident]:
    """Add residents whatever their names are, as somebody with the store's key could."""

    def insert() -> None:
        for name in names:
            row = {"id": str(uuid.uuid4()), "name": name, "created_at": "2026-11-30T08:00:00+00:00"}
            with gate.store.transaction():
                gate.store.insert("resident", row)

    within(gate, insert)
    return [each for each in within(gate, lambda: known(gate)) if each.name in names]


def write_events(gate: Gate) -> None:
    """Let everybody be recognised once, without a door."""

    def record() -> None:
        for each in known(gate):
            gate.journal.record("opened", resident_id=each.id)

    within(gate, record)


def known(gate: Gate) -> list[residents.Resident]:
    return residents.everyone_known(gate.store)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_command_that_reads_shows_hostile_names(site: tuple[Gate, config.Config], encoding: str) -> None:
    gate, settings_of_site = site
    put(gate, *NAMES)
    write_events(gate)
    for width in WIDTHS:
        for arguments in READING:
            check(arguments, show(at(settings_of_site, *arguments), encoding, width))
        for command in ("residents", "events"):
            said = show(at(settings_of_site, command), encoding, width).out
            for name in NAMES:
                assert encodable(escape(name), Stream(encoding, width)) in said
        assert encodable(SITE, Stream(encoding, None)).split()[0] in show(at(settings_of_site, "status"), encoding).out
    listed = json.loads(show(at(settings_of_site, "residents", "--json"), encoding).out)
    assert {row["name"] for row in listed} == set(NAMES)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=HOSTILE, encoding=st.sampled_from(ENCODINGS), width=st.sampled_from(WIDTHS))
def test_a_resident_of_any_name_is_listed_and_forgotten(
    site: tuple[Gate, config.Config], name: str, encoding: str, width: int | None
) -> None:
    gate, settings_of_site = site
    (resident,) = put(gate, name)
    whole = encodable(escape(resident.name), Stream(encoding, width))
    within(gate, lambda: gate.journal.record("opened", resident_id=resident.id))
    for command in (("residents",), ("events",), ("audit", "show"), ("status",)):
        shown = show(at(settings_of_site, *command), encoding, width)
        check(command, shown)
        assert command[0] not in ("residents", "events") or whole.strip() in shown.out
    withdrawal = at(settings_of_site, "consent", "withdraw", resident.id, "--yes")
    end = datetime(2099, 1, 1, tzinfo=UTC)
    within(
        gate,
        lambda: consent.record(gate.store, resident.id, purpose="x", given_by=name, until=end, operator="x"),
    )
    check(("consent",), show(withdrawal, encoding, width))
    forgotten = show(at(settings_of_site, "forget", resident.id, "--yes"), encoding, None)
    check(("forget",), forgotten)
    page = forgotten.raw[forgotten.raw.index(b"EDGE-GATE") :].decode()
    assert receipt.check(page).resident_id == resident.id  # signed as it was printed, in whatever locale


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=HOSTILE | st.text(st.characters(), min_size=1, max_size=9), encoding=st.sampled_from(ENCODINGS),
    verb=st.sampled_from(
        [("forget", "--yes"), ("consent", "withdraw", "--yes"), ("approve",), ("enrol", "--consent", "x")]
    ),
)  # fmt: skip
def test_whatever_is_typed_as_a_name_is_answered_in_a_sentence(
    site: tuple[Gate, config.Config], name: str, encoding: str, verb: tuple[str, ...]
) -> None:
    _, settings_of_site = site
    shown = show([*at(settings_of_site, *verb), "--", name], encoding)
    assert shown.code not in (0, 1, 117) and shown.err.startswith(("edge-gate: ", "Usage: "))
    assert len(shown.err.splitlines()) == 1 or shown.code == 2
    assert "Traceback" not in shown.err


def test_an_enrolment_that_was_stored_is_told_where_the_name_cannot_be_shown(
    site: tuple[Gate, config.Config],
) -> None:
    gate, settings_of_site = site
    eye = eye_at(gate)
    for number, encoding in enumerate(("ascii", "gbk", "latin-1"), 1):
        name = f"Ünsal 欧阳 \N{CJK UNIFIED IDEOGRAPH-20BB7} {number}"
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(show, at(settings_of_site, "enrol", name, "--consent", name), encoding, 80)
            until(lambda asked=asked: asked.done() or ask(settings_of_site, "status")["enrolling"])  # type: ignore[misc]
            stand(eye, number, track=number, until_done=asked.done)
        shown = asked.result()
        assert shown.code == 0 and encodable(name, Stream(encoding, None)) in shown.out.replace("\n", " ")


# Whole processes: what only a process has, such as a locale, a full disk and a reader that leaves.


def start(
    *arguments: str, stdout: int = subprocess.PIPE, environ: Mapping[str, str] = MappingProxyType({})
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge_gate.cli", *arguments],
        stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE, env=os.environ | environ,
    )  # fmt: skip


@pytest.mark.processes
@pytest.mark.parametrize("locale", LOCALES)
def test_a_pipe_in_any_locale_has_whole_lines(site: tuple[Gate, config.Config], locale: str) -> None:
    gate, settings_of_site = site
    put(gate, *NAMES)
    child = start(*at(settings_of_site, "residents"), environ={"COLUMNS": "40", **LOCALES[locale]})
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0 and not err, err
    assert len(out.splitlines()) == len(NAMES) + 1
    assert b"Zhang [b2-301]" in out and b"N" * 100 in out
    away = start(*at(settings_of_site, "forget", "--yes", "欧阳修 东门三单元"), environ=LOCALES[locale])
    out, err = away.communicate(timeout=60)
    assert away.returncode == 0 and b"EDGE-GATE RECEIPT" in out, err


@pytest.mark.processes
@pytest.mark.parametrize("command", [("residents",), ("status",), ("models", "list"), ("--help",), ("init", "--help")])
def test_a_full_disk_is_a_sentence_and_a_reader_that_left_is_none(
    site: tuple[Gate, config.Config], command: tuple[str, ...]
) -> None:
    arguments = command if "--help" in command else at(site[1], *command) if command[0] != "models" else command
    with Path("/dev/full").open("wb") as full:
        child = start(*arguments, stdout=full.fileno())
        _, err = child.communicate(timeout=60)
    assert child.returncode == 116 and len(err.splitlines()) == 1 and b"No space left" in err, err
    reader, writer = os.pipe()
    os.close(reader)
    child = start(*arguments, stdout=writer)
    os.close(writer)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 141 and not err, err


@pytest.mark.processes
def test_where_nothing_can_be_told_the_exit_code_still_is_right() -> None:
    for redirected, code in (("2>/dev/full", 2), ("2>&-", 2), (">&- 2>&-", 2)):
        command = f"{sys.executable} -m edge_gate.cli no-such-command {redirected}"
        assert subprocess.run(["/bin/sh", "-c", command], timeout=60, check=False).returncode == code, redirected
    for redirected in ("2>/dev/full", ">&- 2>&-"):
        command = f"{sys.executable} -m edge_gate.cli status --config /nowhere.toml {redirected}"
        assert subprocess.run(["/bin/sh", "-c", command], timeout=60, check=False).returncode == 11, redirected


@pytest.mark.processes
def test_the_eye_ends_in_a_sentence_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_gate.eye", "--config"]
    for file in ("/nowhere/\N{GRINNING FACE}.toml", str(tmp_path)):
        done = subprocess.run([*command, file], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode not in (0, 1) and len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.startswith("edge-gate-eye: ")


@pytest.mark.processes
def test_an_interrupt_ends_a_question_and_a_wait_with_a_code_of_its_own(tmp_path: Path) -> None:
    """A gate that never answers, and a question that nobody answers."""
    file = tmp_path / "x.toml"
    file.write_text(f"[sockets]\ncontrol = '{tmp_path}/c.sock'")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/c.sock")
        silent.listen()
        waiting = start("events", "--config", str(file))
        connection, _ = silent.accept()
        connection.recv(65536)
        asking = start("forget", "Ann", "--config", str(file))
        assert asking.stderr is not None
        assert b"Erase" in os.read(asking.stderr.fileno(), 100)
        for child in (waiting, asking):
            time.sleep(0.1)
            child.send_signal(signal.SIGINT)
            _, err = child.communicate(timeout=60)
            assert child.returncode == 130 and not err.strip(), err
        connection.close()


def test_what_is_no_text_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    for option in ("--name", "--camera", "--relay", "--port"):
        shown = show(["init", "--folder", str(tmp_path / "site"), option, "a\udcff"])
        assert shown.code == 2 and option in shown.err and not (tmp_path / "site").exists()


def test_what_scripts_read_is_json(site: tuple[Gate, config.Config]) -> None:
    for verb, paused in (("pause", True), ("resume", False)):
        assert json.loads(show(at(site[1], verb, "--json")).out) == {"paused": paused}
    models = json.loads(show(at(site[1], "models", "list", "--json")).out)
    assert {"name", "task", "licence", "source", "signature"} == set(models[0])
    assert "lcus1" in json.loads(show(["relay", "list", "--json"]).out)


@pytest.mark.processes
def test_a_name_is_found_and_a_path_is_opened_in_a_locale_without_their_characters(
    site: tuple[Gate, config.Config], tmp_path: Path
) -> None:
    gate, settings_of_site = site
    put(gate, "欧阳修")
    folder = tmp_path / "欧\udcff"
    folder.symlink_to(settings_of_site.store.path.parent)
    for name, code in (("欧阳修", 0), ("\udcff", 2)):
        child = start("forget", "--yes", name, "--config", str(folder / "edge-gate.toml"), environ=LOCALES["C"])
        _, err = child.communicate(timeout=60)
        assert child.returncode == code, err
