# SPDX-License-Identifier: Apache-2.0
"""A site without systemd, for a trial at a desk, the demo and the benchmark: one folder with all that it needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from edge_gate.core.access import denied, is_taken, own_name, who_may_exchange, why_closed
from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import AlreadyInitialised, NotAllowed, SiteNotMade
from edge_gate.settings import config
from edge_gate.settings.camera import parse_recording

CONFIG_NAME: Final = "edge-gate.toml"
STORE_NAME: Final = "edge-gate.db"
KEY_NAME: Final = "store.key"
# The folder is its owner's alone. A site that moves this file elsewhere has it read by the eye's user too.
READABLE: Final = 0o644

Overrides = Mapping[str, Mapping[str, Any]]


def camera_settings(camera: str) -> dict[str, Any]:
    """Return the driver and source for what a person calls a camera: a film or folder is replayed, all else is V4L2."""
    recording = parse_recording(camera)
    try:
        recorded = recording.path != Path() and (recording.path.is_dir() or recording.path.is_file())
    except OSError:  # a name too long to be one
        recorded = False
    if recorded:
        return {"driver": "replay", "source": ":".join((*recording.words, str(recording.path.absolute())))}
    return {"driver": "v4l2", "source": camera if camera.isdecimal() else from_here(camera)}


def from_here(path: str) -> str:
    """Return what a person in the current folder means by a path; what is empty is for the settings to refuse."""
    return str(Path(path).absolute()) if path.strip() else path


def make_site(folder: Path, overrides: Overrides) -> Path:
    """Write configuration, key and store into a folder and return the configuration's path.

    Raises AlreadyInitialised, before anything is written, where there is a configuration or a store. A key without a
    store is taken as it is: no key is ever overwritten. Where it fails in the middle, nothing that it made stays.
    """
    from edge_gate.store.database import Store  # here, because `edge-gate eye` must not load the store
    from edge_gate.store.files import appearing
    from edge_gate.store.keys.anchor import anchor_path
    from edge_gate.store.keys.keyring import keyring_path
    from edge_gate.store.keys.source import create_key_file, load_key

    file, key_file, database = folder / CONFIG_NAME, folder / KEY_NAME, folder / STORE_NAME
    text = site_text(overrides)
    settings = config.parse(text, file)
    for each in (file, database):
        if is_taken(each):
            raise AlreadyInitialised(each)
    with ExitStack() as undo:
        _make_folder(folder, undo)
        if not is_taken(key_file):  # a power cut may have come between the key and the store
            create_key_file(key_file)
            undo.callback(_take_back, key_file.unlink)
        beside = [each for each in (keyring_path(database), anchor_path(database)) if not is_taken(each)]
        Store.create(settings.store.path, load_key(settings.store, os.environ), SystemClock()).close()
        for each in (database, *beside):
            undo.callback(_take_back, each.unlink)
        with appearing(file) as draft:
            draft.write(text.encode())
            draft.allow(READABLE)
        undo.pop_all()
    return file


def site_text(overrides: Overrides) -> str:
    """Return the configuration of a site whose files are all in its own folder."""
    here: Overrides = {
        "store": {"path": STORE_NAME, "key_file": KEY_NAME},
        "sockets": {"eye": "run/eye.sock", "control": "run/control.sock"},
    }
    return config.example({**here, **overrides})


def _make_folder(folder: Path, undo: ExitStack) -> None:
    """Make a folder with those above it. Raises NotAllowed, or SiteNotMade for what is no place for one.

    Root makes none where another user could exchange a file while root writes it, or a folder above it.
    """
    try:
        if os.geteuid() == 0 and (why := who_may_exchange(folder)):
            fix = "Make it as the user whose folder it is, without sudo, or choose a folder of root's with --folder"
            raise SiteNotMade(folder, f"{why}, so root's files would not be safe there. {fix}")
        for each in reversed([each for each in (folder, *folder.parents) if not is_taken(each)]):
            each.mkdir(mode=0o700)
            undo.callback(_take_back, each.rmdir)
        if not folder.is_dir():
            raise SiteNotMade(folder, "something that is no folder is in its place")
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
            raise denied(folder)
    except PermissionError as error:
        hint = f"Choose another place with --folder, or use sudo: {why_closed(folder)}."
        raise NotAllowed(own_name(), hint) from error
    except OSError as error:
        raise SiteNotMade(folder, error.strerror or str(error)) from error


def _take_back(remove: Callable[[], None]) -> None:
    with suppress(OSError):  # what went wrong before is what is told
        remove()
