# SPDX-License-Identifier: Apache-2.0
"""The whole judgement of a configuration: with the drivers, the board and the models that are installed besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from edge_gate.core import drivers
from edge_gate.core.errors import BadPulse, DriverUnusable, EdgeGateError, NoOperatingPoint, RelayError
from edge_gate.provenance import cards
from edge_gate.relays.loading import load_framing
from edge_gate.relays.pulses import frame_pulse
from edge_gate.settings.config import Config, ModelSettings
from edge_gate.settings.conflicts import Problem
from edge_gate.settings.examination import examine
from edge_gate.settings.reader import Mistake, read_text

Rule = Callable[[Config], Iterator[Problem]]


def find_mistakes(path: Path, *more: Rule) -> list[Mistake]:
    """Return all that is wrong with a file, and what ``more`` rules find. Raises ConfigMissing or AccessDenied."""
    try:
        return judge(read_text(path), path, *more)
    except Mistake as mistake:
        return [mistake]


def judge(text: str, path: Path, *more: Rule) -> list[Mistake]:
    """Return everything that is wrong with a configuration of this text. Raises Mistake where it is no TOML."""
    reading, mistakes = examine(text, path)
    found = chain.from_iterable(rule(reading.config) for rule in (find_unsupported, *more))
    return [*mistakes, *reading.locate(found)]


def find_unsupported(config: Config) -> Iterator[Problem]:
    """Yield what no driver, board or model of this installation can do."""
    wanted = [
        ("camera.driver", "edge_gate.cameras", config.camera.driver),
        ("door.relay", "edge_gate.relays", config.door.relay),
    ]
    if config.infrared.driver:
        wanted.append(("infrared.driver", "edge_gate.cameras", config.infrared.driver))
    for key, group, name in wanted:
        if name not in (known := drivers.names(group)):
            yield Problem(
                (key,), f"{key} is {name!r}, and no such driver is installed", f"Use one of {', '.join(known)}"
            )
    if config.door.relay in drivers.names("edge_gate.relays"):
        yield from _find_impossible_pulse(config)
    yield from _find_missing_threshold(config)
    yield from _find_unknown_models(config)


def _find_impossible_pulse(config: Config) -> Iterator[Problem]:
    door = config.door
    try:
        framing, _ = load_framing(door)
        frame_pulse(framing, door.channel, door.pulse_ms)
    except BadPulse as error:
        first, other = ("channel", "pulse_ms") if "door.channel" in str(error) else ("pulse_ms", "channel")
        keys = (f"door.{first}", f"door.{other}", "door.channels", "door.relay")
        yield Problem(keys, str(error).rstrip("."), "Choose what this board can do, or another board")
    except (DriverUnusable, RelayError) as error:
        yield Problem(("door.relay",), str(error).rstrip("."), "Tell its maker")


def _find_missing_threshold(config: Config) -> Iterator[Problem]:
    try:
        cards.read(config.models, config.models.eyes).threshold("fused", config.decision.fmr)
    except NoOperatingPoint as error:
        yield Problem(("decision.fmr", "models.eyes"), str(error).rstrip("."), "Use one of those")
    except EdgeGateError:  # the models are looked at by themselves (edge_gate/cli/checks/health.py)
        return


def _find_unknown_models(config: Config) -> Iterator[Problem]:
    models = config.models
    used = models.used.values()
    for name in models.allow_unsigned:
        if name not in used and not _has_card(models, name):
            what = f"models.allow_unsigned has {name!r}, and there is no such model"
            keys = ("models.allow_unsigned", "models.folder")
            yield Problem(keys, what, f"Known here: {', '.join(used)}", within=name)


def _has_card(models: ModelSettings, name: str) -> bool:
    try:
        return (cards.folder(models.folder) / f"{name}.toml").is_file()
    except (OSError, ValueError):  # what cannot be the name of a file
        return False
