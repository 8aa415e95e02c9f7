# SPDX-License-Identifier: Apache-2.0
"""The command line: a thin layer of click over the library and the gate's control socket. One file per noun.

Commands are imported when they are called, so that `edge-gate run` loads no image library and `edge-gate eye` no store.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Final, NoReturn

import click

from edge_gate import __version__
from edge_gate.cli.groups import Group
from edge_gate.cli.terminal import say
from edge_gate.core.ending import end_well
from edge_gate.core.interrupts import ending_at_once

# By what they are for, in the order in which people meet them: each command's module here, and its name there.
SECTIONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "Set up": {
            "init": "init:command",
            "config": "configuration:command",
            "run": "serve:run",
            "eye": "serve:eye",
            "relay": "relays:relay",
            "doctor": "doctor:command",
        },
        "Every day": {
            "status": "status:command",
            "enrol": "enrol:command",
            "residents": "residents:command",
            "consent": "residents:consent",
            "forget": "forget:command",
            "events": "events:command",
            "approvals": "approvals:command",
            "approve": "approvals:approve",
            "pause": "status:pause",
            "resume": "status:resume",
            "guidance": "guidance:command",
        },
        "Keys and records": {
            "keys": "keys.command:command",
            "audit": "audit:audit",
            "templates": "templates:command",
            "models": "models:command",
        },
        "Look closer": {
            "demo": "demo:command",
            "bench": "bench:command",
            "evaluate": "evaluate:command",
            "pad": "pad:command",
        },
    }
)
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(dict(chain(*(each.items() for each in SECTIONS.values()))))


class LazyGroup(Group):
    """Knows the commands by name and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        with ending_at_once():
            command: click.Command = getattr(importlib.import_module(f"edge_gate.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under the headings of SECTIONS, with one column for all."""
        width = max(map(len, COMMANDS))
        for heading, names in SECTIONS.items():
            found = [(name.ljust(width), self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(
                    [(name, each.get_short_help_str(formatter.width - width - 6)) for name, each in found if each]
                )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edge-gate")
def group() -> None:
    """Open a gate by the eye region alone, without keeping or sending a picture.

    On a device, docs/installer.md has each step: systemd runs the gate and the eye, and the other commands speak with
    the running gate. For a trial at a desk: `init`, then `run --with-eye`.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Each failure is one line on stderr and an exit code (docs/maintainer.md, Exit codes)."""
    return end_well("edge-gate", partial(_call, arguments))


def _call(arguments: Sequence[str] | None) -> int:
    """Run a command; return its exit code. Raises what went wrong, but for mistakes in the typing."""
    try:
        ended = group.main(arguments, prog_name="edge-gate", standalone_mode=False)
    except click.Abort as abort:
        if isinstance(abort.__cause__ or abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from abort
        say("Aborted.", err=True)
        return 1
    except click.ClickException as mistake:
        told = io.StringIO()
        mistake.show(file=told)
        say(*told.getvalue().splitlines(), err=True)
        return mistake.exit_code
    return ended if isinstance(ended, int) else 0
