# SPDX-License-Identifier: Apache-2.0
"""Which configuration counts where none is named: nobody else's trial, and none silently."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_gate.cli.usual_config import TRIAL, choose, usual_config

DEVICE = Path("/etc/edge-gate/edge-gate.toml")
ANN, EVE = 1000, 1001


@pytest.mark.parametrize(
    ("owner", "device", "user", "path", "told"),
    [
        (None, False, ANN, DEVICE, ""),
        (None, True, 0, DEVICE, ""),
        (ANN, False, ANN, TRIAL, ""),
        (ANN, True, ANN, TRIAL, "Used: edge-gate-trial"),
        (EVE, False, ANN, DEVICE, "Not used: edge-gate-trial"),
        (EVE, True, ANN, DEVICE, "Not used: edge-gate-trial"),
        (0, True, ANN, DEVICE, "Not used: edge-gate-trial"),
        (0, False, 0, TRIAL, "Used: edge-gate-trial"),
        (0, True, 0, DEVICE, f"Used: {DEVICE}, and not edge-gate-trial"),
        (EVE, False, 0, DEVICE, "Not used: edge-gate-trial"),
        (EVE, True, 0, DEVICE, "Not used: edge-gate-trial"),
    ],
)
def test_a_trial_counts_for_its_owner_and_what_was_chosen_is_told(
    owner: int | None, device: bool, user: int, path: Path, told: str
) -> None:
    chosen = choose(TRIAL, owner, DEVICE, device_is_there=device, user=user)
    assert chosen.path == path and chosen.told.startswith(told) and bool(chosen.told) == bool(told)


def trial_in(folder: Path) -> Path:
    trial = folder / TRIAL
    trial.parent.mkdir(parents=True)
    trial.write_text("")
    return trial


def test_a_trial_is_seen_where_there_is_one(tmp_path: Path) -> None:
    absent = tmp_path / "no.toml"
    assert usual_config(tmp_path / TRIAL, absent).path == absent
    assert usual_config(trial_in(tmp_path), absent).path == tmp_path / TRIAL
    (tmp_path / "a file").write_text("")
    for odd in (tmp_path / "a file" / TRIAL.name, tmp_path, Path("x" * 300)):
        assert usual_config(odd, absent).path == absent


@pytest.mark.parametrize("theirs", ["folder", "file", "link to the folder", "link to the file"])
def test_no_part_of_a_trial_may_be_another_users(tmp_path: Path, theirs: str) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root")
    trial, absent = trial_in(tmp_path / "real"), tmp_path / "no.toml"
    seen = tmp_path / TRIAL
    if theirs == "link to the folder":
        seen.parent.symlink_to(trial.parent)
        os.lchown(seen.parent, EVE, EVE)
    elif theirs == "link to the file":
        seen.parent.mkdir()
        seen.symlink_to(trial)
        os.lchown(seen, EVE, EVE)
    else:
        seen = trial
        os.chown(trial if theirs == "file" else trial.parent, EVE, EVE)
    chosen = usual_config(seen, absent)
    assert chosen.path == absent and "Not used" in chosen.told


def test_a_command_tells_what_it_uses_and_prints_the_same_json(tmp_path: Path) -> None:
    """Root is told always; nobody else, where there is nothing to choose from."""
    trial_in(tmp_path)
    command = [sys.executable, "-P", "-m", "edge_gate", "config", "check", "--json"]
    environ = {key: value for key, value in os.environ.items() if key != "EDGE_GATE_CONFIG"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("{") and str(TRIAL) in done.stdout
    assert done.stderr.startswith("edge-gate: Used: ") or os.getuid() != 0


def test_a_folder_that_was_removed_under_somebodys_feet_has_no_trial(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = "import os, sys; os.rmdir(os.getcwd()); from edge_gate.__main__ import main; main()"
    for arguments in (["status"], ["status", "--config", "x.toml"], ["init"], ["models", "list"]):
        gone.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=gone,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode not in (117,) and "Traceback" not in done.stderr, (arguments, done.stderr)
        assert done.returncode == 0 or len(done.stderr.splitlines()) == 1
