# SPDX-License-Identifier: Apache-2.0
"""A site without systemd, for a trial at a desk, the demo and the benchmark: one folder with all that it needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import AlreadyInitialised
from edge_gate.settings import config
from edge_gate.settings.camera import parse_recording

CONFIG_NAME: Final = "edge-gate.toml"


def camera_settings(camera: str) -> dict[str, Any]:
    """Return the driver and source for what a person calls a camera: a film or folder is replayed, all else is V4L2."""
    recording = parse_recording(camera)
    try:
        recorded = recording.path.is_dir() or recording.path.is_file()
    except OSError:  # a name too long to be one
        recorded = False
    if recorded:
        return {"driver": "replay", "source": ":".join((*recording.words, str(recording.path.absolute())))}
    return {"driver": "v4l2", "source": camera}


def make_site(folder: Path, overrides: dict[str, dict[str, Any]]) -> Path:
    """Write configuration, key and store into a folder and return the configuration's path.

    Raises AlreadyInitialised, before anything is written, where there is a configuration or a store. A key without a
    store is taken as it is: no key is ever overwritten.
    """
    from edge_gate.store.database import Store  # here, because `edge-gate eye` must not load the store
    from edge_gate.store.keys.source import create_key_file, load_key

    file, key_file, database = folder / CONFIG_NAME, folder / "store.key", folder / "edge-gate.db"
    for each in (file, database):
        if each.exists():
            raise AlreadyInitialised(each)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    here: dict[str, dict[str, Any]] = {
        "store": {"path": database.name, "key_file": key_file.name},
        "sockets": {"eye": "run/eye.sock", "control": "run/control.sock"},
    }
    text = config.example({**here, **overrides})
    settings = config.parse(text, file)
    if not key_file.exists():  # a power cut may have come between the key and the store
        create_key_file(key_file)
    Store.create(settings.store.path, load_key(settings.store, os.environ), SystemClock()).close()
    file.write_text(text, encoding="utf-8")
    return file
