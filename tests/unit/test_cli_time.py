# SPDX-License-Identifier: Apache-2.0
"""Days and times at the command line are those of the site; JSON and what is sent to the gate are UTC."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_gate import cli
from edge_gate.cli.checks.findings import Patient
from edge_gate.cli.checks.health import check_clock
from edge_gate.core.errors import EdgeGateError
from edge_gate.core.local_time import year_after
from edge_gate.core.time_zones import named_zone
from edge_gate.settings import config

LATE = "2027-03-31T16:30:00.000Z"  # half past midnight in Shanghai, the day before in New York
EVENT = {"at": LATE, "kind": "opened", "resident": "Ann", "score": 0.5, "outcome": "confirmed", "detail": {}}
RESIDENT = {
    "id": "1", "name": "Ann", "created_at": LATE, "consent": "valid", "consent_until": "2027-12-31T16:00:00.000Z",
    "recognised": True,
}  # fmt: skip
ROW = {"at": LATE, "verb": "enrol", "role": "maintainer"}
TEMPLATES = {"templates": 1, "bits": 128, "since": LATE, "renewals": 0}


@contextmanager
def gate_that_answers(folder: Path, zone: str, *answers: Any) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Yield a configuration, and the requests that were sent to its gate, which gives one answer after another."""
    file = folder / "edge-gate.toml"
    file.write_text(f'[site]\ntime_zone = "{zone}"\n[sockets]\ncontrol = "control.sock"\n')
    asked: list[dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(config.load(file).sockets.control))
        listening.listen()

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection, connection.makefile("rwb") as lines:
                    asked.append(json.loads(lines.readline()))
                    lines.write(json.dumps({"ok": answer}).encode() + b"\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield file, asked
        if asked:
            thread.join(5)


def type_(file: Path, *arguments: str, **environment: str) -> Result:
    environment = {"COLUMNS": "160", **environment}
    return CliRunner().invoke(cli.group, [*arguments, "--config", str(file)], env=environment)


@pytest.mark.parametrize(
    ("zone", "until", "end"),
    [
        ("Asia/Shanghai", "2027-03-31", "2027-03-31T16:00:00+00:00"),
        ("America/New_York", "2027-03-31", "2027-04-01T04:00:00+00:00"),
        ("America/New_York", "2027-3-31", "2027-04-01T04:00:00+00:00"),
        ("Asia/Kolkata", "2028-02-29", "2028-02-29T18:30:00+00:00"),
        ("Africa/Cairo", "2026-04-23", "2026-04-23T22:00:00+00:00"),
    ],
)
def test_a_last_day_is_sent_as_its_end_at_the_site(tmp_path: Path, zone: str, until: str, end: str) -> None:
    with gate_that_answers(tmp_path, zone, {"name": "Ann", "views": 4}) as (file, asked):
        done = type_(file, "enrol", "Ann", "--consent", "Ann", "--until", until)
        assert done.exit_code == 0, done.output
        assert asked[0]["consent"]["until"] == end


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"])
def test_without_a_last_day_a_consent_holds_for_a_year_from_today_at_the_site(tmp_path: Path, zone: str) -> None:
    with gate_that_answers(tmp_path, zone, {"name": "Ann", "views": 4}) as (file, asked):
        before = datetime.now(UTC)
        type_(file, "enrol", "Ann", "--consent", "Ann")
        local = named_zone(zone)
        possible = [local.end_of(year_after(local.day(each))) for each in (before, datetime.now(UTC))]
        assert datetime.fromisoformat(asked[0]["consent"]["until"]) in possible


def test_the_zone_is_the_systems_where_none_is_set(tmp_path: Path) -> None:
    for zone, end in (("Asia/Shanghai", "2027-03-31T16"), ("EST5EDT,M3.2.0,M11.1.0", "2027-04-01T04")):
        folder = tmp_path / end
        folder.mkdir()
        with gate_that_answers(folder, "", {"name": "Ann", "views": 4}) as (file, asked):
            type_(file, "enrol", "Ann", "--consent", "Ann", "--until", "2027-03-31", TZ=zone)
            assert asked[0]["consent"]["until"].startswith(end)


@pytest.mark.parametrize(
    "until",
    [
        "9999-12-31",
        "0000-01-01",
        "0001-01-01",
        "10000-01-01",
        "",
        " ",
        "24:00",
        "2027-03-31T24:00",
        "2027-02-29",
        "x",
        "-",
    ],
)
def test_an_absurd_last_day_is_told_in_a_sentence_before_the_gate_is_asked(tmp_path: Path, until: str) -> None:
    with gate_that_answers(tmp_path, "Asia/Shanghai") as (file, asked):
        done = type_(file, "enrol", "Ann", "--consent", "Ann", f"--until={until}")
        assert done.exit_code == 2 and "--until" in done.output and asked == []
        assert "date" in done.output or "bounds" in done.output
        assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize(
    ("arguments", "answers", "shanghai", "new_york"),
    [
        (["events"], [[EVENT]], "2027-04-01 00:30:00", "2027-03-31 12:30:00"),
        (["residents"], [[RESIDENT], []], "2027-04-01", "2027-03-31"),
        (["residents"], [[RESIDENT], []], "valid, 2027-12-31 ", "valid, 2027-12-31 11:00:00"),
        (["audit", "show", "--resident", "Ann"], [[ROW]], "2027-04-01 00:30:00", "2027-03-31 12:30:00"),
        (["templates", "status"], [TEMPLATES], "2027-04-01 00:30:00", "2027-03-31 12:30:00"),
    ],
)
def test_what_people_read_is_local_and_what_programs_read_is_utc(
    tmp_path: Path, arguments: list[str], answers: list[Any], shanghai: str, new_york: str
) -> None:
    for zone, shown in (("Asia/Shanghai", shanghai), ("America/New_York", new_york)):
        folder = tmp_path / zone.replace("/", "-")
        folder.mkdir()
        with gate_that_answers(folder, zone, *answers, *answers) as (file, _):
            said = type_(file, *arguments)
            assert shown in said.output and "UTC" not in said.output, said.output
            assert LATE in type_(file, *arguments, "--json").output


def test_one_moment_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    hostile = [{**ROW, "at": at} for at in ("", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z", "yesterday")]
    with gate_that_answers(tmp_path, "Asia/Shanghai", [*hostile, ROW]) as (file, _):
        said = type_(file, "audit", "show", "--resident", "Ann")
        assert said.exit_code == 0 and "yesterday" in said.output and "2027-04-01 00:30:00" in said.output


def test_a_site_whose_zone_is_unknown_is_told_so_by_every_command(tmp_path: Path) -> None:
    file = tmp_path / "edge-gate.toml"
    file.write_text('[site]\ntime_zone = "Asia/Shangai"\n')
    for arguments in (["events"], ["residents"], ["enrol", "Ann", "--consent", "Ann"], ["status"]):
        refused = type_(file, *arguments).exception
        assert isinstance(refused, EdgeGateError) and refused.exit_code == 10
        assert f"{file}:2: " in str(refused) and "'Asia/Shanghai'" in str(refused)


def test_doctor_names_the_zone_of_the_site(tmp_path: Path) -> None:
    file = tmp_path / "edge-gate.toml"
    file.write_text('[site]\ntime_zone = "Asia/Shanghai"\n')
    (found,) = check_clock(Patient(file, config.load(file), None))
    assert " (Asia/Shanghai), after this software was made" in found.text
    shown = datetime.fromisoformat(found.text[:19]) - timedelta(hours=8)
    assert abs(shown.replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(minutes=5)
