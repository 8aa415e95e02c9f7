# SPDX-License-Identifier: Apache-2.0
"""Looks for the marked picture in bytes of any kind.

What is searched for, in the bytes themselves and in whatever can be unpacked from them (JPEG, PNG and WebP pictures,
zlib and gzip streams, base64 text; two layers deep):

exact        32 bytes of a row of any frame shown, in the orders BGR, RGB, and grey
correlation  the whole picture at 640 to 16 pixels across; the strip of eyes and brows, the network's input and half of
             each; the square around the face at 192, 112, 96 and 48 pixels; each eye at 64: as grey (so also as the
             plane of a planar colour picture, or the luminance of YUV) and as three colours a pixel, read as 8 bit
             unsigned or signed, 16 bit, and 32 bit floating point, at any place, whatever its brightness and contrast

The correlation is normalised, between differences of neighbours on both sides, which makes pictures and memory alike
almost white: unrelated bytes then stay below a few times 1 / sqrt(length). It needs a run of 1,024 samples in order
(160 for the smallest picture), so a fragment that is smaller, turned, mirrored, shuffled, encrypted or packed with
anything else is not found.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.eye.face.align import cut_strip, network_input, placing
from edge_gate.eye.face.geometry import Similarity, cut
from edge_gate.eye.face.mesh import TEMPLATE
from edge_gate.eye.pipeline import Models, acquire
from edge_gate.settings.config import QualityLimits
from tests.canary import marked

Picture = NDArray[np.uint8]
Line = NDArray[np.float32]

LONG: Final = 1024
SHORT: Final = 160
# Unrelated bytes lie around 0 with a deviation of 1 / sqrt(length), 0.03 and 0.08; the copies that were tried were
# found at 0.88 and more.
LEAST: Final = {LONG: 0.45, SHORT: 0.75}
WIDTHS: Final = (640, 320, 160, 80, 64, 40, 32, 16)
FACE_SIDES: Final = (192, 112, 96, 48)
NEEDLE: Final = 32
DEEPEST: Final = 2
MOST_UNPACKED: Final = 4_000_000
# How many templates are looked for at once. Such a sum is of about the square root of that length, so what fits one of
# them to LEAST stands out from the sum by as much as LEAST says, less what the others happen to add.
TOGETHER: Final = {LONG: 4, SHORT: 1}
_SAFETY: Final = 0.8
_MOST_STEPS: Final = 4.0
_CHUNK: Final = 1 << 16
_VIEWS: Final = (("8 bit", np.uint8), ("16 bit", np.int16), ("float", np.float32))


@dataclass(frozen=True, slots=True)
class Hit:
    """Something of the picture: where, in which form, how surely (1 for exact bytes)."""

    where: str
    form: str
    offset: int
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class _Templates:
    """Lines of one length, differences of neighbours, mean 0 and norm 1, with what each is of. In a row of three
    colours a pixel the neighbour of the same colour is three ``apart``; so what is merely coloured does not matter."""

    apart: int
    names: list[str]
    lines: Line
    spectra: NDArray[np.complex64]


class Search:
    """Knows the picture in every form that is searched for. ``shown`` are the very frames, for the exact search."""

    def __init__(self, models: Models, shown: list[Picture]) -> None:
        views = list(_views(models))
        self._templates = [_templates(views, length, apart) for length in (LONG, SHORT) for apart in (1, 3)]
        self._needles = _needles(shown)
        self._starts = np.unique(np.array([int.from_bytes(each[:8], "little") for each in self._needles], np.uint64))

    def hits(self, data: bytes, where: str) -> list[Hit]:
        """Return everything found in the bytes and in what can be unpacked from them."""
        found = []
        for form, content in unpacked(data):
            found += self.exact(content, where, form)
            found += self.correlated(content, where, form)
        return found

    def exact(self, data: bytes, where: str, form: str = "") -> list[Hit]:
        """Return verbatim pieces of rows."""
        found = []
        for shift in range(min(8, len(data))):
            count = (len(data) - shift) // 8
            words = np.frombuffer(data, "<u8", count, shift)
            at = np.minimum(np.searchsorted(self._starts, words), len(self._starts) - 1)
            for place in np.flatnonzero(self._starts[at] == words).tolist():
                offset = shift + 8 * place
                if (name := self._needles.get(data[offset : offset + NEEDLE])) is not None:
                    found.append(Hit(where, f"{form}exact {name}", offset, 1.0))
        return found

    def correlated(self, data: bytes, where: str, form: str = "") -> list[Hit]:
        """Return the best place for each form of the picture that is like enough."""
        best: dict[str, Hit] = {}
        for view, kind in _VIEWS:
            size = np.dtype(kind).itemsize
            samples: Any = np.frombuffer(data, kind, len(data) // size)
            if kind is np.float32:
                samples = np.where(np.isfinite(samples) & (np.abs(samples) < 1e6), samples, 0)
            for templates in self._templates:
                steps = samples[templates.apart :] - samples[: -templates.apart]
                if kind is np.uint8:
                    steps = steps.view(np.int8)  # modulo 256: the same whether the samples were signed or not
                for name, place, score in _matches(steps.astype(np.float32), templates):
                    label = f"{form}{name} {view}"
                    if label not in best or score > best[label].score:
                        best[label] = Hit(where, label, place * size, round(score, 2))
        return list(best.values())


def unpacked(data: bytes, form: str = "", depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield the bytes, and what they hold packed, with a name for how."""
    yield form, data
    if depth == DEEPEST:
        return
    for name, content in (*_streams(data), *_texts(data)):
        yield from unpacked(content, f"{form}{name} > ", depth + 1)
    yield from ((f"{form}{name} > ", content) for name, content in _pictures(data))


