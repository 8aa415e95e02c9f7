# SPDX-License-Identifier: Apache-2.0
"""What several commands share: where the configuration is, and how an answer is shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from edge_gate.cli.terminal import say, say_json
from edge_gate.cli.usual_config import TRIAL, usual_config
from edge_gate.core import time_zones
from edge_gate.core.local_time import LocalTime
from edge_gate.core.output import escape
from edge_gate.settings import config

Function = TypeVar("Function", bound=Callable[..., Any])


class TextType(click.types.StringParamType):
    """What people call something. As UTF-8 where the locale has no such characters, as in the C locale of a service."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; a file's name may be any bytes, a text may not."""
        typed = str(super().convert(value, param, ctx))
        try:
            return os.fsencode(typed).decode() if any("\ud800" <= each <= "\udfff" for each in typed) else typed
        except UnicodeError:
            self.fail("it is no UTF-8 text.", param, ctx)


class LineType(TextType):
    """A text that the gate takes: one line, not empty, and with nothing that a terminal would obey."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, or say what is wrong with it in the words of the command line."""
        typed = super().convert(value, param, ctx)
        if not typed.strip():
            self.fail("there is nothing in it.", param, ctx)
        if len(typed) > LONGEST_LINE:
            self.fail(f"it has {len(typed)} characters, and {LONGEST_LINE} are the most.", param, ctx)
        if escape(typed) != typed:
            self.fail("it has a line break, or another character that cannot be shown.", param, ctx)
        return typed


LONGEST_LINE: Final = 200
TEXT: Final = TextType()
LINE: Final = LineType()


def find_config(named: Path | None) -> Path:
    """Return the configuration to use: as named, else the usual one, told where there was a choice."""
    if named is not None:
        return named
    chosen = usual_config()
    if chosen.told:
        say(f"edge-gate: {chosen.told}", err=True)
    return chosen.path


def config_option(function: Function) -> Function:
    """Add ``--config``."""
    return click.option(
        "--config",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="EDGE_GATE_CONFIG",
        callback=lambda _, __, named: find_config(named),
        help=f"The configuration file. Otherwise $EDGE_GATE_CONFIG, ./{TRIAL} or {config.DEFAULT_PATH}.",
    )(function)


def json_option(function: Function) -> Function:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(function)


def local_time(settings: config.Config) -> LocalTime:
    """Return the time zone in which this site's people read and write."""
    return time_zones.local_time(settings.site.time_zone, os.environ)


def show_json(value: Any) -> None:
    """Print one JSON document."""
    say_json(value)
