# SPDX-License-Identifier: Apache-2.0
"""What is evaluated: whole pictures in `FOLDER/<subject>/<picture>`, or strips in `.npz` files, and lists of pairs.

A strips file holds ``webp`` (uint8, all pictures end to end), ``offset`` (n + 1 positions in it) and ``subject``
(n names); each picture is a strip of eyes and brows, 72 x 160 BGR, as edge_gate.eye.face.align cuts it. Pictures are
read one at a time and never kept.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import BadEvaluationData
from edge_gate.core.plain_files import open_plain, read_plain

Picture = NDArray[np.uint8]

STRIP_SHAPE: Final = (72, 160, 3)
_LARGEST_LIST: Final = 1 << 26
LARGEST_PACKED: Final = 1 << 33
# What reading a damaged or hostile one may raise.
_BROKEN: Final = (ValueError, TypeError, EOFError, AttributeError, KeyError, MemoryError)
# Whatever is not plainly something else is taken for a picture, so that a format nobody can read is counted as a
# failure and not passed over in silence.
NO_PICTURES: Final = (".txt", ".md", ".csv", ".json", ".toml", ".xml", ".html", ".ini", ".db", ".pdf", ".zip", ".npz")


class DataSet(Protocol):
    """Pictures with the names of the people they show, in a fixed order."""

    @property
    def path(self) -> Path:
        """The file or folder, as it was given."""
        ...

    @property
    def are_strips(self) -> bool:
        """Whether ``read`` gives strips that need no finding and cutting."""
        ...

    @property
    def names(self) -> list[str]:
        """One name a picture, each different."""
        ...

    @property
    def subjects(self) -> list[str]:
        """One person's name a picture."""
        ...

    def read(self, index: int) -> Picture | None:
        """Return one picture, BGR uint8 (h, w, 3), or None where it cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """Whole pictures; the folder a picture lies in names the person. Sorted by name."""

    path: Path
    names: list[str]
    subjects: list[str]
    are_strips: bool = False

    def read(self, index: int) -> Picture | None:
        """Return one picture turned as its EXIF orientation says, or None where it cannot be read."""
        try:
            return _bgr(np.fromfile(self.path / self.names[index], np.uint8))
        except OSError:
            return None


@dataclass(frozen=True, slots=True)
class StripFiles:
    """Strips of one or more files, in the order of the files' names. The same name is the same person throughout."""

    path: Path
    names: list[str]
    subjects: list[str]
    encoded: list[Picture]
    are_strips: bool = True

    def read(self, index: int) -> Picture | None:
        """Return one strip, or None where it cannot be decoded. Raises BadEvaluationData for another size."""
        strip = _bgr(self.encoded[index])
        if strip is not None and strip.shape != STRIP_SHAPE:
            wanted = "a strip has 72 x 160 pixels"
            raise BadEvaluationData(self.path, f"{self.names[index]} has {strip.shape[0]} x {strip.shape[1]}; {wanted}")
        return strip


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which pictures (by their place in the data set) are compared, and whether they show one person."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]


def open_data(path: Path) -> PictureFolder | StripFiles:
    """Open a folder of people, a strips file, or a folder of strips files.

    Raises BadEvaluationData naming the file and what is wrong with it.
    """
    try:
        if path.is_dir():
            files = sorted(path.glob("*.npz"))
            return _strips(path, files) if files else _folder(path)
        if path.is_file():
            return _strips(path, [path])
    except OSError as error:
        raise BadEvaluationData(path, error.strerror or str(error)) from error
    raise BadEvaluationData(path, "it is not there")


def _folder(path: Path) -> PictureFolder:
    people = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    names = [f"{person.name}/{picture}" for person in people for picture in _pictures_in(person)]
    if not names:
        loose = "its pictures lie loose: put each person's into a folder with that person's name"
        nothing = "it holds no pictures; FOLDER/<person>/<picture> is expected"
        raise BadEvaluationData(path, loose if _pictures_in(path) else nothing)
    return PictureFolder(path, names, [name.partition("/")[0] for name in names])


def _pictures_in(folder: Path) -> list[str]:
    return sorted(
        each.name
        for each in folder.iterdir()
        if each.is_file() and not each.name.startswith(".") and each.suffix.lower() not in NO_PICTURES
    )


