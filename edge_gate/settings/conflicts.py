# SPDX-License-Identifier: Apache-2.0
"""Which settings cannot work together: rules over the settings themselves, wherever and by whomever they are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_gate.core import time_zones
from edge_gate.core.errors import TimeZoneUnknown
from edge_gate.provenance import minisign
from edge_gate.settings.liveness import NEVER

if TYPE_CHECKING:
    from edge_gate.settings.camera import CameraSettings, InfraredSettings
    from edge_gate.settings.decision import DecisionSettings
    from edge_gate.settings.door import DoorSettings
    from edge_gate.settings.liveness import LivenessSettings
    from edge_gate.settings.models import ModelSettings
    from edge_gate.settings.quality import QualityLimits
    from edge_gate.settings.site import SiteSettings
    from edge_gate.settings.sockets import SocketSettings
    from edge_gate.settings.store import StoreSettings

LONGEST_NAME: Final = 80
# sun_path of unix(7), without the zero byte at its end.
LONGEST_SOCKET: Final = 107
# A head that is turned as a challenge asks (edge_gate.rules.challenge) is still to be recognised, with room.
LEAST_YAW_DEG: Final = 20.0
# What lies beside a store, by the ends of its names (edge_gate.store).
_BESIDE_STORE: Final = (".keyring", ".anchor", ".rotation", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that cannot work. ``keys``: the settings that it comes from, the one to correct first.

    ``within``: a text of a list that it is about. ``stops``: False for what may be meant, and is only told.
    """

    keys: tuple[str, ...]
    what: str
    fix: str
    within: str = ""
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections that the rules are about (edge_gate.settings.config.Config has all), and the file they are from."""

    site: SiteSettings
    camera: CameraSettings
    infrared: InfraredSettings
    models: ModelSettings
    quality: QualityLimits
    liveness: LivenessSettings
    decision: DecisionSettings
    door: DoorSettings
    store: StoreSettings
    sockets: SocketSettings
    path: Path


def find_conflicts(settings: Sections) -> Iterator[Problem]:
    """Yield every problem of the settings with each other."""
    for rule in _RULES:
        yield from rule(settings)


def _name(settings: Sections) -> Iterator[Problem]:
    name = settings.site.name
    if not name.strip():
        yield Problem(("site.name",), "site.name is empty", "Write what this site is called")
    elif len(name) > LONGEST_NAME:
        what = f"site.name has {len(name)} characters"
        yield Problem(("site.name",), what, f"Use {LONGEST_NAME} at most")


def _zone(settings: Sections) -> Iterator[Problem]:
    zone = settings.site.time_zone
    try:
        if zone:
            time_zones.named_zone(zone)
    except TimeZoneUnknown as error:
        name, advice = error.args
        yield Problem(("site.time_zone",), f"site.time_zone is {name!r}, which is no time zone of this system", advice)


def _limits(settings: Sections) -> Iterator[Problem]:
    for what in ("interocular_px", "exposure"):
        low, high = (getattr(settings.quality, f"{end}_{what}") for end in ("min", "max"))
        if low >= high:
            keys = (f"quality.min_{what}", f"quality.max_{what}")
            said = f"{keys[0]} is {low:g} and {keys[1]} is {high:g}, so that nothing is good enough"
            yield Problem(keys, said, f"Let {keys[0]} be the smaller one")


def _turns(settings: Sections) -> Iterator[Problem]:
    limit = settings.quality.max_yaw_deg
    if settings.liveness.challenge != NEVER and limit < LEAST_YAW_DEG:
        said = f"quality.max_yaw_deg is {limit:g}, so that nobody can turn their head as liveness.challenge asks"
        yield Problem(("quality.max_yaw_deg", "liveness.challenge"), said, f"Use {LEAST_YAW_DEG:g} at least")


def _sightings(settings: Sections) -> Iterator[Problem]:
    wanted, seen = settings.decision.min_sightings, settings.decision.window_s * settings.camera.fps
    if wanted > seen:
        said = f"decision.min_sightings is {wanted}, and the camera gives {seen:g} pictures in decision.window_s"
        keys = ("decision.min_sightings", "decision.window_s", "camera.fps")
        yield Problem(keys, f"{said}, so that nobody is recognised", "Raise decision.window_s or camera.fps")


def _channel(settings: Sections) -> Iterator[Problem]:
    door = settings.door
    if door.channel > door.channels:
        keys = ("door.channel", "door.channels")
        yield Problem(keys, f"channel {door.channel} of {door.channels}", "Raise door.channels")


def _keys(settings: Sections) -> Iterator[Problem]:
    for key in settings.models.trusted_keys:
        try:
            minisign.PublicKey.parse(key)
        except minisign.Malformed as error:
            what = f"models.trusted_keys has {key!r}, which is no minisign public key: {error}"
            fix = "Copy the line that begins with RW from the .pub file"
            yield Problem(("models.trusted_keys",), what, fix, within=key)


def _empty(settings: Sections) -> Iterator[Problem]:
    """Find what has to be said: an empty path would be the folder that a process happens to be in."""
    texts = {"camera.driver": settings.camera.driver, "camera.source": settings.camera.source}
    texts |= {"door.relay": settings.door.relay, "door.port": settings.door.port}
    texts |= {f"models.{key}": name for key, name in settings.models.used.items()}
    if settings.infrared.driver:
        texts["infrared.source"] = settings.infrared.source
    paths = {"store.path": settings.store.path}
    paths |= {"sockets.eye": settings.sockets.eye, "sockets.control": settings.sockets.control}
    for key in [key for key, text in texts.items() if not text.strip()]:
        yield Problem((key,), f"{key} is empty", "Take the line out to have the default")
    for key in [key for key, path in paths.items() if path == Path()]:
        yield Problem((key,), f"{key} is empty", "Take the line out to have the default")


def _pinned(settings: Sections) -> Iterator[Problem]:
    for each in (settings.camera, settings.infrared):
        if each.pinned and each.recording:
            key = f"{each.section}.pinned"
            what = f"{key} is set, and a recording is no camera"
            yield Problem((key, f"{each.section}.driver"), what, "Take the line out, or use a camera")


def _infrared(settings: Sections) -> Iterator[Problem]:
    camera, infrared = settings.camera, settings.infrared
    if (camera.driver, camera.source) == (infrared.driver, infrared.source):
        what = f"infrared.source is {infrared.source}, and so is camera.source"
        yield Problem(("infrared.source", "camera.source"), what, "Name the infrared camera, which is a second one")


def _model_names(settings: Sections) -> Iterator[Problem]:
    for key, name in settings.models.used.items():
        if "/" in name:
            what = f"models.{key} is {name!r}, and the name of a model is no path"
            yield Problem((f"models.{key}",), what, "Set models.folder to the folder, and this to the name")


def _sockets(settings: Sections) -> Iterator[Problem]:
    for key, path in (("sockets.eye", settings.sockets.eye), ("sockets.control", settings.sockets.control)):
        length = len(str(path).encode(errors="surrogateescape"))  # in whatever locale
        if length > LONGEST_SOCKET:
            what = f"{key} has a path of {length} bytes, and a socket's has {LONGEST_SOCKET} at most"
            yield Problem((key,), what, "Choose a shorter path, or another folder for the whole site")


def _places(settings: Sections) -> Iterator[Problem]:
    """Find two files at one path, and a file in whose place another one needs a folder."""
    store, sockets = settings.store, settings.sockets
    files = {"sockets.eye": sockets.eye, "sockets.control": sockets.control, "store.path": store.path}
    files |= {"store.key_file": store.key_file, "door.port": Path(settings.door.port), "": settings.path}
    named = [(key, Path(os.path.normpath(path))) for key, path in files.items() if path != Path()]
    beside = [("store.path", store.path.with_name(store.path.name + end)) for end in _BESIDE_STORE if store.path.name]
    for (one, first), (other, second) in combinations([*named, *beside], 2):
        if one != other and first == second:
            what = f"{_call(one)} and {_call(other)} are at one path, {first}"
            yield Problem(_set(one, other), what, "Choose another path for one of them")
    for outer, path in [*named, *beside]:
        if below := [key for key, inner in named if path in inner.parents]:
            names = ", ".join(map(_call, below))
            what = f"{_call(outer)} is {path}; it cannot be a file, since below it would be {names}"
            yield Problem(_set(outer, *below), what, "Write the path of a file, not of a folder")


def _call(key: str) -> str:
    return key or "this file itself"


def _set(*keys: str) -> tuple[str, ...]:
    return tuple(key for key in keys if key)


_RULES: Final[tuple[Callable[[Sections], Iterator[Problem]], ...]] = (
    _name, _zone, _limits, _turns, _sightings, _channel, _keys, _empty, _pinned, _infrared, _model_names, _sockets,
    _places,
)  # fmt: skip
