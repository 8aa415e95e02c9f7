# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import CameraMissing, UnknownDriver
from edge_gate.eye.cameras import Frame, MountedCamera, open_camera
from edge_gate.eye.cameras.base import captured_at, upright
from edge_gate.settings import config


class OneFrame:
    """A driver with no more than what the port asks for."""

    def __init__(self, frame: Frame) -> None:
        self.frame: Frame | None = frame
        self.closed = False

    def read(self, timeout_s: float) -> Frame | None:
        frame, self.frame = self.frame, None
        return frame

    def close(self) -> None:
        self.closed = True


def scene() -> np.ndarray:
    """An upright scene: red at the top left, green at the top right, wider than it is high."""
    bgr = np.zeros((40, 60, 3), np.uint8)
    bgr[:10, :10] = (0, 0, 255)
    bgr[:10, -10:] = (0, 255, 0)
    return bgr


@pytest.mark.parametrize("rotate_deg", [0, 90, 180, 270])
def test_a_camera_mounted_turned_clockwise_gives_upright_pictures(rotate_deg: int) -> None:
    seen_by_the_turned_camera = np.rot90(scene(), rotate_deg // 90).copy()  # the scene turns the other way
    camera = MountedCamera(OneFrame(Frame(seen_by_the_turned_camera, 7, seen_by_the_turned_camera[..., 1])), rotate_deg)
    frame = camera.read(0.0)
    assert frame is not None and frame.grey_small is not None
    assert np.array_equal(frame.bgr, scene())
    assert np.array_equal(frame.grey_small, scene()[..., 1])
    assert frame.captured_ns == 7


def test_a_picture_that_needs_no_turn_is_not_copied() -> None:
    frame = Frame(scene(), 1)
    assert upright(frame, 0) is frame


def test_a_driver_that_says_nothing_of_itself_counts_as_a_live_sensor_without_end() -> None:
    driver = OneFrame(Frame(scene(), 1))
    camera = MountedCamera(driver, 90)
    assert camera.live and not camera.ended
    assert camera.read(0.0) is not None
    assert camera.read(0.0) is None
    camera.close()
    assert driver.closed


def test_the_configured_driver_is_found_by_its_entry_point_and_mounted(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), scene())
    camera = open_camera(config.CameraSettings(driver="replay", source=f"fast:{tmp_path}", rotate_deg=90))
    frame = camera.read(1.0)
    assert frame is not None
    assert np.array_equal(frame.bgr, np.rot90(scene(), -1))
    assert camera.read(1.0) is None
    assert camera.ended and not camera.live
    camera.close()


def test_an_unknown_driver_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownDriver, match=r"camera driver named 'webcam'.*replay.*v4l2"):
        open_camera(config.CameraSettings(driver="webcam"))


def test_an_absent_device_is_no_obstacle_to_the_start_and_is_reported_by_the_first_read(tmp_path: Path) -> None:
    camera = open_camera(config.CameraSettings(driver="v4l2", source=str(tmp_path / "video0")))
    with pytest.raises(CameraMissing):
        camera.read(5.0)
    camera.close()


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_time_stamp_is_never_in_the_future_nor_more_than_a_second_old(stamp_ns: int, now_ns: int) -> None:
    assert now_ns - 1_000_000_000 < captured_at(stamp_ns, now_ns) <= now_ns


@given(st.integers(10**9, 2**62), st.integers(0, 10**9 - 1))
def test_a_plausible_time_stamp_of_the_driver_is_believed(now_ns: int, age_ns: int) -> None:
    assert captured_at(now_ns - age_ns, now_ns) == now_ns - age_ns
