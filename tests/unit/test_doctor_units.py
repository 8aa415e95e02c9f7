# SPDX-License-Identifier: Apache-2.0
"""What the doctor makes of what systemd says of a unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_gate.cli.checks import health
from edge_gate.cli.checks.findings import Patient
from edge_gate.cli.checks.systemd import check_units, judge_unit, run_tool
from edge_gate.settings import config
from edge_gate.settings.config import Config
from edge_gate.tools.trial import make_site

LOADED = {"LoadState": "loaded", "NeedDaemonReload": "no", "NRestarts": "7", "Result": "exit-code"}


@pytest.mark.parametrize(
    ("active", "sub", "state", "words"),
    [
        ("active", "running", "ok", "runs"),
        ("failed", "failed", "fault", "has failed: exit-code"),
        ("activating", "auto-restart", "fault", "so far 7 times"),
        ("activating", "start", "unknown", "is being started"),
        ("inactive", "dead", "unknown", "does not run (inactive)"),
        ("deactivating", "stop-sigterm", "unknown", "does not run (deactivating)"),
        ("a word of a later systemd", "", "unknown", "does not run"),
    ],
)
def test_a_unit_is_judged_by_its_state(active: str, sub: str, state: str, words: str) -> None:
    (found,) = judge_unit("x.service", {**LOADED, "ActiveState": active, "SubState": sub})
    assert (found.part, found.state) == ("units", state)
    assert words in found.text
    assert bool(found.mend) == (state != "ok")


def test_a_unit_that_was_changed_since_it_was_read_is_a_fault_beside_its_state() -> None:
    shown = {**LOADED, "NeedDaemonReload": "yes", "ActiveState": "active", "SubState": "running"}
    assert [each.state for each in judge_unit("x.service", shown)] == ["fault", "ok"]


@pytest.mark.parametrize("shown", [{}, {"LoadState": "not-found"}, {"LoadState": "masked", "ActiveState": "failed"}])
def test_where_there_is_no_unit_nothing_is_said(shown: dict[str, str]) -> None:
    assert list(judge_unit("x.service", shown)) == []


def test_a_trial_at_a_desk_is_not_judged_by_units() -> None:
    assert list(check_units(Patient(Path("/tmp/edge-gate.toml"), Config(), None))) == []


def test_a_tool_that_is_not_there_says_nothing() -> None:
    assert run_tool("no-such-program") == ""


@pytest.mark.parametrize(
    ("relay", "told"), [("lcus1", "to this machine"), ("modbus-waveshare", "times its pulses itself")]
)
def test_which_kind_of_board_hangs_there_is_said(tmp_path: Path, relay: str, told: str) -> None:
    path = make_site(tmp_path / "site", {"door": {"relay": relay}})
    (found,) = (each for each in health.check_relay(Patient(path, config.load(path), None)) if each.part == "board")
    assert told in found.text
