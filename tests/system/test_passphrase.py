# SPDX-License-Identifier: Apache-2.0
"""A passphrase at the start, in a real systemd: no gate without it, and nothing for who has the whole card.

One boot of a container plays passphrase_guest.py; the tests judge what it saw. The control is the same card without the
passphrase, which gives the key away.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.keys.place import LIMITS
from edge_gate.core.errors import GateNotRunning, KeyLocked, KeyNotPlaced
from edge_gate.store.keys.locked import LENGTH
from tests.system import systemd_root

HERE = Path(__file__).parent
PASSPHRASES = ("a gate, a lamp and seven geese", "seven lamps and one grey goose")

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def acts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Boot once and return what was seen in each act."""
    shared = tmp_path_factory.mktemp("shared")
    console = systemd_root.prepare().play(shared, "passphrase_guest.py")
    said = shared / "acts.json"
    assert said.exists(), console
    seen = json.loads(said.read_text())
    assert "failed" not in seen, f"{seen['failed']}\n{seen['journal']}"
    return seen


def waits(seen: Any) -> bool:
    """Tell whether the gate does not run, and somebody is asked."""
    units = seen["units"]
    return (
        (units["edge-gate"]["ActiveState"], units["edge-gate"]["MainPID"]) == ("inactive", "0")
        and units["edge-gate-unlock"]["ActiveState"] == "activating"
        and not seen["opened"]
        and seen["asked"].startswith("Passphrase of the store's key")
    )


def runs(seen: Any) -> bool:
    """Tell whether the gate runs, and nobody is asked."""
    active = [seen["units"][unit]["ActiveState"] == "active" for unit in ("edge-gate", "edge-gate-unlock")]
    return all(active) and seen["units"]["edge-gate"]["StatusText"] == "Watching the door" and not seen["asked"]


def test_this_systemd_understands_every_line_and_finds_the_exposure_low(acts: Any) -> None:
    assert acts["set up"]["verify"] == {"status": 0, "out": "", "err": ""}
    for unit, judged in acts["set up"]["security"].items():
        assert judged["status"] == 0, (unit, judged["out"])


def test_the_key_is_not_locked_before_something_would_ask_for_the_passphrase(acts: Any) -> None:
    assert acts["set up"]["too early"]["status"] == KeyNotPlaced.exit_code
    assert "systemd/passphrase" in acts["set up"]["too early"]["screen"]
    assert acts["set up"]["lock"]["status"] == 0, acts["set up"]["lock"]


def test_with_the_units_but_without_a_passphrase_nobody_is_asked(acts: Any) -> None:
    assert acts["set up"]["started"]["status"] == 0
    assert runs(acts["set up"]["not locked yet"])
    assert acts["set up"]["rotate"]["status"] == 0
    assert acts["set up"]["start with another key"]["status"] == 0 and runs(acts["set up"]["another key"])


def test_the_gate_does_not_start_before_the_passphrase_nor_with_wrong_ones(acts: Any) -> None:
    assert waits(acts["start"]["waiting"])
    assert waits(acts["start"]["after one"])
    assert waits(acts["start"]["after two"])
    unit = acts["start"]["after two"]["units"]["edge-gate-unlock"]
    assert unit["StatusText"] == "Waiting for the passphrase; 2 did not open the key"


def test_a_relay_that_a_crash_left_on_is_off_before_anybody_types(acts: Any) -> None:
    assert acts["start"]["relay before"], "the control: it was on"
    assert acts["start"]["relay off while waiting"]


def test_it_starts_with_the_right_one_from_systemds_own_agent(acts: Any) -> None:
    status, screen = acts["start"]["agent"]
    assert status == 0 and "the last one was wrong" in screen
    assert runs(acts["start"]["after the right one"])
    assert acts["use"]["door"]["state"] == "secure"


def test_the_opened_key_is_roots_alone_in_memory_that_is_never_swapped(acts: Any) -> None:
    assert acts["start"]["place"] == ["700 root", "600 root"]
    assert acts["start"]["kind"] == "ramfs"
    assert all(acts["start"]["who may read"].values())


def test_no_passphrase_is_in_the_journal_nor_on_any_screen(acts: Any) -> None:
    assert len(acts["journal"]) > 1000
    assert not [each for each in PASSPHRASES if each in json.dumps(acts)]


def test_while_it_is_locked_commands_say_so(acts: Any) -> None:
    said = acts["start"]["status while locked"]
    assert said["status"] == 0 and "sealed with: host, and locked with a passphrase" in said["out"]
    assert LIMITS["passphrase"] in said["out"]
    assert acts["start"]["verify while locked"]["status"] == KeyLocked.exit_code


def test_while_it_is_locked_everybody_is_told_what_the_gate_waits_for(acts: Any) -> None:
    for said in (*acts["start"]["gate while asked"], acts["start"]["gate between questions"]):
        assert said["status"] == GateNotRunning.exit_code and "waits for the passphrase" in said["err"], said


def test_while_the_gate_runs_root_uses_the_key_without_being_asked(acts: Any) -> None:
    assert acts["use"]["forget --search"]["status"] == 0, acts["use"]["forget --search"]
    assert acts["use"]["audit verify"]["status"] == 0
    assert "receipts, log signed by" in acts["use"]["status"]["out"]


def test_a_gate_that_was_killed_or_restarted_comes_back_without_a_question(acts: Any) -> None:
    assert runs(acts["use"]["killed"]) and acts["use"]["killed"]["units"]["edge-gate"]["NRestarts"] == "1"
    assert acts["use"]["restart"]["status"] == 0 and runs(acts["use"]["restarted"])


def test_another_key_under_the_same_passphrase_reaches_the_next_start(acts: Any) -> None:
    assert acts["change"]["rotate"]["status"] == 0, acts["change"]["rotate"]
    assert acts["change"]["another key"]
    assert acts["change"]["start"]["status"] == 0 and runs(acts["change"]["new key"])


def test_to_stop_the_unlocking_stops_the_gate_and_takes_the_key_away(acts: Any) -> None:
    stopped = acts["change"]["stopped"]
    assert {each["ActiveState"] for each in stopped["units"].values()} == {"inactive"}
    assert not stopped["opened"]


def test_after_a_change_of_the_passphrase_the_old_one_is_wrong(acts: Any) -> None:
    assert acts["change"]["passphrase"]["status"] == 0
    assert waits(acts["change"]["the old one"])
    assert runs(acts["change"]["the new one"])


def test_the_card_gives_the_key_away_without_a_passphrase_and_not_with_one(acts: Any) -> None:
    """The thief opens the credential by the host's key and tries on the store all that was in it."""
    for control in (acts["set up"]["card before"], acts["change"]["card after"]):
        assert (control["length"], control["keys"]) == (65, 1)
    for robbed in (acts["set up"]["card locked"], acts["change"]["card at the end"]):
        assert robbed["length"] == LENGTH and robbed["tries"] == LENGTH - 31
        assert robbed["keys"] == 0


def test_no_file_of_the_card_has_the_key_or_the_passphrase_while_the_gate_runs(acts: Any) -> None:
    change = acts["change"]
    assert change["searched"]["files"] > 5000
    assert change["searched"]["found"] == [] == change["searched for the old"]["found"]
    assert change["searched, with a key left over"]["found"] == ["hex in /root/left-over.key"], "the control is found"


def test_without_the_passphrase_again_it_starts_as_before(acts: Any) -> None:
    assert acts["change"]["unlock"]["status"] == 0
    assert acts["change"]["back"]["status"] == 0 and runs(acts["change"]["as before"])
