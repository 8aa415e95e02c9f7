# SPDX-License-Identifier: Apache-2.0
"""A configuration with all that is wrong with it, in itself and on this system; and one that a process may run with."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_gate.settings import config
from edge_gate.settings.config import Config, Reading
from edge_gate.settings.reader import Mistake, read_text
from edge_gate.settings.surroundings import find_misfits, look

_log = logging.getLogger(__name__)


def examine(text: str, path: Path) -> tuple[Reading, list[Mistake]]:
    """Read a configuration from its text and judge all of it. Raises Mistake where it is no TOML."""
    reading = config.read(text, path)
    misfits = find_misfits(reading.config, look(reading.config))
    return reading, [*reading.mistakes, *reading.locate(misfits)]


def load_to_run(path: Path) -> Config:
    """Return the settings for a process that is about to start.

    Raises ConfigMissing, AccessDenied, or Mistake for what cannot work. What may be meant is told in the log.
    """
    reading, mistakes = examine(read_text(path), path)
    for mistake in mistakes:
        if mistake.stops:
            raise mistake
        _log.warning("%s", mistake)
    return reading.config


def read_arguments(program: str, purpose: str, argv: Sequence[str] | None) -> tuple[Path, Config]:
    """Begin a process that serves: its log goes to stderr. Return its configuration's path, and the settings.

    Raises SystemExit for a mistake in the typing, and what `load_to_run` raises.
    """
    import argparse

    parser = argparse.ArgumentParser(prog=program, description=purpose)
    parser.add_argument("--config", type=Path, default=config.DEFAULT_PATH, metavar="PATH", help="default: %(default)s")
    path: Path = parser.parse_args(argv).config
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    return path, load_to_run(path)
