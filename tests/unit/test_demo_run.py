# SPDX-License-Identifier: Apache-2.0
"""The whole chain on a short day: real eye, real gate, real store, a board on a pty, people who do not exist."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from rich.console import Console

import edge_gate
from edge_gate.cli.demo import as_dict, show
from edge_gate.core.supervise import BACKOFF_NS, Supervised
from edge_gate.tools.demo.attack import Species
from edge_gate.tools.demo.cast import Kind
from edge_gate.tools.demo.run import SUSPICIONS, Approach, Demo, Lookalike, Summary
from edge_gate.tools.demo.scene import SceneKind, Stage
from edge_gate.tools.demo.schedule import Schedule, standard_schedule
from edge_gate.tools.demo.site import DemoSite, DiskAudit
from edge_gate.tools.demo.street_server import Street
from tests.support.peers import until


def short_day(resident: str = "P008") -> Schedule:
    """Return the demo's own scenes, a few of them: one resident enrols and comes, then a stranger, then nobody."""
    scenes = standard_schedule().scenes
    enrolment = next(each for each in scenes if each.who == resident)
    comes = next(each for each in scenes if each.who == resident and each.kind is SceneKind.APPROACH)
    stranger = next(each for each in scenes if each.who == "P002")
    nobody = next(each for each in scenes if each.kind is SceneKind.EMPTY)
    return Schedule.of((enrolment, comes, stranger, nobody))


@pytest.fixture
def street_and_site(tmp_path: Path) -> Iterator[tuple[Street, DemoSite]]:
    with ExitStack() as stack:
        street = stack.enter_context(Street(tmp_path / "street.sock", Stage(short_day().scenes)))
        site = stack.enter_context(DemoSite({"driver": "demo-street", "source": str(tmp_path / "street.sock")}))
        yield street, site


def loaded(pid: int | None) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.processes
def test_an_enrolled_person_gets_in_a_stranger_does_not_and_no_picture_is_written(
    street_and_site: tuple[Street, DemoSite],
) -> None:
    street, site = street_and_site
    summary = Demo(site, street, print).play(short_day(), None)
    assert [(each.who, each.opened) for each in summary.approaches] == [
        ("P008", True),
        ("P002", False),
        ("nobody", False),
    ], site.log()
    assert summary.passed
    assert summary.audit.pictures == 0 and summary.audit.eye_bytes == 0
    assert len(summary.latencies_ms) == 1 and 0 < summary.latencies_ms[0] < 2000
    site.wait_until_watching()  # the audit has ended one life of the eye
    eye, gate = loaded(site.eye.pid), loaded(site.gate.pid)
    assert "litert" in eye and "cv2" in eye and "sqlcipher" not in eye
    assert "sqlcipher" in gate and "litert" not in gate and "cv2" not in gate


@pytest.mark.processes
def test_killing_both_processes_in_the_middle_of_approaches_changes_no_decision(
    street_and_site: tuple[Street, DemoSite],
) -> None:
    street, site = street_and_site
    site.wait_until_watching()
    eye_before, gate_before = site.eye.starts, site.gate.starts
    for victim in ("eye", "gate"):
        day = short_day() if victim == "eye" else Schedule.of(short_day().scenes[1:])
        summary = Demo(site, street, print, (victim,), _enrolled={"P008"}).play(day, None)
        assert [each.opened for each in summary.approaches] == [True, False, False], (victim, site.log())
        assert summary.kills == (victim, victim)
    # Each was killed twice. Each of the two plays ended the eye twice more, for rehearsal and audit; the last life may
    # only begin.
    until(lambda: site.eye.starts - eye_before >= 6)
    assert (site.eye.starts - eye_before, site.gate.starts - gate_before) == (6, 2), site.log()


@pytest.mark.processes
def test_a_print_and_a_phone_of_a_resident_are_refused_and_she_is_let_in_before_and_after(tmp_path: Path) -> None:
    scenes = standard_schedule().scenes
    enrolment, first, stranger, nobody = short_day("P001").scenes
    again = next(each for each in scenes if each.who == first.who and each.picture is Kind.STUDIO)
    printed, phone = (each for each in scenes if each.kind is SceneKind.ATTACK)
    day = Schedule.of((enrolment, first, stranger, nobody, printed, phone, again))
    with ExitStack() as stack:
        street = stack.enter_context(Street(tmp_path / "street.sock", Stage(day.scenes)))
        site = stack.enter_context(DemoSite({"driver": "demo-street", "source": str(tmp_path / "street.sock")}))
        summary = Demo(site, street, print).play(day, None)
        log = site.log()
    assert [(each.who, each.opened) for each in summary.approaches] == [
        ("P001", True),
        ("P002", False),
        ("nobody", False),
        ("print of P001", False),
        ("phone of P001", False),
        ("P001", True),
    ], log
    assert summary.passed
    assert [each.attack for each in summary.attacks] == [Species.PRINT, Species.PHONE]
    assert all(each.told in SUSPICIONS and each.reason for each in summary.attacks), log


