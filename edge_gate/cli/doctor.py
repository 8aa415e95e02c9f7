# SPDX-License-Identifier: Apache-2.0
"""`edge-gate doctor`: what is wrong on this device, and how to mend it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from edge_gate.cli.checks import health
from edge_gate.cli.checks import security as walls
from edge_gate.cli.checks.findings import examine, show
from edge_gate.cli.common import config_option, json_option, show_json


@click.command("doctor")
@click.option("--security", is_flag=True, help="Print the state of every wall instead. Complete as root only.")
@config_option
@json_option
def command(security: bool, path: Path, as_json: bool) -> None:
    """Check every part and say how to mend it.

    Camera, relay, models, store, keyring, clock, permissions and sandbox. Exit status 1 if anything is at fault.

    Nothing is changed and no relay is moved. While the gate runs, camera and relay are judged by what the gate says
    of them.

    With --security, each wall that keeps pictures in and thieves and insiders out: around the two processes (asked of
    the kernel, not of the unit files), store, keys, templates, audit log, people, models and the door's wire.
    """
    findings = examine(path, walls.CHECKS if security else health.CHECKS)
    faults = sum(each.state == "fault" for each in findings)
    if as_json:
        show_json({"faults": faults, "findings": [asdict(each) for each in findings]})
    else:
        show(findings)
    sys.exit(1 if faults else 0)