def _strips(path: Path, files: list[Path]) -> StripFiles:
    names: list[str] = []
    subjects: list[str] = []
    encoded: list[Picture] = []
    for file in files:
        found = packed(file, "strips file", ("subject",))
        if "subject" not in found:
            raise BadEvaluationData(file, "a strips file has 'webp', 'offset' and 'subject'")
        webp, offset, subject = found["webp"], found["offset"], found["subject"]
        names += [f"{file.name}[{k}]" for k in range(len(subject))]
        subjects += [str(name) for name in subject]
        encoded += [webp[low:high] for low, high in pairwise(offset)]
    if not names:
        raise BadEvaluationData(path, "it holds no strips")
    return StripFiles(path, names, subjects, encoded)


def packed(file: Path, called: str, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return what a file of pictures holds: ``webp``, ``offset`` and, as far as it has them, rows of ``names``.

    Each has one entry a picture. ``called`` is what the file is called. Raises BadEvaluationData.
    """
    try:
        with open_plain(file, LARGEST_PACKED) as opened, np.load(opened) as arrays:
            if sum(each.file_size for each in arrays.zip.infolist()) > LARGEST_PACKED:
                raise BadEvaluationData(file, f"unpacked it has more than {LARGEST_PACKED:,} bytes")
            found = {name: arrays[name] for name in ("webp", "offset", *names) if name in arrays}
    except (*_BROKEN, zipfile.BadZipFile, zlib.error) as error:
        raise BadEvaluationData(
            file, f"it is no {called} (.npz), or a damaged one; pictures lie in FOLDER/<person>/<picture>"
        ) from error
    if not {"webp", "offset"} <= found.keys():
        raise BadEvaluationData(file, f"a {called} has 'webp' and 'offset'")
    webp, offset = found["webp"], found["offset"]
    rows = [found[name] for name in names if name in found]
    if webp.dtype != np.uint8 or webp.ndim != 1 or any(each.ndim != 1 for each in (offset, *rows)):
        raise BadEvaluationData(file, "'webp' is not a row of bytes, or another array is not a row")
    for each in rows:
        if not np.issubdtype(offset.dtype, np.integer) or len(offset) != len(each) + 1:
            raise BadEvaluationData(file, f"{len(offset)} offsets do not fit {len(each)} names")
    if len(offset) > 1 and (offset[0] < 0 or offset[-1] > len(webp) or (np.diff(offset.astype(np.int64)) < 0).any()):
        raise BadEvaluationData(file, "'offset' does not rise within 'webp'")
    return found | {"offset": offset.astype(np.int64)}


def _bgr(encoded: Picture) -> Picture | None:
    if not len(encoded):
        return None
    try:
        picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    except cv2.error:  # for instance more pixels than OpenCV is willing to allocate
        return None
    return None if picture is None else np.asarray(picture, np.uint8)


def read_pairs(path: Path, data: DataSet) -> Pairs:
    """Read lines `a b same`: two places in the data set counted from 0, or two names `subject/picture`; same 1 or 0.

    Empty lines and what follows a `#` at the start of a line are passed over; names with blanks are set apart by tabs.
    Raises BadEvaluationData naming the line.
    """
    try:
        lines = read_plain(path, _LARGEST_LIST).decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise BadEvaluationData(path, str(error)) from error
    place = {name: index for index, name in enumerate(data.names)}
    rows = [_pair(path, number, words, place) for number, words in _pair_lines(lines)]
    if not rows:
        raise BadEvaluationData(path, "it lists no pairs")
    first, second, same = np.array(rows, np.int64).T
    return Pairs(first, second, same.astype(np.bool_))


def _pair_lines(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, [word.strip() for word in line.strip().split("\t" if "\t" in line.strip() else None)]


def _pair(path: Path, number: int, words: list[str], place: dict[str, int]) -> tuple[int, int, int]:
    if len(words) != 3 or words[2] not in ("0", "1"):
        raise BadEvaluationData(path, f"line {number} is not `a b same` with same 1 or 0")
    found = []
    for word in words[:2]:
        index = int(word) if word.isdecimal() else place.get(word, -1)
        if not 0 <= index < len(place):
            raise BadEvaluationData(path, f"line {number}: there is no picture {word} among {len(place)}")
        found.append(index)
    if found[0] == found[1]:
        raise BadEvaluationData(path, f"line {number} compares a picture with itself")
    return found[0], found[1], int(words[2])
