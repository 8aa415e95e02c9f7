# SPDX-License-Identifier: Apache-2.0
"""`edge-gate init`: a configuration, a key and an empty store."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

import click

from edge_gate.cli.common import TEXT
from edge_gate.cli.terminal import say, say_to_copy
from edge_gate.cli.usual_config import TRIAL
from edge_gate.core.access import is_taken
from edge_gate.core.errors import SiteNotMade
from edge_gate.settings.config import DEFAULT_PATH
from edge_gate.tools.trial import Overrides, camera_settings, from_here, make_site, site_text

GATE_UNIT: Final = "edge-gate.service"
UNITS: Final = tuple(map(Path, ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")))


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
    site = {
        "site": {"name": name},
        "camera": camera_settings(camera),
        "door": {"relay": relay, "port": from_here(port)},
    }
    _refuse_unfit(folder, site)
    file = make_site(folder, site)
    say(f"Made {file}, a key and an empty store.")
    say_to_copy(*_next_steps(shlex.quote(str(file)), folder))


def _refuse_unfit(folder: Path, site: Overrides) -> None:
    """Raise SiteNotMade for what could not work."""
    from edge_gate.cli.checks.settings import judge

    for mistake in judge(site_text(site), folder / TRIAL.name):
        if mistake.stops:
            raise SiteNotMade(folder, f"{mistake.what}. {mistake.fix}")


def _next_steps(file: str, folder: Path) -> tuple[str, ...]:
    """Return what is to be done now: for a device where systemd knows the gate, else for a desk."""
    if any(is_taken(each / GATE_UNIT) for each in UNITS):
        return (
            f"This is a device: systemd has {GATE_UNIT}.",
            f"Next: seal the key, install the store, write {DEFAULT_PATH} and remove {shlex.quote(str(folder))},",
            '      as docs/installer.md says under "Key, store and configuration".',
            "      sudo edge-gate config check",
            "      sudo systemctl enable --now edge-gate edge-gate-eye",
        )
    return (f"Next: edge-gate doctor --config {file}", f"      edge-gate run --with-eye --config {file}")
