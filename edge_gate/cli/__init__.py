# SPDX-License-Identifier: Apache-2.0
"""The command line: a thin layer of click over the library and the gate's control socket. One file per noun.

Commands are imported when they are called, so that `edge-gate run` loads no image library and `edge-gate eye` no store.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from edge_gate import __version__
from edge_gate.core.errors import EdgeGateError

# In the order in which a maintainer meets them: each command's module here, and its name there.
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "init": "init:command",
        "run": "serve:run",
        "eye": "serve:eye",
        "status": "status:command",
        "enrol": "enrol:command",
        "residents": "residents:command",
        "consent": "residents:consent",
        "forget": "forget:command",
        "templates": "templates:command",
        "events": "events:command",
        "audit": "audit:audit",
        "approvals": "approvals:command",
        "approve": "approvals:approve",
        "pause": "status:pause",
        "resume": "status:resume",
        "relay": "relays:relay",
        "keys": "keys.command:command",
        "doctor": "doctor:command",
        "models": "models:command",
        "evaluate": "evaluate:command",
        "bench": "bench:command",
        "demo": "demo:command",
    }
)


class LazyGroup(click.Group):
    """Knows the commands by name and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a maintainer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"edge_gate.cli.{module}"), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edge-gate")
def group() -> None:
    """Open a gate by the eye region alone, without keeping or sending a picture.

    Set up with `init`, start with `run` and `eye`, look with `status` and `doctor`. Where systemd runs edge-gate the
    two processes are its units, and the other commands speak with the running gate.
    """


def main() -> None:
    """Run the command line; an error of edge-gate's own is one line on stderr and its stable exit code."""
    try:
        group.main(standalone_mode=True)
    except EdgeGateError as error:
        click.echo(f"edge-gate: {error}", err=True)
        sys.exit(error.exit_code)