def result(who: str, *, enrolled: bool, opened: bool, named: str | None = None) -> Approach:
    return Approach(f"{who} comes", who, enrolled, opened, named, 0.7 if named else None)


def summed(*approaches: Approach) -> Summary:
    return Summary(
        approaches, Lookalike("P004", "P010", True, 0.7, 0.6), (10.0, 30.0), 0.6, 1e-4, DiskAudit(0, 0, 3), ()
    )


def test_the_summary_tells_the_truth_about_who_got_in() -> None:
    good = summed(
        result("A", enrolled=True, opened=False),
        result("A", enrolled=True, opened=True, named="A"),
        result("S", enrolled=False, opened=False),
    )
    assert good.passed and good.opened == ["A"] and good.refused == ["A", "S"]
    let_in = summed(
        result("A", enrolled=True, opened=True, named="A"), result("S", enrolled=False, opened=True, named="A")
    )
    assert not let_in.passed and let_in.false_opens == ["S"]
    mistaken = summed(result("A", enrolled=True, opened=True, named="B"))
    assert not mistaken.passed and mistaken.false_opens == ["A"]
    missed = summed(result("A", enrolled=True, opened=False))
    assert not missed.passed and missed.missed == ["A"]
    unlogged = summed(result("A", enrolled=True, opened=True, named=None))
    assert not unlogged.passed


def held_up(species: Species, *, opened: bool) -> Approach:
    told, reason = (None, None) if opened else ("attack", "surface")
    name = "A" if opened else None
    return Approach(f"{species} comes", f"{species} of A", False, opened, name, None, species, told, reason)


@pytest.mark.parametrize("species", list(Species))
def test_a_picture_that_opens_is_a_false_opening_and_the_demo_fails_whomever_the_gate_took_it_for(
    species: Species,
) -> None:
    herself = result("A", enrolled=True, opened=True, named="A")
    refused = summed(herself, held_up(species, opened=False))
    assert refused.passed and refused.refused == [f"{species} of A"] and refused.missed == []
    opened = summed(herself, held_up(species, opened=True))
    assert not opened.passed and opened.false_opens == [f"{species} of A"] and opened.missed == []
    assert not summed(result("A", enrolled=True, opened=False), held_up(species, opened=True)).passed


def test_what_was_simulated_is_said_and_each_attack_is_listed_with_what_the_gate_wrote() -> None:
    herself = result("A", enrolled=True, opened=True, named="A")
    summary = summed(herself, held_up(Species.PRINT, opened=False), held_up(Species.PHONE, opened=True))
    told = as_dict(summary)
    assert [(each["name"], each["species"], each["opened"], each["told_as"]) for each in told["attacks"]] == [
        ("print of A", "print", False, "attack"),
        ("phone of A", "phone", True, None),
    ]
    assert all(each["simulated"] and not each["enrolled"] for each in told["attacks"])
    assert {"print", "phone", "camera", "relay board"} <= set(told["simulated"])
    shown = StringIO()
    show(summary, Console(file=shown, width=100))
    assert "print of A            not let in; the gate wrote: attack, surface" in shown.getvalue()
    assert "phone of A            LET IN; the gate wrote: nothing" in shown.getvalue()
    assert re.search(r"^simulated {13}.*print, phone", shown.getvalue(), re.MULTILINE)


def test_the_look_alike_is_reported_apart_and_does_not_fail_the_demo() -> None:
    summary = summed(result("A", enrolled=True, opened=True, named="A"))
    told = as_dict(summary)
    assert told["lookalike"]["opened"] is True and told["false_opens"] == [] and summary.passed
    assert told["latency_ms"] == {"p50": 20.0, "p95": 29.0}


