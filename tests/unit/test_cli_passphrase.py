# SPDX-License-Identifier: Apache-2.0
"""A passphrase for the store's key as an owner sets it at a terminal: whole processes on a real store."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from edge_gate.cli.keys import passphrase
from edge_gate.cli.keys import place as keyplace
from edge_gate.cli.keys.passphrase import SHORTEST, judge, suggestion
from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import AlreadyRunning, GateNotRunning, KeyLocked, PassphraseUnfit
from edge_gate.core.exit_codes import ExitCode
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.store import files
from edge_gate.store.database import Store
from edge_gate.store.keys import pending, rotation
from edge_gate.store.keys.locked import LEAST, is_locked, lock, unlock
from edge_gate.store.keys.source import load_key
from edge_gate.store.lock import sole_use
from edge_gate.tools.trial import make_site
from tests.support.power_cuts import PowerCut, cut_before
from tests.support.stores import enrol, names_in_the_gallery
from tests.support.terminal import at_a_terminal

PASSPHRASE = "a gate, a lamp and seven geese"
ANOTHER = "seven lamps and one grey goose"
NEW, AGAIN, PRESENT = "New passphrase: ", "The same again: ", "Passphrase of the store's key: "


@pytest.fixture
def site(tmp_path: Path) -> config.Config:
    return config.load(make_site(tmp_path / "site", {}))


def command(site: config.Config, *arguments: str | Path) -> list[str]:
    file = site.store.path.with_name("edge-gate.toml")
    return [sys.executable, "-m", "edge_gate.cli", *map(str, arguments), "--config", str(file)]


def typed(site: config.Config, *arguments: str | Path, answers: list[tuple[str, str]]) -> tuple[int, str]:
    return at_a_terminal(command(site, *arguments), answers)


def alone(site: config.Config, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that has no terminal."""
    return subprocess.run(
        command(site, *arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        start_new_session=True,
    )  # fmt: skip


def locked(site: config.Config, passphrase: str = PASSPHRASE) -> bytes:
    """Lock the site's key as `keys lock` does, and return the key."""
    key = load_key(site.store, {})
    replace(keyplace.find(site.store), locked=True, passphrase=passphrase).put(key)
    return key


def key_by(site: config.Config, passphrase: str) -> bytes:
    return unlock(site.store.key_file.read_bytes(), passphrase, site.store.key_file)


def test_a_passphrase_is_set_changed_and_taken_away_and_the_key_stays_the_same(site: config.Config) -> None:
    key = load_key(site.store, {})
    status, screen = typed(site, "keys", "lock", answers=[(NEW, PASSPHRASE), (AGAIN, PASSPHRASE)])
    assert status == 0, screen
    assert PASSPHRASE not in screen, "what is typed is not shown"
    assert "\\n" not in screen, "each line is a line"
    words = screen[screen.index("nowhere:") :].splitlines()[1]
    assert len(words.split()) == 6, "the words stand alone on their line, to be copied"
    assert key_by(site, PASSPHRASE) == key
    assert key not in site.store.key_file.read_bytes() and key.hex().encode() not in site.store.key_file.read_bytes()
    with pytest.raises(KeyLocked):
        load_key(site.store, {})
    present = [(PRESENT, "wrong"), (PRESENT, PASSPHRASE)]
    new = [(NEW, ANOTHER), (AGAIN, "something else"), (NEW, ANOTHER), (AGAIN, ANOTHER)]
    status, screen = typed(site, "keys", "passphrase", answers=present + new)
    assert status == 0, screen
    assert key_by(site, ANOTHER) == key
    status, screen = typed(site, "keys", "unlock", answers=[(PRESENT, ANOTHER)])
    assert status == 0, screen
    assert load_key(site.store, {}) == key
    assert site.store.key_file.stat().st_mode & 0o777 == 0o600


def test_three_wrong_ones_are_the_end_and_change_nothing(site: config.Config) -> None:
    locked(site)
    before = site.store.key_file.read_bytes()
    status, screen = typed(site, "keys", "unlock", answers=[(PRESENT, "wrong")] * 3)
    assert status == 107, screen
    assert site.store.key_file.read_bytes() == before


def test_what_does_not_fit_the_state_of_the_key_is_refused(site: config.Config) -> None:
    for verb in ("passphrase", "unlock"):
        refused = alone(site, "keys", verb)
        assert refused.returncode == 110 and "not locked" in refused.stderr
    locked(site)
    refused = alone(site, "keys", "lock")
    assert refused.returncode == 110 and "locked already" in refused.stderr


def test_a_key_that_does_not_open_the_store_is_not_locked(site: config.Config) -> None:
    site.store.key_file.write_text("0" * 64)
    assert alone(site, "keys", "lock").returncode == 42


def test_a_key_is_not_locked_in_the_middle_of_a_change(site: config.Config) -> None:
    pending.write(site.store.path, pending.Change(load_key(site.store, {}), bytes(32)))
    refused = alone(site, "keys", "lock")
    assert refused.returncode == 110 and "keys rotate" in refused.stderr


@pytest.mark.parametrize(
    ("passphrase", "why"),
    [("", "0 characters"), ("x" * (SHORTEST - 1), "14 characters"), ("abcabcabcabcabcabc", "different"),
     ("a gate, a lamp, geese ", "space"), ("a gate, a lamp\tand geese", "cannot be seen")],
)  # fmt: skip
def test_a_passphrase_that_is_surely_weak_is_not_taken(site: config.Config, passphrase: str, why: str) -> None:
    with pytest.raises(PassphraseUnfit, match=why):
        judge(passphrase)


def test_a_weak_one_leaves_the_key_as_it_is(site: config.Config) -> None:
    key = load_key(site.store, {})
    assert typed(site, "keys", "lock", answers=[(NEW, "too short")])[0] == 109
    assert load_key(site.store, {}) == key


def test_the_words_that_are_suggested_are_taken_and_never_the_same() -> None:
    made = {suggestion() for _ in range(50)}
    assert len(made) == 50
    for each in made:
        assert len(each.split()) == 6
        judge(each)


def test_without_a_terminal_commands_say_what_to_do(site: config.Config) -> None:
    locked(site)
    for words in (("keys", "rotate"), ("keys", "escrow", "--shares", "3", "--needed", "2"), ("run",),
                  ("forget", "--search", "Ada")):  # fmt: skip
        said = alone(site, *words)
        assert said.returncode == 106, (words, said.stderr)
        assert "locked with a passphrase" in said.stderr
    assert "Warning" not in said.stderr
    doctor = json.loads(alone(site, "doctor", "--json").stdout)
    (store,) = [each for each in doctor["findings"] if each["part"] == "store"]
    assert store["state"] == "unknown" and "passphrase" in store["text"]


def test_no_new_passphrase_is_asked_for_where_it_would_be_seen(site: config.Config) -> None:
    key = load_key(site.store, {})
    refused = alone(site, "keys", "lock")
    assert refused.returncode == ExitCode.KEY_NOT_PLACED and "typed at a terminal" in refused.stderr
    assert "Warning" not in refused.stderr and "New passphrase" not in refused.stderr + refused.stdout
    assert load_key(site.store, {}) == key


def test_the_status_names_the_tier_and_its_limits_without_asking(site: config.Config) -> None:
    assert "passphrase" not in alone(site, "keys", "status").stdout
    locked(site)
    said = alone(site, "keys", "status")
    assert said.returncode == 0
    assert "and locked with a passphrase" in said.stdout and keyplace.LIMITS["passphrase"] in said.stdout


def test_a_damaged_locked_key_says_so(site: config.Config) -> None:
    locked(site)
    content = bytearray(site.store.key_file.read_bytes())
    content[50] ^= 1
    site.store.key_file.write_bytes(content)
    status, screen = typed(site, "keys", "rotate", answers=[(PRESENT, PASSPHRASE)])
    assert status == 108, screen


def test_the_key_is_changed_shared_out_and_searched_with_under_its_passphrase(site: config.Config) -> None:
    with Store.open(site.store.path, load_key(site.store, {}), SystemClock()) as store:
        enrol(store, "Ada", 1)
    before = locked(site)
    status, screen = typed(site, "keys", "rotate", answers=[(PRESENT, PASSPHRASE)])
    assert status == 0, screen
    new = key_by(site, PASSPHRASE)
    assert new != before
    with Store.open(site.store.path, new, SystemClock()) as store:
        assert names_in_the_gallery(store) == {"Ada"}
    status, screen = typed(site, "keys", "escrow", "--shares", "3", "--needed", "2", answers=[(PRESENT, PASSPHRASE)])
    assert status == 0 and "Share 3 of 3" in screen
    status, screen = typed(site, "forget", "--search", "Nobody", answers=[(PRESENT, PASSPHRASE)])
    assert status == 0 and "Not found: Nobody" in screen


CHANGES = (
    *((files, "_create"), (files, "sync"), (files, "_overwrite"), (files.Draft, "sync"), (rotation, "sync")),
    *((Path, "rename"), (Path, "unlink")),
)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock at little cost, where a test does it a hundred times."""
    monkeypatch.setattr(keyplace, "lock", partial(lock, cost=LEAST))


@pytest.mark.usefixtures("cheap")
def test_a_power_cut_while_the_passphrase_is_changed_leaves_the_old_or_the_new(site: config.Config) -> None:
    key, states = locked(site), set()
    for number in range(50):
        replace(keyplace.find(site.store), passphrase=PASSPHRASE).put(key)
        with pytest.MonkeyPatch.context() as patch:
            begun = cut_before(patch, number, CHANGES)
            with suppress(PowerCut):
                replace(keyplace.find(site.store), passphrase=ANOTHER).put(key)
            finished = begun() <= number
        good = [each for each in (PASSPHRASE, ANOTHER) if opens(site, each, key)]
        assert len(good) == 1, number
        states.add(good[0])
        if finished:
            break
    assert finished and states == {PASSPHRASE, ANOTHER} and number > 3


def opens(site: config.Config, passphrase: str, key: bytes) -> bool:
    with suppress(Exception):
        return key_by(site, passphrase) == key
    return False


@pytest.mark.usefixtures("cheap")
def test_a_power_cut_while_a_locked_key_is_changed_opens_with_the_passphrase(site: config.Config) -> None:
    locked(site)
    whole = {each: each.read_bytes() for each in site.store.path.parent.iterdir() if each.is_file()}
    between = 0
    for number in range(0, 100, 3):
        for each in site.store.path.parent.iterdir():
            if each.is_file():
                each.unlink()
        for each, content in whole.items():
            each.write_bytes(content)
            each.chmod(0o600)
        place = replace(keyplace.find(site.store), passphrase=PASSPHRASE)
        with pytest.MonkeyPatch.context() as patch:
            begun = cut_before(patch, number, CHANGES)
            with suppress(PowerCut):
                rotation.rotate(site.store.path, place.fetch, place.put)
            finished = begun() <= number
        assert is_locked(site.store.key_file.read_bytes())
        between += pending.read(site.store.path, place.fetch()) is not None
        Store.open(site.store.path, place.fetch(), SystemClock()).close()
        if finished:
            break
        rotation.rotate(site.store.path, place.fetch, place.put)
        assert not pending.pending_path(site.store.path).exists()
        Store.open(site.store.path, place.fetch(), SystemClock()).close()
    assert finished and between > 3


def test_at_a_desk_the_gate_asks_at_the_terminal(tmp_path: Path) -> None:
    with BoardSimulator("lcus1") as board:
        site = config.load(make_site(tmp_path / "site", {"door": {"relay": "lcus1", "port": str(board.path)}}))
        locked(site)
        status, screen = typed(site, "run", answers=[(PRESENT, "wrong"), (PRESENT, PASSPHRASE), ("serving", "\x03")])
        assert status == 0, screen
        assert "door secure" in screen
        status, screen = typed(site, "run", answers=[(PRESENT, "wrong")] * 3)
        assert status == 107 and "serving" not in screen, screen


def test_while_the_gate_waits_at_the_terminal_other_commands_say_so(tmp_path: Path) -> None:
    with BoardSimulator("lcus1") as board:
        site = config.load(make_site(tmp_path / "site", {"door": {"relay": "lcus1", "port": str(board.path)}}))
        locked(site)
        gate, screen = pty.fork()
        if gate == 0:
            os.execv(sys.executable, command(site, "run"))
        try:
            seen = b""
            while PRESENT.encode() not in seen:
                seen += os.read(screen, 65536)
            for asking in (("status",), ("pause",), ("doctor",)):
                told = alone(site, *asking)
                assert "waits for the passphrase" in told.stdout + told.stderr, told
                assert f"process {gate} has the store" in told.stdout + told.stderr, told
                if asking != ("doctor",):  # which has its own findings, by what this machine has
                    assert told.returncode == GateNotRunning.exit_code
        finally:
            os.kill(gate, signal.SIGKILL)
            os.waitpid(gate, 0)
            os.close(screen)


def test_relays_can_be_switched_off_before_the_gate_starts_and_not_while_it_runs(tmp_path: Path) -> None:
    with BoardSimulator("lcus1") as board:
        site = config.load(make_site(tmp_path / "site", {"door": {"relay": "lcus1", "port": str(board.path)}}))
        with Path(board.path).open("wb", buffering=0) as port:
            port.write(bytes.fromhex("a00101a2"))
        assert board.wait_for(1, True)
        with sole_use(site.store.path):
            assert alone(site, "relay", "off").returncode == AlreadyRunning.exit_code
        assert board.is_on(1)
        locked(site)
        assert alone(site, "relay", "off").returncode == 0
        assert board.wait_for(1, False)


AGENT = """#!/bin/sh
read -r answer < "{0}" || exit 1
sed -i 1d "{0}"
test "$answer" != cancel && echo "$answer"
"""


def test_it_asks_for_ever_and_waits_after_every_third_wrong_answer_and_a_refusal(
    site: config.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the program that asks is another: tests/system/test_passphrase.py has systemd's own."""
    key = locked(site)
    answers, program = tmp_path / "answers", tmp_path / "bin" / "systemd-ask-password"
    answers.write_text("\n".join(["no", "not", "never", "no", "cancel", "neither", PASSPHRASE]) + "\n")
    program.parent.mkdir()
    program.write_text(AGENT.format(answers))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    told: list[str] = []
    content = site.store.key_file.read_bytes()
    assert passphrase.asked_of_agents(content, site.store.key_file, told.append) == key
    assert waits == [1, 1, 30, 1, 30, 1]
    assert told[0] == "Waiting for the passphrase" and told[-1].endswith("; 5 did not open the key")


KEPT = """
from pathlib import Path
from edge_gate.seal.apply import _locking_lacks, keep_in_memory
keep_in_memory()
bytearray(10_000_000)
locked = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmLck" in line)
print("may" if not _locking_lacks() else "may not", locked)
"""


def test_what_asks_for_the_passphrase_locks_its_memory_where_it_may() -> None:
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, timeout=60, check=True)
    may, _, locked_kib = done.stdout.strip().rpartition(" ")
    assert (int(locked_kib) > 1000) == (may == "may")
    assert ("memory may be locked up to a limit only" in done.stderr) == (may == "may not")


GROWTH = """
import sys
import time
from pathlib import Path
from edge_gate.store.keys import asking
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
file = Path(sys.argv[2])
before = peak()
if sys.argv[1] == "ask_in_copy":
    asking.ask_in_copy(file.read_bytes(), file, lambda: None)()
else:
    asking.ask_passphrase(file.read_bytes(), file)
print("grown by", (peak() - before) // 1024, "MiB")
"""


@pytest.mark.parametrize(("how", "least", "most"), [("ask_in_copy", 0, 5), ("ask_passphrase", 55, 90)])
def test_what_a_guess_costs_in_memory_never_touches_the_gate(
    site: config.Config, how: str, least: int, most: int
) -> None:
    """The control is the same in one process."""
    locked(site)
    status, screen = at_a_terminal(
        [sys.executable, "-c", GROWTH, how, str(site.store.key_file)], [(PRESENT, PASSPHRASE)]
    )
    assert status == 0, screen
    assert least <= int(screen.split("grown by ")[1].split()[0]) <= most
