# SPDX-License-Identifier: Apache-2.0
"""Which configuration counts where none is named: nobody else's trial, and none silently."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_gate.cli.usual_config import TRIAL, Choice, choose, usual_config, why_doubtful
from edge_gate.core.access import user_name

DEVICE = Path("/etc/edge-gate/edge-gate.toml")
ANN, EVE = 1000, 1001


@pytest.mark.parametrize(
    ("doubt", "device", "user", "path", "told"),
    [
        ("", False, ANN, TRIAL, ""),
        ("", True, ANN, TRIAL, "Used: edge-gate-trial"),
        ("it belongs to eve", False, ANN, DEVICE, "Not used: edge-gate-trial/edge-gate.toml, since it belongs to eve"),
        ("it belongs to eve", True, ANN, DEVICE, "Not used: edge-gate-trial"),
        ("", False, 0, DEVICE, "Not used: edge-gate-trial/edge-gate.toml, which root has to name"),
        ("", True, 0, DEVICE, "Not used: edge-gate-trial"),
        ("it belongs to eve", True, 0, DEVICE, "Not used: edge-gate-trial"),
    ],
)
def test_a_trial_counts_for_its_owner_and_never_for_root_and_what_was_chosen_is_told(
    doubt: str, device: bool, user: int, path: Path, told: str
) -> None:
    chosen = choose(TRIAL, doubt, DEVICE, device_is_there=device, user=user)
    assert chosen.path == path and chosen.told.startswith(told) and bool(chosen.told) == bool(told)
    assert user != 0 or chosen.told.endswith(f"Used: {DEVICE}.")


def trial_in(folder: Path) -> Path:
    trial = folder / TRIAL
    trial.parent.mkdir(parents=True)
    trial.write_text("")
    return trial


def test_a_trial_is_seen_where_there_is_one(tmp_path: Path) -> None:
    absent = tmp_path / "no.toml"
    assert usual_config(tmp_path / TRIAL, absent) == Choice(absent)
    assert why_doubtful(trial_in(tmp_path), os.geteuid()) == ""
    assert usual_config(tmp_path / TRIAL, absent).path == (absent if os.geteuid() == 0 else tmp_path / TRIAL)
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
    assert why_doubtful(seen, 0) in ("it belongs to uid 1001", f"it belongs to {user_name(EVE)}")
    assert usual_config(seen, absent).path == absent


@pytest.mark.parametrize(
    ("place", "mode", "told"),
    [
        ("file", 0o666, "others may write to"),
        ("file", 0o664, "others may write to"),
        ("folder", 0o777, "others may write to"),
        ("folder", 0o1777, "others may write to"),
        ("above", 0o777, "others may write to"),
        ("above", 0o775, "others may write to"),
        ("above", 0o1777, ""),
        ("above", 0o755, ""),
    ],
)
def test_where_somebody_else_may_exchange_a_trial_it_is_doubtful(
    tmp_path: Path, place: str, mode: int, told: str
) -> None:
    """A folder that is sticky, as /tmp, lets nobody move what lies in it. The group here is nobody's own."""
    above = tmp_path / "above"
    trial = trial_in(above)
    chosen = {"file": trial, "folder": trial.parent, "above": above}[place]
    if os.geteuid() == 0:
        os.chown(chosen, 0, 54_321)
    elif mode & 0o020 and not mode & 0o002:
        pytest.skip("only root gives a folder to another group")
    chosen.chmod(mode)
    doubt = why_doubtful(trial, os.geteuid())
    assert doubt is not None and doubt.startswith(told) and bool(doubt) == bool(told)


def test_a_command_tells_what_it_uses_and_prints_the_same_json(tmp_path: Path) -> None:
    """Root is told that it is not the trial; nobody else, where there is nothing to choose from."""
    trial_in(tmp_path)
    command = [sys.executable, "-P", "-m", "edge_gate", "config", "check", "--json"]
    environ = {key: value for key, value in os.environ.items() if key != "EDGE_GATE_CONFIG"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    if os.geteuid() == 0:
        assert done.stderr.startswith(f"edge-gate: Not used: {TRIAL}, which root has to name with --config.")
    else:
        assert done.stdout.startswith("{") and str(TRIAL) in done.stdout


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
