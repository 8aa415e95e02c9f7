# SPDX-License-Identifier: Apache-2.0
"""Every command of the command line, for tests that try each of them."""

from __future__ import annotations

from collections.abc import Iterator

import click


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