@pytest.mark.parametrize("opened", [True, False])
def test_the_table_and_the_figures_count_the_look_alike_too(opened: bool) -> None:
    summary = summed(result("A", enrolled=True, opened=True, named="A"), result("P010", enrolled=False, opened=False))
    assert summary.lookalike is not None
    shown = StringIO()
    show(replace(summary, lookalike=replace(summary.lookalike, opened=opened)), Console(file=shown, width=100))
    cells = [re.split(r"  +", line.strip()) for line in shown.getvalue().splitlines()]
    rows = {row[0]: row[-1] for row in cells if len(row) == 4}
    assert (rows["P010"], rows["P010 as a look-alike"]) == ("0", "1" if opened else "0")
    (wrongly,) = [line for line in shown.getvalue().splitlines() if line.startswith("wrongly let in")]
    assert ("P010" in wrongly, "nobody" in wrongly) == (opened, not opened)


@pytest.mark.processes
def test_a_picture_in_the_sites_folder_is_found_by_the_audit(street_and_site: tuple[Street, DemoSite]) -> None:
    """The control: an audit that cannot find a picture proves nothing."""
    _, site = street_and_site
    assert site.audit().pictures == 0
    (site.folder / "leak.bin").write_bytes(b"x" * 100 + b"\xff\xd8\xff\xe0" + b"y" * 100)
    assert site.audit().pictures == 1


@pytest.mark.processes
def test_no_eye_runs_while_the_audit_reads(
    street_and_site: tuple[Street, DemoSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, site = street_and_site
    site.wait_until_watching()
    starts, read, eyes = site.eye.starts, Path.read_bytes, list[int | None]()

    def slowly(path: Path) -> bytes:
        if not eyes:
            time.sleep(2 * BACKOFF_NS / 1e9)  # long enough for the keeper to start another, if it may
        eyes.append(site.eye.pid)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", slowly)
    audit = site.audit()
    assert audit.files > 0 and eyes and set(eyes) == {None}
    until(lambda: site.eye.starts == starts + 1)


def let_age() -> None:
    """Give what the eye reads at its start, as far as it is ours, the times of a fresh clone that nobody has read yet.

    On a `relatime` mount the next reader of each file is then counted as having written its inode. It has to be on the
    disk before: what waits to be written already is not counted again.
    """
    long_ago_ns = time.time_ns() - 3 * 24 * 3600 * 10**9
    package = Path(edge_gate.__file__).parent
    for folder in (package, package.parent / "models", Path(sys.prefix)):
        for each in (folder, *folder.rglob("*")):
            with suppress(PermissionError):  # an installation of somebody else's
                os.utime(each, ns=(long_ago_ns, each.stat().st_mtime_ns), follow_symlinks=False)
    os.sync()


@pytest.mark.processes
def test_what_the_eye_reads_for_the_first_time_is_not_counted_as_written(
    street_and_site: tuple[Street, DemoSite],
) -> None:
    _, site = street_and_site
    let_age()
    site.kill("eye")  # one that was started before; the next one is the rehearsal
    site.rehearse()
    assert site.audit().eye_bytes == 0
    site.kill("eye")
    site.wait_until_watching()
    assert site.audit().eye_bytes == 0, "nor in any later life"


@pytest.mark.processes
@pytest.mark.parametrize("ends", ["by itself", "killed"])
def test_what_an_eye_writes_is_counted_however_it_ends(street_and_site: tuple[Street, DemoSite], ends: str) -> None:
    """The control: a count that finds nothing in a process that writes proves nothing."""
    _, site = street_and_site
    site.rehearse()
    with TemporaryDirectory(dir=sys.prefix) as on_the_disk:
        file = Path(on_the_disk, "leak.bin")
        leaky = f"open({str(file)!r}, 'wb').write(bytes(10**6)); import time; time.sleep({3600 * (ends == 'killed')})"
        with site._hands:
            site.eye.stop()
            site.eye.command = [sys.executable, "-c", leaky]
        until(lambda: file.exists() and file.stat().st_size == 10**6)
        until(lambda: ends == "killed" or site.eye.written_bytes > 10**6)
        assert site.audit().eye_bytes >= 10**6


def test_bytes_of_a_life_that_ended_by_itself_are_counted() -> None:
    with TemporaryDirectory(dir=sys.prefix) as on_the_disk:
        writes = f"open({str(Path(on_the_disk, 'x'))!r}, 'wb').write(bytes(10**6))"
        child = Supervised([sys.executable, "-c", writes])
        child.tend()
        until(lambda: child.pid is None)
        assert child.written_bytes >= 10**6
