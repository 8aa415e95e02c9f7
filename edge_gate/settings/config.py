# SPDX-License-Identifier: Apache-2.0
"""The one configuration file, read into frozen dataclasses.

Each setting is a field with its default, its bounds and a sentence of help; the file that `edge-gate init` writes,
the reference in docs/ and the checks below are all made from these fields. Relative paths are taken from the folder
of the file.
"""

from __future__ import annotations

import math
import re
from dataclasses import Field, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from edge_gate.core import toml_text
from edge_gate.core.errors import ConfigError, ConfigMissing
from edge_gate.provenance import minisign

DEFAULT_PATH = Path("/etc/edge-gate/edge-gate.toml")
# The key that signs the cards of the models that come with edge-gate (models/README.md).
RELEASE_KEY = "RWTW0GtBslzVUghv7kv2SbCtTtliNZsiZsr0g5MrOEPSVso18O07drm8"


def _setting(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    one_of: tuple[Any, ...] = (),
) -> Any:
    return field(default=default, metadata={"help": text, "low": low, "high": high, "one_of": one_of})


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """Who and where this terminal is."""

    name: str = _setting("edge-gate", "shown to residents and written into every event")
    language: str = _setting("zh", "language of what residents read first", one_of=("zh", "en"))


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Where pictures come from; they stay in the eye's memory for one iteration."""

    driver: str = _setting("v4l2", "an installed camera driver: v4l2, picamera2, replay")
    source: str = _setting(
        "/dev/edge-gate-camera", "device, libcamera index, film or folder, as the driver understands it"
    )
    width: int = _setting(640, "pixels", low=160, high=4096)
    height: int = _setting(480, "pixels", low=120, high=4096)
    fps: int = _setting(15, "pictures a second to ask for", low=1, high=60)
    rotate_deg: int = _setting(0, "how far the camera is mounted turned, clockwise", one_of=(0, 90, 180, 270))
    stall_s: float = _setting(2.0, "no picture for this long is a fault", low=0.5, high=60)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which models the eye loads; each needs a provenance card beside it, and the card a signature."""

    folder: Path = _setting(Path(), "where the models are; empty for those installed with edge-gate")
    eyes: str = _setting("eyes-sface-48x112", "the eye-region model")
    detector: str = _setting("face_detection_yunet_2023mar_int8", "finds a face")
    mesh: str = _setting("face_landmark", "the 468-point face mesh")
    lids: str = _setting("iris_landmark", "tells open eyes from closed ones")
    threads: int = _setting(1, "threads for each model", low=1, high=4)
    trusted_keys: tuple[str, ...] = _setting(
        (RELEASE_KEY,),
        "minisign public keys whose signature makes a card good; the default is edge-gate's own, which changes only"
        " with edge-gate",
    )
    allow_unsigned: tuple[str, ...] = _setting(
        (), "names of models that load although no trusted key signed their card; told at every start"
    )


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """What a strip must be before it is compared; a resident is told which one failed."""

    min_interocular_px: float = _setting(22.0, "pixels between the eyes: below, 'come closer'", low=8, high=400)
    max_interocular_px: float = _setting(600.0, "pixels between the eyes: above, 'step back'", low=30, high=2000)
    min_sharpness: float = _setting(0.35, "0 to 1: below, 'hold still'", low=0, high=1)
    min_exposure: float = _setting(0.06, "mean brightness 0 to 1: below, 'too dark'", low=0, high=1)
    max_exposure: float = _setting(0.88, "mean brightness 0 to 1: above, 'too bright'", low=0, high=1)
    max_yaw_deg: float = _setting(25.0, "head turned sideways: above, 'look at the camera'", low=5, high=60)
    max_pitch_deg: float = _setting(25.0, "head up or down: above, 'look at the camera'", low=5, high=60)
    min_eyes_open: float = _setting(
        0.12, "the narrower eye's height by width: below, 'open your eyes'", low=0, high=0.5
    )


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """When a person counts as recognised."""

    fmr: float = _setting(
        1e-4, "false match rate the threshold is taken for, from the model's card", low=1e-7, high=1e-1
    )
    min_sightings: int = _setting(3, "good sightings that are fused before a decision", low=2, high=20)
    window_s: float = _setting(4.0, "an approach that has not been recognised for so long is refused", low=0.5, high=30)
    attempts: int = _setting(3, "windows a person gets before they have to step away", low=1, high=20)
    gap_s: float = _setting(1.0, "an approach ends when nobody was seen for so long", low=0.2, high=10)
    hold_off_s: float = _setting(5.0, "the same resident opens once in this time", low=0, high=600)


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """The relay that opens, and for how long. How the lock behaves without power is a matter of its wiring."""

    relay: str = _setting("lcus1", "an installed relay protocol: lcus1, modbus-waveshare")
    port: str = _setting("/dev/edge-gate-relay", "the serial port")
    baud: int = _setting(9600, "bits a second", one_of=(1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200))
    address: int = _setting(1, "the board's address on the bus (Modbus)", low=1, high=247)
    channels: int = _setting(1, "relays on the board; all are switched off at start", low=1, high=32)
    channel: int = _setting(1, "the relay that the lock hangs on, counted from 1", low=1, high=32)
    pulse_ms: int = _setting(700, "how long the lock is released", low=100, high=25_000)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The encrypted store and where its key comes from."""

    path: Path = _setting(Path("/var/lib/edge-gate/edge-gate.db"), "the database")
    key_file: Path = _setting(Path(), "for a trial: a file with mode 0600. Empty: the systemd credential `store-key`")


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Where the two processes and the CLI meet."""

    eye: Path = _setting(Path("/run/edge-gate/eye/eye.sock"), "the eye tells the gate what it sees")
    control: Path = _setting(Path("/run/edge-gate/control/control.sock"), "the CLI speaks to the gate")
    operators: str = _setting(
        "edge-gate", "the Unix group whose members are maintainers; root and the gate's own user always may call"
    )
    eye_user: str = _setting("", "the only user that may be the eye; empty: the gate's own user or root")


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """Who may do what at the control socket, and what takes two of them. A group that does not exist has no members."""

    installer: str = _setting("edge-gate-installer", "the Unix group that may try the relay and see the status")
    maintainer: str = _setting(
        "edge-gate-maintainer", "the Unix group that enrols, forgets and runs the day; sockets.operators may too"
    )
    auditor: str = _setting("edge-gate-auditor", "the Unix group that reads audit log, events and status only")
    people_per_hour: int = _setting(
        10,
        "enrolments and deletions in an hour, whoever makes them; each one more needs a second person",
        low=1,
        high=1000,
    )
    approval_minutes: int = _setting(15, "how long a request waits for the second person", low=1, high=1440)


@dataclass(frozen=True, slots=True)
class SealSettings:
    """The wall from inside: what each process gives up for good at its start (see docs/maintainer.md, "Sealed")."""

    required: bool = _setting(
        True, "a process in which a wall fails that this machine could have does not start; false lets it start"
    )


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
    try:
        text = toml_text.content_of(path).decode()
    except FileNotFoundError as error:
        raise ConfigMissing(path) from error
    except OSError as error:
        raise ConfigError(path, 0, error.strerror or str(error), "Check its permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, 1, "this is not UTF-8 text", "Save the file as UTF-8") from error
    except ValueError as error:
        raise ConfigError(path, 0, str(error), "Compare with docs/configuration.md") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """Read a configuration from its text; ``path`` is named in errors and anchors relative paths."""
    try:
        document = toml_text.table(text)
    except ValueError as error:
        found = re.search(r"line (\d+)", str(error))
        line = found[1] if found else len(text.splitlines())  # "at end of document"
        raise ConfigError(path, line, f"not valid TOML ({error})", "Compare with docs/configuration.md") from error
    reader = _Reader(path.absolute(), text.splitlines())
    return reader.config(document)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Holds what every complaint must name: the file and its lines."""

    path: Path
    lines: list[str]

    def config(self, document: dict[str, Any]) -> Config:
        known = {each.name: each for each in fields(Config)}
        sections: dict[str, Any] = {}
        for name, values in document.items():
            if name not in known:
                raise self._unknown(name, list(known), section=None)
            if not isinstance(values, dict):
                raise self._error(None, name, f"{name} is a section", f"Write it as [{name}]")
            sections[name] = self._section(name, get_type_hints(Config)[name], values)
        config = Config(**sections)
        if config.door.channel > config.door.channels:
            raise self._error(
                "door", "channel", f"channel {config.door.channel} of {config.door.channels}", "Raise door.channels"
            )
        self._check_keys(config.models.trusted_keys)
        return config

    def _check_keys(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            try:
                minisign.PublicKey.parse(key)
            except minisign.Malformed as error:
                first = self._line("models", "trusted_keys")
                begin = max(first, 1)
                rest = enumerate(self.lines[begin - 1 :], begin)  # a list may go over several lines
                line = next((number for number, text in rest if f"'{key}'" in text or f'"{key}"' in text), first)
                what = f"models.trusted_keys has {key!r}, which is no minisign public key: {error}"
                fix = "Copy the line that begins with RW from the .pub file"
                raise ConfigError(self.path, line, what, fix) from error

    def _section(self, section: str, kind: Any, values: dict[str, Any]) -> Any:
        known = {each.name: each for each in fields(kind)}
        hints = get_type_hints(kind)
        read: dict[str, Any] = {}
        for key, value in values.items():
            if key not in known:
                raise self._unknown(key, list(known), section)
            read[key] = self._value(section, known[key], hints[key], value)
        return kind(**read)

    def _value(self, section: str, setting: Field[Any], kind: type, value: Any) -> Any:
        what = f"{section}.{setting.name}"
        if isinstance(value, str) and "\0" in value:
            raise self._error(section, setting.name, f"{what} has a zero byte", "Leave it out")
        if kind is Path and isinstance(value, str):
            return self.path.parent / value if value else Path()
        if get_origin(kind) is tuple:
            return self._texts(section, setting, value)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < 2**63 else math.inf
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            wanted = {
                int: "a whole number",
                float: "a number",
                str: "text in quotes",
                Path: "a path in quotes",
                bool: "true or false",
            }[kind]
            raise self._error(section, setting.name, f"{what} is {value!r}", f"Write {wanted}")
        allowed, low, high = (setting.metadata[name] for name in ("one_of", "low", "high"))
        if allowed and value not in allowed:
            raise self._error(
                section, setting.name, f"{what} is {value!r}", f"Use one of {', '.join(map(str, allowed))}"
            )
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise self._error(section, setting.name, f"{what} is {value}", f"Use {low:g} to {high:g}")
        return value

    def _texts(self, section: str, setting: Field[Any], value: Any) -> tuple[str, ...]:
        what = f"{section}.{setting.name}"
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self._error(section, setting.name, f"{what} is {value!r}", 'Write a list: ["...", "..."]')
        return tuple(value)

    def _unknown(self, name: str, known: list[str], section: str | None) -> ConfigError:
        near = get_close_matches(name, known, 1)
        fix = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(known)}"
        what = f"unknown key {name!r} in [{section}]" if section else f"unknown section [{name}]"
        return self._error(section, name, what, fix)

    def _error(self, section: str | None, key: str, what: str, fix: str) -> ConfigError:
        return ConfigError(self.path, self._line(section, key), what, fix.rstrip("."))

    def _line(self, section: str | None, key: str) -> int:
        """Return the line, counted from 1, that sets ``key`` in ``section``; tomllib keeps no positions."""
        current: str | None = None
        for number, line in enumerate(self.lines, 1):
            if header := re.match(r"\s*\[{1,2}([^\]]+)\]", line):
                current = header[1].strip()
                if section is None and current.split(".")[0] == key:
                    return number
            elif re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line) and current == section:
                return number
        return 0


