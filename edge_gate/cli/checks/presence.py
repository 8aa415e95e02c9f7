# SPDX-License-Identifier: Apache-2.0
"""Whether what the settings name is there, and is what it is named for: models, store, key, relay, recording.

A program that starts finds each of these when it opens it, and `edge-gate doctor` looks at each by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from edge_gate.core.access import find
from edge_gate.core.errors import AccessDenied, ModelError
from edge_gate.provenance import cards
from edge_gate.relays.device import is_serial
from edge_gate.settings.camera import parse_recording
from edge_gate.settings.config import CameraSettings, Config
from edge_gate.settings.conflicts import Problem


def find_absent(config: Config) -> Iterator[Problem]:
    """Yield what is not there. What this user may not see is told, and stops nothing."""
    yield from _models(config)
    for key, rule in _RULES:
        try:
            yield from rule(config)
        except AccessDenied as error:
            why = str(error.args[1])
            yield Problem((key,), f"{key} may not be looked at by this user: {why}", "Repeat with sudo", stops=False)
        except OSError as error:  # a name that is too long, or links in a circle
            yield Problem((key,), f"{key} cannot be used: {error.strerror}", "Correct the path")


def _models(config: Config) -> Iterator[Problem]:
    models = config.models
    if not models.trusted_keys and not set(models.used.values()) <= set(models.allow_unsigned):
        what = "models.trusted_keys is empty, so that no signed model is loaded"
        yield Problem(("models.trusted_keys",), what, "Take the line out to have the key of edge-gate")
        return
    for setting, name in models.used.items():
        key = f"models.{setting}"
        try:
            cards.read(models, name)
        except ModelError as error:
            keys = (key, "models.folder", "models.trusted_keys", "models.allow_unsigned")
            fix = "`edge-gate models list` shows what is here"
            yield Problem(keys, f"{key}: {str(error).rstrip('.')}", fix)


def _store(config: Config) -> Iterator[Problem]:
    if find(path := config.store.path) is None:
        what = f"store.path is {path}, and no store is there"
        yield Problem(("store.path",), what, "Make one with `edge-gate init`, or correct the path")


def _key_file(config: Config) -> Iterator[Problem]:
    path = config.store.key_file
    if path != Path() and find(path) is None:
        fix = "Correct the path, or take the line out where systemd passes the key"
        yield Problem(("store.key_file",), f"store.key_file is {path}, and no key is there", fix)


def _port(config: Config) -> Iterator[Problem]:
    found = find(Path(config.door.port))
    if found is None:
        what = f"door.port is {config.door.port}, and nothing is plugged in there"
        fix = "Plug the board in; `ls /dev/serial/by-id` shows its name"
        yield Problem(("door.port",), what, fix, stops=False)
    elif not is_serial(found):
        yield Problem(("door.port",), f"door.port is {config.door.port}, which is no serial line", "Correct the path")


def _recording(config: Config) -> Iterator[Problem]:
    yield from _recorded(config.camera)


def _infrared_recording(config: Config) -> Iterator[Problem]:
    yield from _recorded(config.infrared)


def _recorded(camera: CameraSettings) -> Iterator[Problem]:
    if not camera.recording:
        return
    path = parse_recording(camera.source).path
    if find(path) is None or not (path.is_dir() or path.is_file()):
        what = f"{camera.section}.source is {path}, and no film or folder is there"
        yield Problem((f"{camera.section}.source", f"{camera.section}.driver"), what, "Correct the path")


_RULES: Final[tuple[tuple[str, Callable[[Config], Iterator[Problem]]], ...]] = (
    ("store.path", _store),
    ("store.key_file", _key_file),
    ("door.port", _port),
    ("camera.source", _recording),
    ("infrared.source", _infrared_recording),
)
