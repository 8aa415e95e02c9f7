# SPDX-License-Identifier: Apache-2.0
"""The one configuration file: the sections that it has, and how it is read and written.

Each setting is a field with its default, its bounds and a sentence of help. The file that `edge-gate init` writes, the
reference in docs/ and the checks are all made from these fields. Relative paths are taken from the folder of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, get_type_hints

from edge_gate.settings.camera import CameraSettings, InfraredSettings
from edge_gate.settings.conflicts import Problem, Sections, find_conflicts
from edge_gate.settings.consent import ConsentSettings
from edge_gate.settings.decision import DecisionSettings
from edge_gate.settings.door import DoorSettings
from edge_gate.settings.limiter import LimiterSettings
from edge_gate.settings.liveness import LivenessSettings
from edge_gate.settings.models import RELEASE_KEY, ModelSettings
from edge_gate.settings.quality import QualityLimits
from edge_gate.settings.reader import Mistake, Reader, read_text
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
    "ConsentSettings",
    "DecisionSettings",
    "DoorSettings",
    "InfraredSettings",
    "LimiterSettings",
    "LivenessSettings",
    "ModelSettings",
    "QualityLimits",
    "Reading",
    "RoleSettings",
    "SealSettings",
    "SiteSettings",
    "SocketSettings",
    "StoreSettings",
    "example",
    "load",
    "parse",
    "read",
    "sections",
]

DEFAULT_PATH: Final = Path("/etc/edge-gate/edge-gate.toml")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    site: SiteSettings = field(default_factory=SiteSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    infrared: InfraredSettings = field(default_factory=InfraredSettings)
    models: ModelSettings = field(default_factory=ModelSettings)
    quality: QualityLimits = field(default_factory=QualityLimits)
    liveness: LivenessSettings = field(default_factory=LivenessSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    limiter: LimiterSettings = field(default_factory=LimiterSettings)
    door: DoorSettings = field(default_factory=DoorSettings)
    consent: ConsentSettings = field(default_factory=ConsentSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    sockets: SocketSettings = field(default_factory=SocketSettings)
    roles: RoleSettings = field(default_factory=RoleSettings)
    seal: SealSettings = field(default_factory=SealSettings)


def load(path: Path) -> Config:
    """Read and check the file. Raises ConfigMissing, or ConfigError naming the file, the line and the fix."""
    return parse(read_text(path), path)


def parse(text: str, path: Path) -> Config:
    """Read a configuration from its text; ``path`` is named in errors and anchors relative paths."""
    reading = read(text, path)
    for mistake in reading.mistakes:
        raise mistake
    return reading.config


@dataclass(frozen=True, slots=True)
class Reading:
    """A file as it was read: the settings, with defaults for what is wrong, and every mistake."""

    config: Config
    mistakes: tuple[Mistake, ...]
    reader: Reader

    def locate(self, problems: Iterable[Problem]) -> Iterator[Mistake]:
        """Yield each problem with its line; not those of a setting that is wrong in itself."""
        wrong = {each.key for each in self.mistakes}
        for each in problems:
            if not wrong & set(each.keys):
                section, _, key = each.keys[0].partition(".")
                yield self.reader.complaint(section, key, each.what, each.fix, each.within, stops=each.stops)


def read(text: str, path: Path) -> Reading:
    """Read a configuration from its text with all its mistakes. Raises ConfigError where it is no TOML."""
    reader = Reader.parse(text, path)
    found, mistakes = reader.read(dict(sections()))
    reading = Reading(Config(**found), tuple(mistakes), reader)
    conflicts = reading.locate(find_conflicts(_judged(reading.config, reader.path)))
    return replace(reading, mistakes=(*mistakes, *conflicts))


def _judged(config: Config, path: Path) -> Sections:
    return Sections(path=path, **{name: getattr(config, name) for name in Sections.__slots__ if name != "path"})


def example(overrides: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """Return a whole commented file: every setting, its help, its default or the overriding value."""
    return write(sections(), overrides or {})


def sections() -> list[tuple[str, type]]:
    """Return each section's name and dataclass, in the order of the file."""
    hints = get_type_hints(Config)
    return [(each.name, hints[each.name]) for each in fields(Config)]
