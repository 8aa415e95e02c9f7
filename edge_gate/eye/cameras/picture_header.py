# SPDX-License-Identifier: Apache-2.0
"""How large a picture says that it is, read from its header before anything is decoded.

A file of a few kilobytes may unpack to gigabytes. OpenCV has one limit for a whole process, which is read from the
environment when it is loaded (edge_gate.eye); this one holds wherever a picture file is opened.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final

from edge_gate.eye import MOST_PIXELS

Size = tuple[int, int]

_PNG: Final = b"\x89PNG\r\n\x1a\n"
# ITU-T T.81, table B.1: SOF0 to SOF15 less DHT, JPG and DAC; markers that stand alone.
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LONE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_SHORT = 256, 257, 3
_PNM: Final = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")


def read_size(content: bytes) -> Size | None:
    """Return width and height, or None where this is none of the picture formats that are played."""
    for magic, read in _FORMATS:
        if content.startswith(magic):
            try:
                return read(content)
            except (struct.error, IndexError):  # the header is cut off
                return None
    return None


def object_to_size(size: Size) -> str:
    """Return why a picture of this size is not decoded; empty where it may be."""
    width, height = size
    if width < 1 or height < 1:
        return f"it says that it has {width} x {height} pixels"
    if width * height > MOST_PIXELS:
        return f"{width} x {height} pixels are too many; at most {MOST_PIXELS:,} are decoded. Make it smaller"
    return ""


def _read_png(content: bytes) -> Size | None:
    if content[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _read_jpeg(content: bytes) -> Size | None:
    at = 2
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _LONE_MARKERS:
            at += 2
        elif marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        else:
            at += 2 + int(struct.unpack_from(">H", content, at + 2)[0])
    return None


def _read_bmp(content: bytes) -> Size | None:
    if struct.unpack_from("<I", content, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", content, 18)
    else:
        width, height = struct.unpack_from("<ii", content, 18)
    return width, abs(height)


def _read_webp(content: bytes) -> Size | None:
    kind = content[8:16]
    if kind == b"WEBPVP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"WEBPVP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"WEBPVP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _read_pnm(content: bytes) -> Size | None:
    found = _PNM.match(content)
    return None if found is None else (int(found[1]), int(found[2]))


def _read_tiff(content: bytes) -> Size | None:
    order = "<" if content.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, directory)
    sides: dict[int, int] = {}
    for number in range(count):
        at = directory + 2 + 12 * number
        tag, kind = struct.unpack_from(f"{order}HH", content, at)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):
            (side,) = struct.unpack_from(f"{order}{'H' if kind == _TIFF_SHORT else 'I'}", content, at + 8)
            sides[tag] = max(side, sides.get(tag, 0))
    return (sides[_TIFF_WIDTH], sides[_TIFF_HEIGHT]) if len(sides) == 2 else None


_FORMATS: Final[tuple[tuple[bytes, Callable[[bytes], Size | None]], ...]] = (
    (_PNG, _read_png),
    (b"\xff\xd8", _read_jpeg),
    (b"BM", _read_bmp),
    (b"RIFF", _read_webp),
    (b"II*\0", _read_tiff),
    (b"MM\0*", _read_tiff),
    (b"P", _read_pnm),
)
