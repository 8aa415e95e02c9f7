# SPDX-License-Identifier: Apache-2.0
"""The one configuration file: the sections that it has, and how it is read and written.

Each setting is a field with its default, its bounds and a sentence of help. The file that `edge-gate init` writes, the
reference in docs/ and the checks are all made from these fields. Relative paths are taken from the folder of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, get_type_hints

from edge_gate.core import time_zones
from edge_gate.core.errors import TimeZoneUnknown
from edge_gate.provenance import minisign
from edge_gate.settings.camera import CameraSettings
from edge_gate.settings.decision import DecisionSettings
from edge_gate.settings.door import DoorSettings
from edge_gate.settings.models import RELEASE_KEY, ModelSettings
from edge_gate.settings.quality import QualityLimits
from edge_gate.settings.reader import Reader, read_text
from edge_gate.settings.roles import RoleSettings
from edge_gate.settings.seal import SealSettings
from edge_gate.settings.site import SiteSettings
from edge_gate.settings.sockets import SocketSettings
from edge_gate.settings.store import StoreSettings
from edge_gate.settings.writer import write

__all__ = [
    "DEFAULT_PATH",
    "RELEASE_KEY",
    "CameraSettings",
    "Config",
    "DecisionSettings",
    "DoorSettings",
    "ModelSettings",
    "QualityLimits",
    "RoleSettings",
    "SealSettings",
    "SiteSettings",
    "SocketSettings",
    "StoreSettings",
    "example",
    "load",
    "parse",
    "sections",
]

DEFAULT_PATH: Final = Path("/etc/edge-gate/edge-gate.toml")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    site: SiteSettings = field(default_factory=SiteSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    models: ModelSettings = field(default_factory=ModelSettings)
    quality: QualityLimits = field(default_factory=QualityLimits)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    door: DoorSettings = field(default_factory=DoorSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    sockets: SocketSettings = field(default_factory=SocketSettings)
    roles: RoleSettings = field(default_factory=RoleSettings)
    seal: SealSettings = field(default_factory=SealSettings)


def load(path: Path) -> Config:
    """Read and check the file. Raises ConfigMissing, or ConfigError naming the file, the line and the fix."""
    return parse(read_text(path), path)


def parse(text: str, path: Path) -> Config:
    """Read a configuration from its text; ``path`` is named in errors and anchors relative paths."""
    reader = Reader.parse(text, path)
    config = Config(**reader.read(dict(sections())))
    _check_zone(reader, config.site)
    _check_channel(reader, config.door)
    _check_keys(reader, config.models)
    return config


def example(overrides: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """Return a whole commented file: every setting, its help, its default or the overriding value."""
    return write(sections(), overrides or {})


def sections() -> list[tuple[str, type]]:
    """Return each section's name and dataclass, in the order of the file."""
    hints = get_type_hints(Config)
    return [(each.name, hints[each.name]) for each in fields(Config)]


def _check_zone(reader: Reader, site: SiteSettings) -> None:
    if site.time_zone:
        try:
            time_zones.named_zone(site.time_zone)
        except TimeZoneUnknown as error:
            name, advice = error.args
            what = f"site.time_zone is {name!r}, which is no time zone of this system"
            raise reader.complaint("site", "time_zone", what, advice) from error


def _check_channel(reader: Reader, door: DoorSettings) -> None:
    if door.channel > door.channels:
        what = f"channel {door.channel} of {door.channels}"
        raise reader.complaint("door", "channel", what, "Raise door.channels")


def _check_keys(reader: Reader, models: ModelSettings) -> None:
    for key in models.trusted_keys:
        try:
            minisign.PublicKey.parse(key)
        except minisign.Malformed as error:
            what = f"models.trusted_keys has {key!r}, which is no minisign public key: {error}"
            fix = "Copy the line that begins with RW from the .pub file"
            raise reader.complaint("models", "trusted_keys", what, fix, within=key) from error
