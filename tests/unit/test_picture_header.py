# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.eye import MOST_PIXELS
from edge_gate.eye.cameras.picture_header import object_to_size, read_size
from edge_gate.eye.cameras.replay import PICTURE_SUFFIXES
from tests.support.pictures import png_that_claims

ENCODINGS: dict[str, tuple[str, list[int]]] = {
    "png": (".png", []),
    "jpeg": (".jpg", []),
    "progressive jpeg": (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    "jpeg with restarts": (".jpg", [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]),
    "bmp": (".bmp", []),
    "webp": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 80]),
    "lossless webp": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
    "ppm": (".ppm", []),
    "ppm in letters": (".ppm", [cv2.IMWRITE_PXM_BINARY, 0]),
    "tiff": (".tiff", []),
    "tiff without compression": (".tiff", [cv2.IMWRITE_TIFF_COMPRESSION, 1]),
}


def encode(name: str, width: int, height: int, channels: int = 3) -> bytes:
    shape = (height, width, channels) if channels > 1 else (height, width)
    picture = np.random.default_rng(3).integers(0, 255, shape, np.uint8)
    suffix, options = ENCODINGS[name]
    done, content = cv2.imencode(suffix, picture, options)
    assert done
    return content.tobytes()


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (64, 48), (257, 33), (300, 1000)])
def test_the_size_is_that_of_the_picture_that_opencv_decodes(name: str, width: int, height: int) -> None:
    for channels in (3,) if name.startswith("ppm") else (1, 3):
        assert read_size(encode(name, width, height, channels)) == (width, height)


def test_webp_with_an_alpha_channel_and_a_pgm_are_read_too() -> None:
    assert read_size(encode("webp", 70, 50, 4)) == (70, 50)
    done, content = cv2.imencode(".pgm", np.zeros((20, 30), np.uint8))
    assert done and read_size(content.tobytes()) == (30, 20)
    assert read_size(b"P6\n# made by\n# somebody\n30 20\n255\n") == (30, 20)


def test_every_suffix_that_is_played_is_a_format_whose_header_is_read() -> None:
    for suffix in sorted(PICTURE_SUFFIXES):
        picture = np.zeros((20, 30) if suffix == ".pgm" else (20, 30, 3), np.uint8)
        done, content = cv2.imencode(suffix, picture)
        assert done and read_size(content.tobytes()) == (30, 20), suffix


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(ENCODINGS)), st.data())
def test_cut_off_and_changed_headers_give_a_size_or_none(name: str, data: st.DataObject) -> None:
    content = bytearray(encode(name, 40, 30))
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, min(len(content), 200) - 1))] = data.draw(st.integers(0, 255))
    found = read_size(bytes(content[: data.draw(st.integers(0, len(content)))]))
    assert found is None or len(found) == 2


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"P6 ", b"II*\0", b"MM\0*"]),
)
def test_any_bytes_give_a_size_or_none(content: bytes, magic: bytes) -> None:
    found = read_size(magic + content)
    assert found is None or isinstance(object_to_size(found), str)


@given(st.integers(-5, 2**32), st.integers(-5, 2**32))
def test_a_size_is_borne_up_to_the_limit(width: int, height: int) -> None:
    fits = width > 0 and height > 0 and width * height <= MOST_PIXELS
    assert (object_to_size((width, height)) == "") is fits


def test_the_largest_camera_fits() -> None:
    assert object_to_size((4096, 4096)) == ""
    assert "too many" in object_to_size((12000, 9000))


def test_a_huge_picture_in_a_small_file_is_what_the_tests_take_it_for() -> None:
    content = png_that_claims(1200, 900)
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None and decoded.shape == (900, 1200, 3)
    assert read_size(content) == (1200, 900)
