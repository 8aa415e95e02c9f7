# SPDX-License-Identifier: Apache-2.0
"""`edge-gate config`: whether the configuration can work, before anything is started with it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge_gate.cli.common import config_option, json_option, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.terminal import say, say_fields
from edge_gate.settings import config
from edge_gate.settings.oversight import names, word
from edge_gate.settings.reader import Mistake, Reader, read_text


@click.group("config", cls=Group)
def command() -> None:
    """Look at the configuration."""


@command.command()
@config_option
@json_option
def check(path: Path, as_json: bool) -> None:
    """Find what cannot work in the configuration, and how to mend it.

    Looked at are the settings in themselves, with each other, with the users, groups and paths of this system, and with
    the drivers and models that are installed. Nothing is started and nothing is changed. What may be meant, such as a
    board that is not plugged in, is only told. Exit status 1 where something has to be mended.

    Of each setting that the file has it is said how many people a change takes, after the first start: one; two; or
    "two, shut", and until the second agrees nothing is opened. In brackets is what one may do alone.
    """
    from edge_gate.cli.checks.presence import find_absent
    from edge_gate.cli.checks.settings import find_mistakes

    mistakes = sorted(find_mistakes(path, find_absent), key=lambda each: each.line)
    takes = {name: word(name) for name in _list_set(path)}
    stopping = sum(each.stops for each in mistakes)
    if as_json:
        found = [
            {"key": each.key, "line": each.line, "what": each.what, "fix": each.fix, "stops": each.stops}
            for each in mistakes
        ]
        show_json({"file": str(path), "mistakes": found, "takes": takes})
    else:
        say_fields(takes.items())
        for each in mistakes:
            say(str(each))
        told = f", {len(mistakes) - stopping} to look at" if len(mistakes) > stopping else ""
        say(f"{path}: {stopping or 'nothing'} to mend{told}.")
    sys.exit(1 if stopping else 0)


def _list_set(path: Path) -> list[str]:
    """Return the settings that the file has, in the order of the reference; none where it cannot be read."""
    try:
        document = Reader.parse(read_text(path), path).document
    except Mistake:
        return []
    known = [name for section, kind in config.sections() for name in names(section, kind)]
    chosen = {f"{section}.{key}" for section, keys in document.items() if isinstance(keys, dict) for key in keys}
    return [name for name in known if name in chosen]
