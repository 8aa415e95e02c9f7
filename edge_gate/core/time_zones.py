# SPDX-License-Identifier: Apache-2.0
"""Which time zone: one of the IANA database by its name, or the system's.

The rules of zones change by law. They come from the system's package tzdata, so an update of it is all that is needed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from edge_gate.core.errors import TimeZoneUnknown
from edge_gate.core.local_time import LocalTime
from edge_gate.core.plain_files import read_plain

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

# What reading a damaged or foreign file as a time zone may raise.
_UNREADABLE: Final = (OSError, ValueError, LookupError, EOFError, OverflowError, struct.error)
SYSTEM_ZONE: Final = Path("/etc/localtime")
_NAMES_SHOWN: Final = 3
_LONGEST: Final = 60
_LARGEST_ZONE: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9_+/-]+")
# How a zone is often called that is none of the database, whose `Etc/GMT-8` is what people call UTC+8.
_OFFSET: Final = re.compile(r"(?:UTC|GMT)?([+-])0?([0-9]|1[0-4])(?::?00)?", re.IGNORECASE | re.ASCII)


def local_time(name: str, environ: Mapping[str, str], system: Path = SYSTEM_ZONE) -> LocalTime:
    """Return the zone of this name; for an empty one the system's. Raises TimeZoneUnknown."""
    return named_zone(name) if name else system_zone(environ, system)


def named_zone(name: str) -> LocalTime:
    """Return the zone that the IANA database has by this name. Raises TimeZoneUnknown, which says what is near."""
    try:
        return _load(name)
    except _UNREADABLE as error:
        raise TimeZoneUnknown(name[:_LONGEST], _advice(name)) from error


def system_zone(environ: Mapping[str, str], system: Path = SYSTEM_ZONE) -> LocalTime:
    """Return what the C library takes: $TZ, else /etc/localtime. UTC where there is neither.

    Of a $TZ that means nothing the C library makes UTC; here it is as if it was not set.
    """
    return _try(partial(_of_environment, environ)) or _try(partial(_of_file, system)) or LocalTime.utc()


def _try(find: Callable[[], LocalTime | None]) -> LocalTime | None:
    try:
        return find()
    except _UNREADABLE:
        return None


def _of_environment(environ: Mapping[str, str]) -> LocalTime | None:
    wanted = environ.get("TZ")
    if wanted is None:
        return None
    wanted = wanted.removeprefix(":")
    if not wanted:
        return LocalTime.utc()
    if wanted.startswith("/"):
        return _of_file(Path(wanted))
    try:
        return _load(wanted)
    except _UNREADABLE:  # then it is a rule
        return _checked(wanted, _read(BytesIO(_posix_file(wanted)), wanted))


def _of_file(path: Path) -> LocalTime | None:
    """Return the zone of a file, named as the database names it where the path or its link says so."""
    if not path.is_file():
        return None
    target = str(path.parent / path.readlink()) if path.is_symlink() else str(path)
    _, inside, name = target.partition("/zoneinfo/")
    name = name if inside and _NAME.fullmatch(name) else "local time"
    return _checked(name, _read(BytesIO(read_plain(path, _LARGEST_ZONE)), name))


def _load(name: str) -> LocalTime:
    from zoneinfo import ZoneInfo

    if name.startswith("right/"):  # these count leap seconds, which clocks do not
        raise ValueError(name)
    return _checked(name, ZoneInfo(name))


def _read(file: BinaryIO, name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo.from_file(file, key=name)


def _checked(name: str, zone: ZoneInfo) -> LocalTime:
    """Return it, once its offsets are known to be some that a date can have. Raises ValueError."""
    for month in (1, 7):
        datetime(2026, month, 1, tzinfo=UTC).astimezone(zone).utcoffset()
    return LocalTime(name, zone)


def _posix_file(rule: str) -> bytes:
    """Return a file of the database (RFC 9636) that has nothing but a rule such as `CST-8`, as POSIX writes it."""
    no_transition = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + struct.pack(">lBB4s", 0, 0, 0, b"UTC\0")
    return no_transition * 2 + b"\n" + rule.encode("ascii") + b"\n"


def _advice(name: str) -> str:
    """Return which names are near, or what the system lacks."""
    from zoneinfo import available_timezones

    known = sorted(available_timezones())
    if not known:
        return "This system has no time zones: install the package tzdata (apt install tzdata)"
    if offset := _OFFSET.fullmatch(name.strip()):
        ahead = offset[1] == "+"
        turned = f"'Etc/GMT{'-' if ahead else '+'}{int(offset[2])}'"
        there = "ahead of" if ahead else "behind"
        return f"{turned} is {int(offset[2])} hours {there} UTC, its sign is turned; a place is better: 'Asia/Shanghai'"
    by_place = {form: each for each in known for form in (each.rpartition("/")[2].lower(), each.lower())}
    wanted = name.strip().lower().replace(" ", "_")
    near = [wanted] if wanted in by_place else get_close_matches(wanted[:_LONGEST], by_place, _NAMES_SHOWN, 0.75)
    if near:
        return f"Near it: {', '.join(dict.fromkeys(repr(by_place[each]) for each in near))}"
    return (
        "Use a name of the IANA database, such as 'Asia/Shanghai'; `timedatectl list-timezones` lists them."
        " Debian has former names in the package tzdata-legacy"
    )