def example(overrides: dict[str, dict[str, Any]] | None = None) -> str:
    """Return a whole commented file: every setting, its help, its default or the overriding value."""
    chosen = overrides or {}
    parts: list[str] = []
    for section in fields(Config):
        kind = get_type_hints(Config)[section.name]
        parts.append(f"# {(kind.__doc__ or '').strip()}\n[{section.name}]")
        for setting in fields(kind):
            value = chosen.get(section.name, {}).get(setting.name, setting.default)
            line = f"{setting.name} = {_toml(value)}"
            known = setting.name in chosen.get(section.name, {})
            parts.append(f"# {setting.metadata['help']}{_bounds(setting)}\n{'' if known else '# '}{line}")
        parts.append("")
    return "\n".join(parts)


def _bounds(setting: Field[Any]) -> str:
    allowed, low, high = (setting.metadata[name] for name in ("one_of", "low", "high"))
    if allowed:
        return f" ({', '.join(map(str, allowed))})"
    return f" ({low:g} to {high:g})" if low is not None else ""


def _toml(value: Any) -> str:
    if isinstance(value, Path):
        value = "" if value == Path() else str(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)


def sections() -> list[tuple[str, type]]:
    """Return each section's name and dataclass, in the order of the file (for docs/configuration.md)."""
    hints = get_type_hints(Config)
    return [(each.name, hints[each.name]) for each in fields(Config) if is_dataclass(hints[each.name])]
