# SPDX-License-Identifier: Apache-2.0
"""`edge-gate init`: a configuration, a key and an empty store."""

from __future__ import annotations

from pathlib import Path

import click

from edge_gate.cli.common import TEXT
from edge_gate.cli.terminal import say
from edge_gate.cli.usual_config import TRIAL
from edge_gate.tools.trial import camera_settings, make_site


@click.command("init")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=TRIAL.parent,
    show_default=True,
    help="Where to put the configuration, the key and the store.",
)
@click.option(
    "--camera",
    default="0",
    show_default=True,
    type=TEXT,
    help="A camera number or device, or a film or folder to replay.",
)
@click.option("--relay", default="lcus1", show_default=True, type=TEXT, help="The relay protocol.")
@click.option("--port", default="/dev/ttyUSB0", show_default=True, type=TEXT, help="The relay's serial port.")
@click.option("--name", default="edge-gate", show_default=True, type=TEXT, help="What this site is called.")
def command(folder: Path, camera: str, relay: str, port: str, name: str) -> None:
    """Make a site for a trial: configuration, key and store.

    The key is a file of mode 0600, the store is encrypted and empty. Nothing that exists is overwritten. A device that
    systemd runs is set up as docs/installer.md says, with the key as a credential.
    """
    file = folder / TRIAL.name
    make_site(
        folder,
        {
            "site": {"name": name},
            "camera": camera_settings(camera),
            "door": {"relay": relay, "port": port},
        },
    )
    say(f"Made {file}, a key and an empty store.", f"Next: edge-gate doctor --config {file}")
    say(f"      edge-gate run --with-eye --config {file}")
