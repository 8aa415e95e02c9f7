# SPDX-License-Identifier: Apache-2.0
"""What systemd says of the units: one that failed, or is started again and again, is a fault whoever is asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from typing import Final

from edge_gate.cli.checks.findings import Finding, Patient
from edge_gate.relays.loading import load_framing
from edge_gate.settings import config

UNITS: Final = ("edge-gate.service", "edge-gate-eye.service")
GUARD_UNIT: Final = "edge-gate-guard.service"


def check_units(patient: Patient) -> Iterator[Finding]:
    """Judge the units, where this is the configuration with which they run. The pulse guard's is for some boards."""
    if patient.path == config.DEFAULT_PATH:
        for unit in UNITS:
            yield from judge_unit(unit, show_unit(unit))
        if not times_itself(patient.settings.door):
            yield from judge_unit(GUARD_UNIT, show_unit(GUARD_UNIT))


def times_itself(door: config.DoorSettings) -> bool:
    """Tell whether the board ends a pulse itself. Raises UnknownDriver, and RelayError for a driver that fails."""
    return load_framing(door)[0].board_timed


def judge_unit(unit: str, shown: Mapping[str, str]) -> Iterator[Finding]:
    """Judge a unit by what `systemctl show` says of it. One that is not there, or that nobody knows of, is passed over:
    the check of the gate says that it does not run."""
    if shown.get("LoadState") != "loaded":
        return
    look = f"journalctl --unit={unit} --lines=30 says why."
    if shown.get("NeedDaemonReload") == "yes":
        mend = f"sudo systemctl daemon-reload && sudo systemctl restart {unit}"
        yield Finding("units", "fault", f"{unit} was changed since systemd read it", mend)
    match shown.get("ActiveState"), shown.get("SubState"):
        case "failed", _:
            yield Finding("units", "fault", f"{unit} has failed: {shown.get('Result', 'why is not known')}", look)
        case "activating", "auto-restart":
            times = shown.get("NRestarts", "0")
            yield Finding("units", "fault", f"{unit} ends and is started again; so far {times} times", look)
        case "active", _:
            yield Finding("units", "ok", f"{unit} runs")
        case "activating", _:
            yield Finding("units", "unknown", f"{unit} is being started", "Ask again in a moment.")
        case state, _:
            start = "systemctl start" if unit == GUARD_UNIT else "systemctl enable --now"
            yield Finding("units", "unknown", f"{unit} does not run ({state})", f"sudo {start} {unit}")


def show_unit(unit: str) -> dict[str, str]:
    """Return the properties of a unit as it is loaded here, drop-ins and all; none where there is no systemd."""
    return dict(line.split("=", 1) for line in run_tool("systemctl", "show", unit).splitlines() if "=" in line)


def run_tool(*command: str) -> str:
    """Return what a program of the system says, in English; nothing where it cannot be run."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, fixed words
            command, capture_output=True, text=True, check=False, timeout=30, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