def _pictures(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Decode whatever begins like a picture; what follows it does not matter to the decoders."""
    for match in re.finditer(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP", data, re.DOTALL):
        try:
            content = cv2.imdecode(np.frombuffer(data, np.uint8, -1, match.start())[:MOST_UNPACKED], cv2.IMREAD_COLOR)
        except cv2.error:
            continue
        if content is not None and min(content.shape[:2]) > 8:
            yield {b"\xff": "JPEG", b"\x89": "PNG", b"R": "WebP"}[match[0][:1]], content.tobytes()


def _streams(data: bytes) -> Iterator[tuple[str, bytes]]:
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08", data):
        kind = "gzip" if match[0][:1] == b"\x1f" else "zlib"
        reader = zlib.decompressobj(31 if kind == "gzip" else 15)
        try:
            content = reader.decompress(data[match.start() : match.start() + MOST_UNPACKED], MOST_UNPACKED)
        except (zlib.error, gzip.BadGzipFile):
            continue
        if len(content) >= SHORT:
            yield kind, content


def _texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    for match in re.finditer(rb"[A-Za-z0-9+/_-]{256,}={0,2}", data):
        text = match[0].rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        for start in range(4):  # what stands before it may be letters too
            part = text[start : start + (len(text) - start) // 4 * 4]
            try:
                yield "base64", base64.b64decode(part)
            except binascii.Error:
                continue


def _views(models: Models) -> Iterator[tuple[str, Any]]:
    """Yield the picture, and what the eye cuts out of it, at every size that is searched for; uint8, BGR."""
    picture = marked.base().clip(0, 255).astype(np.uint8)
    for width in WIDTHS:
        yield f"picture {width} px", _resized(picture, width)
    seen = acquire(models, picture, QualityLimits())
    assert seen is not None, "the marked picture shows no face"
    strip = cut_strip(picture, placing(seen.mesh.five))
    for name, part in (("strip", strip), ("network input", network_input(strip))):
        yield name, part
        yield f"half {name}", _resized(part, part.shape[1] // 2)
    low, high = seen.mesh.points[:, :2].min(0), seen.mesh.points[:, :2].max(0)
    side, middle = 1.5 * float((high - low).max()), (low + high) / 2
    for pixels in FACE_SIDES:
        to_face = Similarity(complex(pixels / side), (1 + 1j) * pixels / 2 - complex(*middle.tolist()) * pixels / side)
        yield f"face {pixels} px", cut(picture, to_face, pixels, pixels)
    yield "aligned face", cut(picture, _fitted(seen.mesh.five), 112, 112)
    for eye in (56, 104):
        scale = 64 / 52
        yield f"eye at {eye}", cut(strip, Similarity(complex(scale), (1 + 1j) * 32 - scale * complex(eye, 46)), 64, 64)


def _fitted(five: Any) -> Similarity:
    from edge_gate.eye.face.geometry import fit

    return fit(five, TEMPLATE)


def _resized(picture: Any, width: int) -> Any:
    height = round(picture.shape[0] * width / picture.shape[1])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _templates(views: list[tuple[str, Any]], length: int, apart: int) -> _Templates:
    names, lines = [], []
    for name, picture in views:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        for order, content in (("grey", grey), ("BGR", picture), ("RGB", picture[:, :, ::-1])):
            flat = np.ascontiguousarray(content).reshape(-1).astype(np.float32)
            line = flat[apart:] - flat[:-apart]
            if apart != (1 if order == "grey" else 3):
                continue
            if len(line) < length or (length == SHORT and len(line) >= 2 * LONG):
                continue
            bands = 1 if len(line) < 8 * length else 2 if len(line) < 200_000 else 4
            for start in np.linspace(0, len(line) - length, bands + 2).astype(int)[1:-1]:
                part = _without_rhythm(_limited(line[start : start + length]))
                names.append(f"{name} {order}")
                lines.append(part / np.linalg.norm(part))
    made = np.array(lines, np.float32)
    sums = [made[k : k + TOGETHER[length]].sum(0) for k in range(0, len(made), TOGETHER[length])]
    return _Templates(apart, names, made, np.conj(np.fft.rfft(np.array(sums, np.float32), _CHUNK)))


def _limited(line: Line) -> Line:
    """Cut off what is far above the rest: two single edges at the right distance are no picture."""
    most = _MOST_STEPS * float(np.abs(line).mean())
    return np.clip(line, -most, most)


def _without_rhythm(line: Line) -> Line:
    """Take out what repeats every 12 samples or fewer, such as a tint: much that is no picture has such a rhythm."""
    part = line.copy()
    for phase in range(12):
        part[phase::12] -= part[phase::12].mean()
    return part


def _needles(shown: list[Picture]) -> dict[bytes, str]:
    """Return pieces of rows: of every eighth row of each frame, from four places in it."""
    found = {}
    for frame in shown:
        for order, content in (
            ("BGR", frame), ("RGB", frame[:, :, ::-1]), ("grey", cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)),
        ):  # fmt: skip
            for row in range(0, content.shape[0], 8):
                line = np.ascontiguousarray(content[row]).tobytes()
                for start in range(0, len(line) - NEEDLE, len(line) // 4):
                    if len(set(line[start : start + NEEDLE])) > 8:  # nothing that is merely white
                        found[line[start : start + NEEDLE]] = order
    return found


def _matches(samples: Line, templates: _Templates) -> Iterator[tuple[str, int, float]]:
    """Yield name, place and normalised correlation wherever a template fits well enough.

    Templates are nearly at right angles to each other, so the sum of a few finds the places where one of them may fit,
    at the cost of one; there each is then tried by itself.
    """
    length = templates.lines.shape[1]
    step = _CHUNK - length + 1
    for begin in range(0, max(1, len(samples) - length + 1), step):
        chunk = samples[begin : begin + _CHUNK]
        if len(chunk) < length or not chunk.any():
            continue
        chunk = _limited(chunk)
        norms = _norms(chunk, length)
        fits = np.fft.irfft(np.fft.rfft(chunk, _CHUNK) * templates.spectra, _CHUNK)[:, : len(norms)] / norms
        for group in np.flatnonzero(fits.max(1) >= _SAFETY * LEAST[length]).tolist():
            place = int(np.argmax(fits[group]))
            window = chunk[place : place + length]
            window = (window - window.mean()) / norms[place]
            first = group * TOGETHER[length]
            for k, score in enumerate((templates.lines[first : first + TOGETHER[length]] @ window).tolist(), first):
                if score >= LEAST[length]:
                    yield templates.names[k], begin + place, score


def _norms(chunk: Line, length: int) -> NDArray[np.float64]:
    """Return, for each place, the norm of the ``length`` samples from there on, less their mean; huge where they are
    next to nothing, so that no quotient of rounding errors is taken for a likeness."""
    sums = np.concatenate(([0.0], np.cumsum(chunk, dtype=np.float64)))
    squares = np.concatenate(([0.0], np.cumsum(np.square(chunk, dtype=np.float64))))
    total, square = (each[length:] - each[:-length] for each in (sums, squares))
    variance = square - total**2 / length
    floor = 1e-6 * float(np.abs(chunk).max()) ** 2 + 1e-9
    return np.where(variance > floor, np.sqrt(np.maximum(variance, floor)), np.inf)
