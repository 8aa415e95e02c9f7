# SPDX-License-Identifier: Apache-2.0
"""Recordings of people and of attacks: who is in them, what they are, and what is refused. The pictures are noise."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_gate.core.errors import BadEvaluationData
from edge_gate.tools.pad.data import LABELS, STILL_NS, Clip, Stills, label_in, open_presentations, person_in
from tests.support.pictures import png_that_claims


def noise(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (48, 64, 3)).astype(np.uint8)


def coded(seed: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.imencode(".webp", noise(seed))[1].ravel(), np.uint8)


def pack(path: Path, rows: Iterable[tuple[str, str, str]], **changed: Any) -> Path:
    people, labels, sources = zip(*rows, strict=True)
    pictures = [coded(seed) for seed in range(len(people))]
    arrays: dict[str, Any] = {
        "webp": np.concatenate(pictures),
        "offset": np.cumsum([0, *map(len, pictures)]),
        "person": np.array(people),
        "label": np.array(labels),
        "source": np.array(sources),
        "size": np.array([(48, 64)] * len(people)),
    }
    kept = {name: each for name, each in (arrays | changed).items() if each is not None}
    np.savez(path, allow_pickle=True, **kept)
    return path


def film(path: Path, count: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path.with_suffix(".avi")), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for seed in range(count):
        writer.write(noise(seed))
    writer.release()
    return path.with_suffix(".avi").rename(path)


ROWS = [
    ("ann", "live", "s1"),
    ("ann", "live", "s1"),
    ("ann", "live", "s2"),
    ("ann", "print", "s2"),
    ("bo", "live", "s2"),
]


def test_successive_stills_of_one_person_label_and_source_are_one_presentation(tmp_path: Path) -> None:
    found = open_presentations(pack(tmp_path / "a.npz", ROWS))
    told = [
        (each.origin.person, each.origin.label, each.origin.source, len(each))
        for each in found
        if isinstance(each, Stills)
    ]
    assert told == [
        ("ann", "live", "s1", 2),
        ("ann", "live", "s2", 1),
        ("ann", "print", "s2", 1),
        ("bo", "live", "s2", 1),
    ]
    (one, first_ns), (two, second_ns) = found[0].pictures()
    assert one is not None and two is not None and one.shape == (48, 64, 3)
    assert second_ns - first_ns == STILL_NS


@pytest.mark.parametrize("nobody", ["unknown", "Unknown", ""])
def test_nobody_is_nobody(tmp_path: Path, nobody: str) -> None:
    (found,) = open_presentations(pack(tmp_path / "a.npz", [(nobody, "live", "s")]))
    assert found.origin.person is None


def test_a_file_of_subjects_without_labels_takes_the_one_that_is_given(tmp_path: Path) -> None:
    subjects = {"subject": np.array(["ann", "ann"]), "person": None, "label": None, "source": None}
    file = pack(tmp_path / "a.npz", ROWS[:2], **subjects)
    (found,) = open_presentations(file, "live")
    assert (found.origin.person, found.origin.label, found.origin.source) == ("ann", "live", "a")
    with pytest.raises(BadEvaluationData, match="--label"):
        open_presentations(file)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"person": np.array([{}] * 5, object)}, "no file of pictures"),
        ({"label": np.array([{}] * 5, object)}, "no file of pictures"),
        ({"webp": None}, "has 'webp' and 'offset'"),
        ({"offset": None}, "has 'webp' and 'offset'"),
        ({"label": None}, "no 'label'"),
        ({"person": None}, "no 'person'"),
        ({"person": np.array(["ann"])}, "do not fit"),
        ({"offset": np.array([0, 5])}, "do not fit"),
        ({"offset": np.arange(6) * 10**9}, "does not rise within"),
        ({"offset": np.array([0, -5, 1, 2, 3, 4])}, "does not rise within"),
        ({"offset": np.zeros(6)}, "do not fit"),
        ({"webp": np.zeros((2, 2), np.uint8)}, "not a row"),
        ({"webp": np.zeros(9, np.float32)}, "not a row of bytes"),
        ({"label": np.array(["real"] * 5)}, "'real' is no label"),
        ({"label": np.array(["Live"] * 5)}, "'Live' is no label"),
        ({"label": np.array([1] * 5)}, "'1' is no label"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_told(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(BadEvaluationData, match=told):
        open_presentations(pack(tmp_path / "a.npz", ROWS, **changed))


@settings(max_examples=40)
@given(content=st.binary(max_size=200), zipped=st.booleans())
def test_bytes_are_a_file_of_pictures_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, zipped: bool
) -> None:
    file = tmp_path_factory.mktemp("bytes") / "a.npz"
    file.write_bytes(b"PK\x03\x04" + content if zipped else content)
    with pytest.raises(BadEvaluationData):
        open_presentations(file)


def test_a_picture_that_is_none_or_too_large_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    bomb = np.frombuffer(png_that_claims(60_000, 60_000), np.uint8)
    parts = [np.zeros(9, np.uint8), np.zeros(0, np.uint8), bomb, coded(1), coded(1)]
    offset = np.cumsum([0, *map(len, parts)])
    (found,) = open_presentations(
        pack(tmp_path / "a.npz", [("ann", "live", "s")] * 5, webp=np.concatenate(parts), offset=offset)
    )
    assert [picture is None for picture, _ in found.pictures()] == [True, True, True, False, False]


def test_films_with_one_beginning_are_of_one_person(tmp_path: Path) -> None:
    for name in ("v1_live.avi", "v1_replay.avi", "bob-print-2.avi", "whatever.avi"):
        film(tmp_path / name)
    found = open_presentations(tmp_path)
    assert [(each.origin.person, each.origin.label) for each in found] == [
        ("bob", "print"),
        ("v1", "live"),
        ("v1", "replay"),
        ("whatever", None),
    ]
    assert all(isinstance(each, Clip) for each in found)
    assert open_presentations(tmp_path / "whatever.avi", "phone")[0].origin.label == "phone"
    moments = [moment_ns for _, moment_ns in found[0].pictures()]
    assert len(moments) == 6 and moments[0] < 5e7
    assert np.diff(moments) == pytest.approx(10**8, rel=0.01)


@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_a_word_of_a_name(label: str) -> None:
    for name in (f"v1_{label}", f"v1-{label.upper()}-2", f"v1.{label}3"):
        assert (person_in(name), label_in(name)) == ("v1", label)
    assert label_in(f"v1x{label}") is None or label == "x"
    assert (person_in(label), label_in(label)) == (label, label)


@pytest.mark.parametrize("name", ["alive", "olive_1", "blueprint", "printer", "maskless", "v1_attacker"])
def test_a_word_that_only_holds_a_label_is_none(name: str) -> None:
    assert label_in(name) is None


def test_a_folder_of_labels_has_people_and_films_in_it(tmp_path: Path) -> None:
    for label, person in (("live", "ann"), ("phone", "ann"), ("print", "bo")):
        (tmp_path / label / person).mkdir(parents=True)
        for seed in range(3):
            cv2.imwrite(str(tmp_path / label / person / f"{seed}.png"), noise(seed))
        (tmp_path / label / person / "notes.txt").write_text("no picture")
    film(tmp_path / "live" / "bo" / "walk.avi")
    film(tmp_path / "phone" / "cy_2.avi")
    (tmp_path / ".hidden").mkdir()
    found = open_presentations(tmp_path)
    told = [(each.origin.label, each.origin.person, isinstance(each, Clip)) for each in found]
    assert told == [
        ("live", "ann", False),
        ("live", "bo", True),
        ("phone", "ann", False),
        ("phone", "cy_2", True),
        ("print", "bo", False),
    ]
    assert len(list(found[0].pictures())) == 3
    assert isinstance(found[0], Stills) and found[0].bytes_of(0) == (tmp_path / "live/ann/0.png").stat().st_size


def test_with_a_label_a_folder_of_people_will_do(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    cv2.imwrite(str(tmp_path / "ann" / "1.png"), noise(1))
    (found,) = open_presentations(tmp_path, "mask")
    assert (found.origin.label, found.origin.person) == ("mask", "ann")


def test_a_folder_that_holds_nothing_of_use_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(BadEvaluationData, match="<label>/<person>"):
        open_presentations(tmp_path)
    (tmp_path / "live").mkdir()
    with pytest.raises(BadEvaluationData, match="<label>/<person>"):
        open_presentations(tmp_path)
    cv2.imwrite(str(tmp_path / "live" / "1.png"), noise(1))
    with pytest.raises(BadEvaluationData, match="lie loose"):
        open_presentations(tmp_path)


def test_a_folder_of_an_unknown_label_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "genuine" / "ann").mkdir(parents=True)
    with pytest.raises(BadEvaluationData, match=r"'genuine' is no label. Labels are live, print"):
        open_presentations(tmp_path)
    with pytest.raises(BadEvaluationData, match="'genuine' is no label"):
        open_presentations(tmp_path / "genuine", "genuine")


@pytest.mark.parametrize("name", ["live.mp4", "live.avi", "a.npz"])
def test_what_is_no_file_is_not_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(BadEvaluationData, match="not there"):
        open_presentations(path)
    os.mkfifo(path)  # whoever opened it would wait for ever
    with pytest.raises(BadEvaluationData, match="it is no file"):
        open_presentations(path)
    path.unlink()
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(BadEvaluationData, match="it is no fi"):
        open_presentations(path)
    with pytest.raises(BadEvaluationData, match=r"no \.npz file, no film"):
        open_presentations(Path(os.devnull))
