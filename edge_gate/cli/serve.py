# SPDX-License-Identifier: Apache-2.0
"""`edge-gate run` and `edge-gate eye`: the two processes."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from edge_gate import config
from edge_gate.cli.common import config_option
from edge_gate.trial import eye_command


@click.command()
@config_option
@click.option("--with-eye", is_flag=True, help="Also start the eye and keep it running (without systemd).")
def run(path: Path, with_eye: bool) -> None:
    """Run the gate: store, decision and door. Serves until stopped.

    Under systemd this is edge-gate.service. At a desk, --with-eye starts the eye as well.
    """
    from edge_gate.gate.main import serve

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    settings = config.load(path)
    written_by = path.stat().st_uid
    if not with_eye:
        serve(settings, written_by=written_by)
        return
    from edge_gate.supervise import Supervised

    eye_process = Supervised(eye_command(path))
    try:
        serve(settings, eye_process.tend, written_by=written_by)
    finally:
        eye_process.stop()


@click.command()
@config_option
def eye(path: Path) -> None:
    """Run the eye: camera and models. Serves until stopped.

    It needs no key and no store, and says only numbers to the gate. Under systemd this is edge-gate-eye.service.
    """
    command = eye_command(path)
    os.execv(command[0], command)  # noqa: S606 - a fresh process, so that nothing of the CLI stays in it
