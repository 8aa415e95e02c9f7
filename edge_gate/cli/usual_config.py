# SPDX-License-Identifier: Apache-2.0
"""Which configuration a command means that names none: a trial's in the current folder, or the device's.

Whoever may write in the folder where somebody happens to stand could leave a trial there, or put another one in its
place. So a trial counts only for the user whose it is, folder and file, where nobody else may exchange them; and never
for root, who stands in everybody's folders. What was chosen is told where there was a choice.
"""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterator
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
    user = os.geteuid()
    doubt = why_doubtful(trial, user)
    if doubt is None:
        return Choice(device)
    return choose(trial, doubt, device, device_is_there=_is_there(device), user=user)


def choose(trial: Path, doubt: str, device: Path, *, device_is_there: bool, user: int) -> Choice:
    """Judge a trial that is there; ``doubt``: why somebody else may have put it there, "" where nobody can."""
    if user == 0:
        return Choice(device, f"Not used: {trial}, which root has to name with --config. Used: {device}.")
    if doubt:
        return Choice(device, f"Not used: {trial}, since {doubt}. With --config it would be. Used: {device}.")
    if device_is_there:
        return Choice(trial, f"Used: {trial}, in this folder, and not the device's {device}, which --config names.")
    return Choice(trial)


def why_doubtful(trial: Path, user: int) -> str | None:
    """Return why a trial may be somebody else's, "" where it cannot; None where there is none, or none to be seen."""
    try:
        if not stat.S_ISREG(trial.stat().st_mode):
            return None
        return next(_doubts(trial, user), "")
    except OSError:
        return None


def _doubts(trial: Path, user: int) -> Iterator[str]:
    for each in (trial.parent, trial):
        for found in (each.lstat(), each.stat()):
            if found.st_uid != user:
                yield f"it belongs to {user_name(found.st_uid)}"
    whole = trial.resolve()
    for place in (whole, *whole.parents):
        found = place.stat()
        if found.st_uid not in (0, user):
            yield f"{place} belongs to {user_name(found.st_uid)}"
        elif _others_write(found) and not (found.st_mode & stat.S_ISVTX and place not in (whole, whole.parent)):
            yield f"others may write to {place}"


def _others_write(found: os.stat_result) -> bool:
    """Tell whether somebody else may. A group that has the owner's name is, as most systems make it, theirs alone."""
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and _group(found.st_gid) != user_name(found.st_uid)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return f"gid {number}"


def _is_there(device: Path) -> bool:
    try:
        return is_taken(device)
    except AccessDenied:
        return True
