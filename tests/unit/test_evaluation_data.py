# SPDX-License-Identifier: Apache-2.0
"""Folders, strips files and lists of pairs, whole and broken. The pictures here are noise: nobody's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_gate.core.errors import BadEvaluationData
from edge_gate.tools.evaluation.data import open_data, read_pairs


def noise(height: int = 72, width: int = 160, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def write_strips(path: Path, subjects: list[str], **changed: np.ndarray) -> Path:
    coded = [cv2.imencode(".webp", noise(seed=k))[1].ravel() for k in range(len(subjects))]
    arrays = {
        "webp": np.concatenate(coded),
        "offset": np.cumsum([0, *map(len, coded)]),
        "subject": np.array(subjects),
    } | changed
    with path.open("wb") as file:
        np.savez(file, allow_pickle=True, **{name: array for name, array in arrays.items() if array.size})
    return path


def test_strips_come_out_in_order_with_their_names(tmp_path: Path) -> None:
    data = open_data(write_strips(tmp_path / "some.npz", ["ana", "ana", "bo"]))
    assert data.are_strips
    assert data.subjects == ["ana", "ana", "bo"]
    strip = data.read(1)
    assert strip is not None and strip.shape == (72, 160, 3)
    assert np.abs(strip.astype(float) - noise(seed=1)).mean() < np.abs(strip.astype(float) - noise(seed=2)).mean()


def test_a_folder_of_strips_files_is_one_data_set(tmp_path: Path) -> None:
    write_strips(tmp_path / "b.npz", ["ana"])
    write_strips(tmp_path / "a.npz", ["bo", "ana"])
    data = open_data(tmp_path)
    assert data.subjects == ["bo", "ana", "ana"]
    assert data.names == ["a.npz[0]", "a.npz[1]", "b.npz[0]"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"offset": np.array([0, 5])}, "offsets do not fit"),
        ({"offset": np.array([0, 9, 5, 20])}, "does not rise"),
        ({"offset": np.array([0, 10, 20, 10**9])}, "does not rise"),
        ({"offset": np.array([-1, 10, 20, 30])}, "does not rise"),
        ({"webp": np.ones(9)}, "not a row of bytes"),
        ({"subject": np.array([])}, "'webp', 'offset' and 'subject'"),
        ({"subject": np.array([{}, {}, {}], object)}, "no strips file"),
    ],
)
def test_a_strips_file_that_contradicts_itself_is_refused(
    tmp_path: Path, changed: dict[str, np.ndarray], reason: str
) -> None:
    path = write_strips(tmp_path / "bad.npz", ["a", "b", "c"], **changed)
    with pytest.raises(BadEvaluationData, match=reason) as refused:
        open_data(path)
    assert "bad.npz" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not a zip"])
def test_what_is_no_strips_file_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(BadEvaluationData, match=r"bad\.npz"):
        open_data(tmp_path)


def test_a_strip_of_another_size_is_refused_rather_than_stretched(tmp_path: Path) -> None:
    coded = cv2.imencode(".webp", noise(112, 112))[1].ravel()
    offset, subject = np.array([0, len(coded)]), np.array(["ana"])
    np.savez(tmp_path / "square.npz", webp=coded, offset=offset, subject=subject)
    with pytest.raises(BadEvaluationData, match="112 x 112"):
        open_data(tmp_path / "square.npz").read(0)


def test_the_folder_names_the_person_and_the_order_is_by_name(tmp_path: Path) -> None:
    for name in ("bo/2.jpg", "bo/1.png", "ana/a b.webp", "ana/notes.txt", "ana/.hidden.jpg", ".cache/x.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        encoded = cv2.imencode(Path(name).suffix if "." in name and "txt" not in name else ".png", noise())[1]
        (tmp_path / name).write_bytes(encoded.tobytes())
    data = open_data(tmp_path)
    assert not data.are_strips
    assert data.names == ["ana/a b.webp", "bo/1.png", "bo/2.jpg"]
    assert data.subjects == ["ana", "bo", "bo"]
    picture = data.read(1)
    assert picture is not None
    np.testing.assert_array_equal(picture, noise())


def test_pictures_are_turned_as_their_exif_orientation_says(tmp_path: Path) -> None:
    (tmp_path / "ana").mkdir()
    plain = cv2.imencode(".jpg", noise(40, 80))[1].tobytes()
    # An APP1 segment with a little-endian TIFF header and one entry: orientation (0x0112), SHORT, 1 value, 6.
    tiff = b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
    body = b"Exif\x00\x00" + tiff
    turned = plain[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + plain[2:]
    (tmp_path / "ana" / "phone.jpg").write_bytes(turned)
    picture = open_data(tmp_path).read(0)
    assert picture is not None and picture.shape == (80, 40, 3)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".webp", ".jp2", ".pgm"])
def test_grey_pictures_and_any_common_format_become_bgr(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "ana").mkdir()
    assert cv2.imwrite(str(tmp_path / "ana" / f"x{suffix}"), noise()[:, :, 0])
    picture = open_data(tmp_path).read(0)
    assert picture is not None and picture.shape == (72, 160, 3) and picture.dtype == np.uint8


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0 cut off"])
def test_an_unreadable_picture_is_a_failure_and_not_a_crash(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ana").mkdir()
    (tmp_path / "ana" / "broken.heic").write_bytes(content)
    assert open_data(tmp_path).read(0) is None


def test_loose_pictures_and_empty_or_missing_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(BadEvaluationData, match="it is not there"):
        open_data(tmp_path / "nowhere")
    with pytest.raises(BadEvaluationData, match="no pictures"):
        open_data(tmp_path)
    (tmp_path / "loose.jpg").write_bytes(cv2.imencode(".jpg", noise())[1].tobytes())
    with pytest.raises(BadEvaluationData, match="loose"):
        open_data(tmp_path)


def test_pairs_are_read_by_place_or_by_name(tmp_path: Path) -> None:
    for name in ("ana/1.png", "ana/2 b.png", "bo/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(cv2.imencode(".png", noise())[1].tobytes())
    listing = tmp_path / "pairs.txt"
    listing.write_text("# a comment\n0 2 0\n\nana/1.png bo/1.png 0\nana/1.png\tana/2 b.png\t1\n", encoding="utf-8")
    pairs = read_pairs(listing, open_data(tmp_path))
    assert pairs.first.tolist() == [0, 0, 0]
    assert pairs.second.tolist() == [2, 2, 1]
    assert pairs.same.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 1", "line 2 is not"),
        ("0 1 2", "line 2 is not"),
        ("0 1 yes", "line 2 is not"),
        ("0 3 1", "line 2: there is no picture 3"),
        ("-1 1 1", "line 2: there is no picture -1"),
        ("0 zoe/1.png 1", "line 2: there is no picture zoe/1.png"),
        ("1 1 1", "line 2 compares a picture with itself"),
    ],
)
def test_a_bad_line_among_the_pairs_is_named(tmp_path: Path, line: str, reason: str) -> None:
    data = open_data(write_strips(tmp_path / "some.npz", ["a", "a", "b"]))
    listing = tmp_path / "pairs.txt"
    listing.write_text(f"0 1 1\n{line}\n", encoding="utf-8")
    with pytest.raises(BadEvaluationData, match=reason) as refused:
        read_pairs(listing, data)
    assert "pairs.txt" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\x00"])
def test_a_list_without_pairs_is_refused(tmp_path: Path, content: bytes) -> None:
    data = open_data(write_strips(tmp_path / "some.npz", ["a", "b"]))
    (tmp_path / "pairs.txt").write_bytes(content)
    with pytest.raises(BadEvaluationData):
        read_pairs(tmp_path / "pairs.txt", data)
