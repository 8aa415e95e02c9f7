# SPDX-License-Identifier: Apache-2.0
"""Which configuration a command means that names none: a trial's in the current folder, or the device's.

Whoever may write in the folder where root happens to stand could leave a trial there. So a trial counts only for the
user whose it is, folder and file, and root takes the device's wherever there is one. What was chosen is told where
there was a choice, and to root always.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_gate.core.access import is_taken, user_name
from edge_gate.core.errors import AccessDenied
from edge_gate.settings.config import DEFAULT_PATH
from edge_gate.tools.trial import CONFIG_NAME

TRIAL: Final = Path("edge-gate-trial") / CONFIG_NAME


@dataclass(frozen=True, slots=True)
class Choice:
    """The configuration to use, and what is to be told of it, or nothing."""

    path: Path
    told: str = ""


def usual_config(trial: Path = TRIAL, device: Path = DEFAULT_PATH) -> Choice:
    """Return the configuration to use where none was named, as this user sees trial and device."""
    owner = _owner_of(trial)
    return choose(trial, owner, device, device_is_there=_is_there(device), user=os.geteuid())


def choose(trial: Path, owner: int | None, device: Path, *, device_is_there: bool, user: int) -> Choice:
    """Judge a trial by whose it is; ``owner``: None where there is no trial."""
    if owner is None:
        return Choice(device)
    if owner != user:
        return Choice(device, f"Not used: {trial}, which belongs to {user_name(owner)}. With --config it would be.")
    if user == 0 and device_is_there:
        return Choice(device, f"Used: {device}, and not {trial}, which root would have to name with --config.")
    if user == 0:
        return Choice(trial, f"Used: {trial}, in this folder.")
    if device_is_there:
        return Choice(trial, f"Used: {trial}, in this folder, and not the device's {device}, which --config names.")
    return Choice(trial)


def _owner_of(trial: Path) -> int | None:
    """Return whose a trial is: where folder, file and links to them are not all this user's, the other owner."""
    try:
        if not stat.S_ISREG(trial.stat().st_mode):
            return None
        owners = {found.st_uid for each in (trial.parent, trial) for found in (each.lstat(), each.stat())}
    except OSError:  # there is nothing, or nothing that this user may see
        return None
    user = os.geteuid()
    return next(iter(owners - {user}), user)


def _is_there(device: Path) -> bool:
    try:
        return is_taken(device)
    except AccessDenied:
        return True
