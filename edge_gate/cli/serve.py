# SPDX-License-Identifier: Apache-2.0
"""`edge-gate run` and `edge-gate eye`: the two processes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from edge_gate.cli.common import config_option
from edge_gate.cli.terminal import say
from edge_gate.core.exit_codes import ExitCode
from edge_gate.core.interrupts import ending_at_once
from edge_gate.core.supervise import Supervised, eye_command, gate_command
from edge_gate.settings import config
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
    from edge_gate.store.files import refuse_stranger

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    settings = load_to_run(path)
    refuse_stranger(settings.store.path)
    written_by = path.stat().st_uid
    if not with_eye:
        with ending_at_once():
            from edge_gate.gate.main import serve

        serve(settings, written_by=written_by, load=_key)
        return
    sys.exit(_serve_both(path))


def _key(settings: config.StoreSettings, environ: Mapping[str, str]) -> bytes:
    """Return the key; where it is locked, ask for the passphrase at the terminal, in a process of its own: deriving
    from it takes more memory than the gate has."""
    from edge_gate.store.keys.locked import is_locked
    from edge_gate.store.keys.source import as_it_lies, plain_key

    content, place = as_it_lies(settings, environ)
    if not is_locked(content):
        return plain_key(content, place)
    from edge_gate.cli.keys.passphrase import ask_in_child

    return ask_in_child(content, place)


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
