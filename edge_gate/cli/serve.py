# SPDX-License-Identifier: Apache-2.0
"""`edge-gate run` and `edge-gate eye`: the two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import click

from edge_gate.cli.common import config_option
from edge_gate.cli.terminal import say
from edge_gate.core.exit_codes import ExitCode
from edge_gate.core.supervise import Supervised, eye_command, gate_command
from edge_gate.settings.examination import load_to_run

_TEND_S: Final = 0.1


@click.command()
@config_option
@click.option("--with-eye", is_flag=True, help="Also start the eye and keep it running (without systemd).")
def run(path: Path, with_eye: bool) -> None:
    """Run the gate: store, decision and door. Serves until stopped.

    Under systemd this is edge-gate.service. At a desk, --with-eye starts the eye as well, and the terminal is asked for
    the passphrase of a locked key.
    """
    if with_eye:
        load_to_run(path)  # a mistake is told once, and not by both
        sys.exit(_serve_both(path))
    command = gate_command(path)
    os.execv(command[0], command)  # noqa: S606 - a fresh process, so that nothing of the CLI stays in it


def _serve_both(path: Path) -> int:
    """Start both processes and keep the eye running; return the gate's exit code when it has ended.

    Neither of the two can do this: once sealed, they start no program. Where the gate has another eye already, the one
    that was started here has ended with a sentence, and stays so.
    """
    gate = subprocess.Popen(gate_command(path))  # noqa: S603
    eye_process = Supervised(eye_command(path), final=(ExitCode.SECOND_EYE,))
    for number in (signal.SIGTERM, signal.SIGINT):  # a terminal's Ctrl-C reaches the gate by itself as well
        signal.signal(number, lambda *_: gate.terminate())
    wanted = True
    try:
        while gate.poll() is None:
            if wanted:
                eye_process.tend()
                wanted = not eye_process.done
                if not wanted:
                    say("edge-gate: No eye is started here any more; the gate goes on with the other one.", err=True)
            time.sleep(_TEND_S)
    finally:
        eye_process.stop()
    return gate.returncode


@click.command()
@config_option
def eye(path: Path) -> None:
    """Run the eye: camera and models. Serves until stopped.

    It needs no key and no store, and says only numbers to the gate. Under systemd this is edge-gate-eye.service.
    """
    command = eye_command(path)
    os.execv(command[0], command)  # noqa: S606 - a fresh process, so that nothing of the CLI stays in it
