# SPDX-License-Identifier: Apache-2.0
"""Every command of the command line, for tests that try each of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from edge_gate.cli.usual_config import TRIAL


def standing_in(folder: Path) -> dict[str, str]:
    """Return the environment of whoever works in a folder with a trial: root, who has to name it, has named it."""
    named = {"EDGE_GATE_CONFIG": str(folder / TRIAL)} if os.geteuid() == 0 else {}
    return {**os.environ, **named}


def walk(command: click.Command, *words: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command and each group, itself first, with the words that call it."""
    yield " ".join(words), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, *words, name)


def callable_commands(command: click.Command) -> dict[str, click.Command]:
    """Return each command that can be called, by the words that call it."""
    return {words: found for words, found in walk(command) if not isinstance(found, click.Group)}
