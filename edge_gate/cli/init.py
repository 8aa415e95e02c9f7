# SPDX-License-Identifier: Apache-2.0
"""`edge-gate init`: a configuration, a key and an empty store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from edge_gate import config
from edge_gate.cli.common import TRIAL
from edge_gate.clock import SystemClock
from edge_gate.errors import AlreadyInitialised


@click.command("init")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=TRIAL.parent,
    show_default=True,
    help="Where to put the configuration, the key and the store.",
)
@click.option(
    "--camera", default="0", show_default=True, help="A camera number or device, or a film or folder to replay."
)
@click.option("--relay", default="lcus1", show_default=True, help="The relay protocol.")
@click.option("--port", default="/dev/ttyUSB0", show_default=True, help="The relay's serial port.")
@click.option("--name", default="edge-gate", show_default=True, help="What this site is called.")
def command(folder: Path, camera: str, relay: str, port: str, name: str) -> None:
    """Make a site for a trial: configuration, key file (mode 0600) and an empty encrypted store.

    Nothing that exists is overwritten. A device that systemd runs is set up as docs/installer.md says, with the key
    as a credential.
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
    click.echo(f"Made {file}, a key and an empty store.\nNext: edge-gate doctor --config {file}")
    click.echo(f"      edge-gate run --with-eye --config {file}")


def camera_settings(camera: str) -> dict[str, Any]:
    """Return the driver and source for what a person calls a camera: a film or folder is replayed, all else is V4L2."""
    how, _, name = camera.rpartition(":")
    if not name.startswith("/dev/") and Path(name).exists():
        prefix = f"{how}:" if how else ""
        return {"driver": "replay", "source": f"{prefix}{Path(name).absolute()}"}
    return {"driver": "v4l2", "source": camera}


def make_site(folder: Path, overrides: dict[str, dict[str, Any]]) -> Path:
    """Write configuration, key and store into a folder and return the configuration's path.

    Raises AlreadyInitialised, before anything is written, where there is a configuration or a store. A key without a
    store is taken as it is: no key is ever overwritten.
    """
    from edge_gate.store.database import Store
    from edge_gate.store.keys import create_key_file, load_key

    file, key_file, database = folder / TRIAL.name, folder / "store.key", folder / "edge-gate.db"
    for each in (file, database):
        if each.exists():
            raise AlreadyInitialised(each)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    here = {
        "store": {"path": database.name, "key_file": key_file.name},
        "sockets": {"eye": "run/eye.sock", "control": "run/control.sock"},
    }
    text = config.example({**here, **overrides})
    settings = config.parse(text, file)
    if not key_file.exists():  # a power cut may have come between the key and the store
        create_key_file(key_file)
    Store.create(settings.store.path, load_key(settings.store, os.environ), SystemClock()).close()
    file.write_text(text, encoding="utf-8")
    return file
