# SPDX-License-Identifier: Apache-2.0
"""A real V4L2 device, unplugged and plugged in again by a real kernel (vivid_vm.py says how)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system import vivid_vm

HERE = Path(__file__).parent
GUEST_S = 240

pytestmark = [pytest.mark.system, pytest.mark.timeout(GUEST_S + 180)]


@pytest.fixture(scope="module")
def acts() -> Any:
    """Boot once, play v4l2_guest.py, and return what it saw in each act."""
    guest = vivid_vm.prepare()
    play = ["env", f"PYTHONPATH={HERE.parents[1]}", sys.executable, str(HERE / "v4l2_guest.py")]
    status, printed, console = guest.run(play, GUEST_S)
    assert status == 0, f"the guest ended with {status}\n{console}\n{printed}"
    return json.loads(printed)


def test_a_real_device_sends_pictures_of_the_configured_size_in_order_of_capture(acts: Any) -> None:
    act = acts["working"]
    assert act["state"] == "WORKING"
    assert act["shapes"] == [[480, 640, 3]]
    assert act["frames"] == act["different"] == 30
    assert act["in_order"]
    assert len(act["log"]) == 1 and "camera working" in act["log"][0]


def test_no_picture_comes_from_the_future_although_this_driver_stamps_them_a_frame_ahead(acts: Any) -> None:
    youngest_ms, _, oldest_ms = acts["working"]["age_ms"]
    assert 0 <= youngest_ms <= oldest_ms <= 2000


def test_a_black_picture_from_a_real_device_is_a_fault(acts: Any) -> None:
    assert acts["covered"]["state"] == "BLACK"
    assert "is the lens covered" in acts["covered"]["log"][-1]


def test_a_real_device_whose_picture_stands_still_is_a_fault(acts: Any) -> None:
    assert acts["frozen"]["state"] == "GARBAGE"
    assert acts["frozen"]["different"] <= 2
    assert "stood still" in acts["frozen"]["log"][-1]
    assert acts["seeing again"]["state"] == "WORKING"


def test_pulling_the_device_out_is_reported_as_such_and_sends_no_more_pictures(acts: Any) -> None:
    act = acts["unplugged"]
    assert act["state"] == "MISSING"
    assert act["frames"] <= 1, "at most the one that was waiting"
    assert "it was unplugged" in act["errors"][0]
    assert all(error.startswith("CameraMissing") for error in act["errors"])
    assert len(act["log"]) == 1


def test_the_camera_reads_again_when_the_device_is_back_under_its_name(acts: Any) -> None:
    act = acts["plugged in again"]
    assert act["state"] == "WORKING"
    assert act["errors"] == []
    assert act["frames"] == act["different"] >= 15  # a recovery after relapses takes some seconds to be told
    assert act["in_order"]


def test_a_device_whose_pictures_come_from_a_program_is_used_only_where_it_is_pinned(acts: Any) -> None:
    assert acts["identity"] == "vivid platform:vivid-000"
    assert acts["not pinned"].startswith("CameraVirtual") and acts["identity"] in acts["not pinned"]
    assert acts["sealed"].startswith("ok: 640 x 480 pixels")
    assert acts["another pinned"].startswith("CameraReplaced") and acts["identity"] in acts["another pinned"]


def test_a_closed_camera_leaves_the_device_to_others(acts: Any) -> None:
    assert acts["opened_by_another"]
