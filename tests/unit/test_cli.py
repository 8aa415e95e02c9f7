# SPDX-License-Identifier: Apache-2.0
"""The command line as a maintainer types it: whole processes, real gate, real board on a pty."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from edge_gate import cli
from edge_gate.core.errors import WireError
from edge_gate.core.exit_codes import ExitCode
from edge_gate.documents import receipt
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules.naming import LONGEST_NAME
from edge_gate.settings.config import parse
from edge_gate.store.people import residents
from edge_gate.wire.client import ask
from tests.support.commands import standing_in, walk
from tests.support.gates import eye_at, within
from tests.support.peers import running_gate, stand, until, write_model
from tests.support.signing import own_key


def edge_gate(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge_gate.cli", *arguments]
    environment = None if cwd is None else standing_in(cwd)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env=environment)


def test_every_command_is_found_and_has_help_that_says_something() -> None:
    runner = CliRunner()
    for name in cli.COMMANDS:
        shown = runner.invoke(cli.group, [name, "--help"])
        assert shown.exit_code == 0, (name, shown.output)
        assert len(shown.output.splitlines()) > 4


@pytest.mark.parametrize("words", [words for words, found in walk(cli.group) if isinstance(found, click.Group)])
def test_no_line_of_a_list_of_commands_is_cut_short_on_a_usual_terminal(words: str) -> None:
    shown = CliRunner().invoke(cli.group, [*words.split(), "--help"], terminal_width=80).output
    assert "Show this message" in shown
    assert [line for line in shown.splitlines()[1:] if line.rstrip().endswith("...")] == []


def test_the_help_lists_every_command_once_under_a_heading() -> None:
    shown = CliRunner().invoke(cli.group, ["--help"], terminal_width=80).output
    assert "docs/installer.md" in shown
    listed = {
        heading: re.findall(r"^  (\w+) ", lines, re.MULTILINE)
        for heading, lines in re.findall(r"^(\w[\w ]+):\n((?:  \w.*\n)+)", shown, re.MULTILINE)
    }
    assert listed == {heading: list(names) for heading, names in cli.SECTIONS.items()}
    assert sum(map(len, listed.values())) == len(cli.COMMANDS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("board", "on", "off"),
    [
        ("lcus1", "a0 02 01 a3", "a0 02 00 a2"),
        ("modbus-waveshare", "01 05 00 01 ff 00 dd fa", "01 05 00 01 00 00 9c 0a"),
    ],
)
def test_a_simulated_board_says_what_its_relays_do_and_leaves_nothing(
    board: str, on: str, off: str, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "edge_gate.cli", "relay", "simulate", "--board", board, "--channels", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as simulated:
        assert simulated.stdout and simulated.stderr
        port = Path(simulated.stdout.readline().strip())
        with port.open("wb", buffering=0) as line:
            line.write(bytes.fromhex(on))
            assert simulated.stdout.readline().endswith(" relay 2 on\n")
            line.write(bytes.fromhex(off))
            assert re.search(r" relay 2 off after [0-9]+ ms\n$", simulated.stdout.readline())
        simulated.send_signal(number)
        assert (simulated.wait(20), simulated.stdout.read(), simulated.stderr.read()) == (0, "", "")
    assert not port.parent.exists()


def test_init_makes_a_site_that_the_other_commands_find_and_never_overwrites(tmp_path: Path) -> None:
    made = edge_gate("init", cwd=tmp_path)
    assert made.returncode == 0 and "edge-gate doctor" in made.stdout
    folder = tmp_path / "edge-gate-trial"
    assert {each.name: oct(each.stat().st_mode & 0o777) for each in folder.iterdir() if each.is_file()} == {
        "edge-gate.toml": oct((folder / "edge-gate.toml").stat().st_mode & 0o777),
        "store.key": "0o600",
        "edge-gate.db": "0o600",
        "edge-gate.db.anchor": "0o600",
        "edge-gate.db.keyring": "0o600",
    }
    before = {each: each.read_bytes() for each in folder.iterdir() if each.is_file()}
    assert edge_gate("init", cwd=tmp_path).returncode == 12
    assert {each: each.read_bytes() for each in before} == before
    status = edge_gate("status", cwd=tmp_path)
    assert status.returncode == 71 and "edge-gate run" in status.stderr and "Traceback" not in status.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["status", "--config", "/nowhere/x.toml"], 11, "edge-gate init"),
        (["enrol", "Ann"], 60, "--consent WHO"),
        (["enrol", "Ann", "--consent", ""], 2, "nothing in it"),
        (["enrol", "Ann", "--consent", "Ann", "--purpose", "a\nb"], 2, "line break"),
        (["enrol", "", "--consent", "Ann"], 63, "1 to 100 characters"),
        (["enrol", " ", "--consent", "Ann"], 63, "1 to 100 characters"),
        (["enrol", "a\nb", "--consent", "Ann"], 63, "U+000A"),
        (["enrol", "a\u202eb", "--consent", "Ann"], 63, "U+202E"),
        (["enrol", "x" * 300, "--consent", "Ann"], 63, "this one 300"),
        (["forget", ""], 2, "nothing in it"),
        (["forget", "x" * 300], 2, "200 are the most"),
        (["consent", "withdraw", "a\nb"], 2, "line break"),
        (["audit", "show", "--resident", ""], 2, "nothing in it"),
        (["audit", "verify", "--key", "foo"], 2, "Copy it from the line `public-key: `"),
        (["audit", "verify", "--key", "c2hvcnQ="], 2, "Copy it from the line `public-key: `"),
        (["models", "show", "no-such-model"], 31, "There are: eyes-sface-48x112, "),
        (["evaluate", "/etc/passwd"], 80, "FOLDER/<person>/<picture>"),
        (["status", "--nonsense"], 2, "--nonsense"),
        (["events", "--kind", "openned"], 2, "did you mean 'opened'"),
        (["events", "--kind", "foo"], 2, "There are: started,"),
        (["events", "--kind", "refused"], 2, "it is named 'no match' now"),
    ],
)
def test_a_mistake_ends_with_one_line_and_its_exit_code(arguments: list[str], code: int, says: str) -> None:
    done = edge_gate(*arguments)
    assert done.returncode == code
    assert says in done.stderr and "Traceback" not in done.stderr
    assert "socket" not in done.stderr and "pickle" not in done.stderr, "in the words of who typed it"


@pytest.mark.parametrize("arguments", [("init",), ("demo", "--svg", "x.svg"), ("init", "--camera", "film")])
def test_a_folder_that_was_deleted_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (folder := tmp_path / "gone").mkdir()
    code = f"import os, shutil; os.chdir({str(folder)!r}); shutil.rmtree({str(folder)!r}); from edge_gate import cli;"
    command = [sys.executable, "-c", f"{code} cli.main({list(arguments)!r})"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.SYSTEM_REFUSED and "the current folder was deleted" in done.stderr


@pytest.mark.processes
def test_a_maintainers_day(tmp_path: Path, board: BoardSimulator) -> None:
    """Enrol, list, look at events, try the relay, pause, forget: the transcript of a first day."""
    with running_gate(tmp_path, board.path, site={"time_zone": "UTC"}) as (gate, settings):
        file = str(tmp_path / "site" / "edge-gate.toml")

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return edge_gate(*arguments, "--config", file)

        assert run("status").returncode == 1  # no eye yet
        absent = run("enrol", "Ann", "--consent", "Ann")
        assert absent.returncode == 74 and "edge-gate eye" in absent.stderr

        eye = eye_at(gate)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(run, "enrol", "Ann", "--consent", "Ann", "--until", "2099-12-31")
            until(lambda: asked.done() or ask(settings, "status")["enrolling"])
            stand(eye, 1, track=1, until_done=asked.done)
        enrolled = asked.result()
        assert enrolled.returncode == 0 and "No picture was stored" in enrolled.stdout

        listed = run("residents").stdout
        assert "Ann" in listed and "2099-12-31" in listed
        (row,) = json.loads(run("residents", "--json").stdout)
        assert (row["name"], row["consent"], row["consent_until"][:10]) == ("Ann", "valid", "2100-01-01")
        tested = run("relay", "test")
        assert tested.returncode == 0 and "did you hear it click" in tested.stdout
        assert [change.on for change in board.history] == [True] or board.wait_for(1, False)

        kinds = [event["kind"] for event in json.loads(run("events", "--json").stdout)]
        assert kinds[0] == "relay test" and "enrolled" in kinds and kinds[-1] == "started"
        assert "relay test" in run("events").stdout

        assert run("pause").returncode == 0
        assert json.loads(run("status", "--json").stdout)["paused"] is True
        assert run("resume").returncode == 0

        assert run("consent", "withdraw", "Ann").returncode == 1  # nobody answered the question
        assert json.loads(run("residents", "--json").stdout)[0]["consent"] == "valid"
        withdrawn = run("consent", "withdraw", "Ann", "--yes")
        assert withdrawn.returncode == 0 and "RECEIPT OF A WITHDRAWAL" in withdrawn.stdout
        assert "receipt" in withdrawn.stderr, "what is no part of the page does not go into its file"
        page = tmp_path / "receipt.txt"
        page.write_text(withdrawn.stdout, encoding="utf-8")
        held = run("forget", "--verify", str(page))
        assert held.returncode == 0 and "Verified: " in held.stdout and "this gate's key signed it" in held.stdout
        again = run("consent", "withdraw", "Ann", "--yes")
        assert (
            again.returncode == ExitCode.CONSENT_MISSING and not again.stdout and "nothing to withdraw" in again.stderr
        )
        assert json.loads(run("residents", "--json").stdout)[0]["recognised"] is False
        assert run("forget", "Ann").returncode == 1  # nobody answered the question
        forgotten = run("forget", "Ann", "--yes")
        assert forgotten.returncode == 0 and receipt.check(forgotten.stdout).kind is receipt.Kind.FORGETTING
        assert forgotten.stdout.startswith("EDGE-GATE") and "Ann" in forgotten.stderr
        checkpoint = run("audit", "checkpoint").stdout
        assert run("audit", "verify", "--since", checkpoint).returncode == 0
        assert "Not found: Ann. Whether" in run("forget", "--search", "Ann").stdout
        assert json.loads(run("residents", "--json").stdout) == []
        assert run("forget", "Ann", "--yes").returncode == 61


def test_doctor_names_each_fault_and_how_to_mend_it(tmp_path: Path) -> None:
    assert edge_gate("init", "--port", "/dev/no-relay", "--camera", "/dev/no-camera", cwd=tmp_path).returncode == 0
    (tmp_path / "edge-gate-trial" / "store.key").chmod(0o644)
    done = edge_gate("doctor", "--json", cwd=tmp_path)
    findings: dict[str, dict[str, Any]] = {each["part"]: each for each in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    for part in ("camera", "relay", "store", "permissions"):
        # Of root's own trial somebody without rights looks, and what they cannot see may be there for root.
        state = "unknown" if part == "camera" and os.geteuid() == 0 else "fault"
        assert findings[part]["state"] == state, part
    assert "chmod 600" in findings["permissions"]["mend"]
    assert findings["clock"]["state"] == findings["configuration"]["state"] == "ok"
    shown = edge_gate("doctor", cwd=tmp_path)
    assert "→ chmod 600" in shown.stdout


def test_doctor_asks_the_kernel_what_walls_the_running_gate_has(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path):
        done = edge_gate("doctor", "--json", "--config", str(tmp_path / "site" / "edge-gate.toml"))
        found = json.loads(done.stdout)["findings"]
        findings = {each["part"]: each for each in found}
        assert findings["store"]["state"] == findings["relay"]["state"] == findings["gate"]["state"] == "ok"
        assert any("no filter" in each["text"] for each in found if each["part"] == "sandbox")


def test_a_large_site_lists_everybody(tmp_path: Path, board: BoardSimulator) -> None:
    """However many there are, and however long their names: they come a page at a time."""
    names = [f"{number:04d}" + "\N{CJK UNIFIED IDEOGRAPH-20BB7}" * (LONGEST_NAME - 4) for number in range(1_000)]

    with running_gate(tmp_path, board.path) as (gate, _):

        def fill() -> None:
            with gate.store.transaction():
                for name in names:
                    residents.add(gate.store, name)

        within(gate, fill)
        listed = edge_gate("residents", "--json", "--config", str(tmp_path / "site" / "edge-gate.toml"))
        assert [row["name"] for row in json.loads(listed.stdout)] == names


def test_models_verify_passes_for_what_is_shipped_and_fails_for_a_changed_byte(tmp_path: Path) -> None:
    assert edge_gate("models", "verify").returncode == 0
    write_model(tmp_path)
    of_test = ("--folder", str(tmp_path), "--key", own_key())
    assert edge_gate("models", "verify", *of_test).returncode == 0
    with (tmp_path / "test-eyes.tflite").open("ab") as model:
        model.write(b"!")
    tampered = edge_gate("models", "verify", *of_test)
    assert tampered.returncode == 1 and "SHA-256" in tampered.stdout


@pytest.mark.parametrize("says", [b"", b'{"progress": {"taken": 1}}\n'])
def test_a_gate_that_hangs_up_is_a_clear_error(tmp_path: Path, says: bytes) -> None:
    """As when it is killed in the middle of an answer."""
    settings = parse(f"[sockets]\ncontrol = '{tmp_path}/c.sock'", tmp_path / "x.toml")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/c.sock")
        server.listen()

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.sendall(says)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(WireError, match="hung up"):
            ask(settings, "status")
        thread.join()
