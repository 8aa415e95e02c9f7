# SPDX-License-Identifier: Apache-2.0
"""What is evaluated: presentations, each of one person or of one attack. A film is one; successive stills are one.

    NPZ     ``webp``, ``offset`` (edge_gate.tools.evaluation.data), and a row each: ``person``, ``label``, ``source``
    FILM    its label is in its name, or given; v1_live.mp4 and v1_replay.mp4 show the same person, v1
    FOLDER  of such files, and FOLDER/<label>/<person>/<picture or film>

Pictures are read one at a time and never kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge_gate.core.errors import BadEvaluationData, CameraError
from edge_gate.eye.cameras.base import CameraGarbled
from edge_gate.eye.cameras.picture_header import object_to_size, read_size
from edge_gate.eye.cameras.replay import PICTURE_SUFFIXES, Film, decode_file, describe_path
from edge_gate.eye.face.geometry import Picture
from edge_gate.store.pad_trials import LIVE, SPECIES
from edge_gate.tools.evaluation.data import packed

# What a tester may call an attack: what is recorded at a gate, and what data sets say.
LABELS: Final = (*SPECIES, "replay", "screen", "cutout", "attack")
STILL_NS: Final = 200_000_000
"""How far apart successive stills are taken to be."""
NOBODY: Final = ("", "unknown")
_FILMS: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
_IN_A_NAME: Final = re.compile(rf"(?<![a-z])({'|'.join(LABELS)})(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Origin:
    """Of what a presentation is. ``person``: whose face is seen, None where that is not known; ``label``: live, the
    species of an attack, or None where nobody said."""

    name: str
    person: str | None
    label: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Stills:
    """Successive pictures of one person. ``encoded``: files, or their bytes."""

    origin: Origin
    encoded: Sequence[Path | Picture]

    def bytes_of(self, index: int) -> int:
        """Return how large a picture is as it is kept."""
        kept = self.encoded[index]
        return kept.stat().st_size if isinstance(kept, Path) else len(kept)

    def pictures(self) -> Iterator[tuple[Picture | None, int]]:
        """Yield each picture, BGR, with its moment in nanoseconds; None for one that cannot be read."""
        for index, kept in enumerate(self.encoded):
            yield _read(kept), index * STILL_NS

    def __len__(self) -> int:
        return len(self.encoded)


@dataclass(frozen=True, slots=True)
class Clip:
    """A film."""

    origin: Origin
    path: Path

    def pictures(self) -> Iterator[tuple[Picture | None, int]]:
        """Yield each picture, BGR, with its moment in nanoseconds by the film's own time."""
        film = _open_film(self.path)
        last_ns = -1
        try:
            while film.advance():
                last_ns = max(last_ns + 1, round(film.moment_s * 1e9))  # time never stands still
                yield _picture_of(film), last_ns
        finally:
            film.close()


Presentation = Stills | Clip


def open_presentations(path: Path, label: str | None = None) -> list[Presentation]:
    """Open a file or folder; ``label`` is that of what has none. Raises BadEvaluationData, saying what is wrong."""
    if label is not None and label not in LABELS:
        raise BadEvaluationData(path, _unknown(label))
    try:
        found = list(_folder(path, label) if path.is_dir() else _file(path, label))
    except OSError as error:
        raise BadEvaluationData(path, error.strerror or str(error)) from error
    if not found:
        raise BadEvaluationData(
            path,
            "it holds no .npz file, no film and no picture; FOLDER/<label>/<person>/<picture> is expected",
        )
    return found


def person_in(name: str) -> str:
    """Return the person of a film by its name: what stands before the label, or all of it."""
    found = _IN_A_NAME.search(name)
    return (name[: found.start()] if found else name).rstrip("_-. ") or name


def label_in(name: str) -> str | None:
    """Return the label that is a word of a film's name, or None."""
    found = _IN_A_NAME.search(name)
    return found[0].lower() if found else None


def _file(path: Path, label: str | None) -> Iterator[Presentation]:
    if not path.exists():
        raise BadEvaluationData(path, "it is not there")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        yield from _packed(path, label)
    elif suffix in _FILMS:
        name = describe_path(Path(path.stem))
        _open_film(path).close()
        yield Clip(Origin(describe_path(Path(path.name)), person_in(name), label or label_in(name), path.stem), path)
    else:
        raise BadEvaluationData(path, "it is no .npz file, no film and no folder")


def _folder(path: Path, label: str | None) -> Iterator[Presentation]:
    for each in _visible(path):
        if each.is_dir():
            named = each.name.lower()
            if label is None and named not in LABELS:
                raise BadEvaluationData(path, _unknown(each.name))
            yield from _labelled(each, named) if label is None else _of_person(each, label)
        elif each.suffix.lower() == ".npz" or each.suffix.lower() in _FILMS:
            yield from _file(each, label)


def _labelled(folder: Path, label: str) -> Iterator[Presentation]:
    for each in _visible(folder):
        if each.is_dir():
            yield from _of_person(each, label)
        elif each.suffix.lower() in _FILMS:
            yield from _file(each, label)
        elif each.suffix.lower() in PICTURE_SUFFIXES:
            raise BadEvaluationData(
                folder, "its pictures lie loose: put each person's into a folder with that person's name"
            )


def _of_person(folder: Path, label: str) -> Iterator[Presentation]:
    inside = _visible(folder)
    person, source = describe_path(Path(folder.name)), describe_path(Path(folder.parent.name))
    known = None if person in NOBODY else person
    pictures = [each for each in inside if each.suffix.lower() in PICTURE_SUFFIXES and each.is_file()]
    if pictures:
        yield Stills(Origin(f"{label}/{person}", known, label, source), pictures)
    for each in inside:
        if each.suffix.lower() in _FILMS:
            _open_film(each).close()
            yield Clip(Origin(f"{label}/{person}/{describe_path(Path(each.name))}", known, label, source), each)


def _packed(path: Path, label: str | None) -> Iterator[Presentation]:
    found = packed(path, "file of pictures", ("person", "subject", "label", "source", "mask"))
    people = found.get("person", found.get("subject"))
    if people is None or (label is None and "label" not in found):
        raise BadEvaluationData(path, "it has no 'person' or no 'label'; --label says what all are")
    labels = found.get("label", np.full(len(people), label))
    offset, webp = found["offset"], found["webp"]
    encoded = [webp[low:high] for low, high in pairwise(offset)]
    sources = found.get("source", found.get("mask", np.full(len(people), path.stem)))
    rows = zip(map(str, people), map(str, labels), map(str, sources), encoded, strict=True)
    for (person, said, source), group in groupby(rows, key=lambda row: row[:3]):
        if said not in LABELS:
            raise BadEvaluationData(path, _unknown(said))
        known = None if person.lower() in NOBODY else person
        yield Stills(Origin(f"{said}/{person}", known, said, source), [row[3] for row in group])


def _visible(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if not each.name.startswith("."))


def _unknown(label: str) -> str:
    return f"{label!r} is no label. Labels are {', '.join(LABELS)}; {LIVE} is a person, the others are attacks"


def _open_film(path: Path) -> Film:
    if not path.is_file():
        raise BadEvaluationData(path, "it is no file")
    try:
        return Film(path)
    except (CameraError, OSError) as error:
        raise BadEvaluationData(path, f"it is no film that can be read: {error}") from error


def _picture_of(film: Film) -> Picture | None:
    try:
        return film.picture()
    except CameraGarbled:
        return None


def _read(kept: Path | Picture) -> Picture | None:
    if isinstance(kept, Path):
        try:
            return decode_file(kept)
        except CameraGarbled:
            return None
    size = read_size(kept.tobytes())
    if size is None or object_to_size(size):
        return None
    try:
        picture = cv2.imdecode(kept, cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if picture is None else np.asarray(picture, np.uint8)
