# SPDX-License-Identifier: Apache-2.0
"""Which camera may be used: the answers of drivers as the kernel gives them, and what becomes of each."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import CameraError, CameraMissing, CameraReplaced, CameraUnnamed, CameraVirtual
from edge_gate.eye.camera_supervisor import CameraSupervisor
from edge_gate.eye.cameras import live, open_camera
from edge_gate.eye.cameras.identity import Identity, Pin, _usb_ids, ask_kernel, name_libcamera, read_capability
from edge_gate.eye.cameras.pi import PiCamera
from edge_gate.settings import config
from edge_gate.wire.eye import CameraState
from tests.support.clocks import HeldClock
from tests.unit.test_camera_pi import Picamera2
from tests.unit.test_camera_v4l2 import PATIENCE_S, UNPLUGGED, Bench

PINNED = "uvcvideo usb-0000:01:00.0-1.2 046d:0825"
REAL = Identity("uvcvideo", "usb-0000:01:00.0-1.2", "046d:0825")


def capability(driver: bytes, card: bytes, place: bytes) -> bytes:
    """What VIDIOC_QUERYCAP fills in: struct v4l2_capability of <linux/videodev2.h>."""
    return struct.pack("=16s32s32sIII3I", driver, card, place, 0x060100, 0x85200001, 0x05200001, 0, 0, 0)


# Driver, card and bus_info as drivers of the kernel set them, and whether a sensor is behind it.
DRIVERS = [
    (b"uvcvideo", b"HD Webcam C525: HD Webcam C525", b"usb-0000:01:00.0-1.2", True),
    (b"unicam", b"unicam", b"platform:fe801000.csi", True),
    (b"bcm2835 mmal", b"mmal service 16.1", b"platform:bcm2835-v4l2-0", True),
    (b"gspca_zc3xx", b"USB Camera", b"usb-3f980000.usb-1.3", True),
    (b"v4l2 loopback", b"Dummy video device (0x0000)", b"platform:v4l2loopback-000", False),
    (b"v4l2 loopback", b"HD Webcam C525: HD Webcam C525", b"usb-0000:01:00.0-1.2", False),
    (b"vivid", b"vivid", b"platform:vivid-000", False),
    (b"vimc", b"vimc", b"platform:vimc.0", False),
    (b"vidtv", b"vidtv", b"platform:vidtv", False),
    (b"akvcam", b"Virtual Camera", b"platform:akvcam-0", False),
    (b"uvcvideo", b"UVC Camera", b"usb-dummy_hcd.0-1", False),
    (b"uvcvideo", b"UVC Camera", b"usb-vhci_hcd.0-1", False),
]  # fmt: skip


@pytest.mark.parametrize(("driver", "card", "place", "real"), DRIVERS)
def test_a_camera_whose_pictures_come_from_a_program_is_used_only_where_it_is_pinned(
    driver: bytes, card: bytes, place: bytes, real: bool
) -> None:
    found = read_capability(capability(driver, card, place), "")
    assert found.virtual is not real

    def admit(pinned: str) -> Identity:
        return Pin(config.CameraSettings(pinned=pinned), lambda: found).admit()

    assert admit(str(found)) == found
    if real:
        assert admit("") == found
    else:
        with pytest.raises(CameraVirtual, match="come from a program") as caught:
            admit("")
        assert f"pinned = '{found}' under [camera]" in str(caught.value)


@pytest.mark.parametrize(
    "other",
    [
        Identity("uvcvideo", "usb-0000:01:00.0-1.3", "046d:0825"),
        Identity("uvcvideo", "usb-0000:01:00.0-1.2", "1bcf:2b8a"),
        Identity("uvcvideo", "usb-0000:01:00.0-1.2"),
        Identity("v4l2 loopback", "usb-0000:01:00.0-1.2", "046d:0825"),
        Identity("", ""),
    ],
)
def test_another_driver_place_or_kind_than_the_pinned_one_is_refused_with_what_to_write(other: Identity) -> None:
    with pytest.raises(CameraReplaced, match="another one is pinned") as caught:
        Pin(config.CameraSettings(pinned=PINNED), lambda: other).admit()
    assert PINNED in str(caught.value) and f"pinned = '{other}' under [camera]" in str(caught.value)
    assert Pin(config.CameraSettings(pinned=PINNED), lambda: REAL).admit() == REAL


def test_the_infrared_camera_is_pinned_by_its_own_section() -> None:
    with pytest.raises(CameraReplaced, match=r"under \[infrared\]"):
        Pin(config.InfraredSettings(pinned=PINNED), lambda: Identity("uvcvideo", "usb-1")).admit()


@given(st.binary(min_size=104, max_size=104), st.text(max_size=20))
def test_whatever_a_device_calls_itself_can_stand_in_a_log_and_be_written_into_the_configuration(
    answer: bytes, identifier: str
) -> None:
    for found in (str(read_capability(answer, "")), str(name_libcamera(identifier))):
        assert found.isascii() and found.isprintable()
        text = f"[camera]\npinned = '{found}'\n"
        assert config.parse(text, Path("/x/edge-gate.toml")).camera.pinned == found


def test_the_usb_ids_are_those_of_the_device_that_the_node_belongs_to(tmp_path: Path) -> None:
    interface = tmp_path / "devices" / "usb1" / "1-1.2" / "1-1.2:1.0"
    interface.mkdir(parents=True)
    (interface.parent / "idVendor").write_text("046d\n")
    (interface.parent / "idProduct").write_text("0825\n")
    (tmp_path / "81:0").mkdir()
    (tmp_path / "81:0" / "device").symlink_to(interface)
    (tmp_path / "81:1").mkdir()
    (tmp_path / "81:1" / "device").symlink_to(tmp_path / "devices")
    assert _usb_ids(os.makedev(81, 0), tmp_path) == "046d:0825"
    assert _usb_ids(os.makedev(81, 1), tmp_path) == _usb_ids(os.makedev(81, 2), tmp_path) == ""


def test_what_is_no_camera_says_so(tmp_path: Path) -> None:
    with pytest.raises(CameraMissing):
        ask_kernel("x", tmp_path / "video0")
    (tmp_path / "file").touch()
    for node in (tmp_path / "file", Path("/dev/null")):
        with pytest.raises(CameraError, match="does not say which camera it is: Inappropriate ioctl"):
            ask_kernel("x", node)


# --- with the cameras ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [Identity("uvcvideo", "usb-0000:01:00.0-1.2", "1bcf:2b8a"), Identity("vivid", "p")])
def test_no_picture_is_taken_from_another_camera_and_its_device_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: Identity
) -> None:
    monkeypatch.setattr(live, "CLOSE_WAIT_S", 0.05)
    bench = Bench(tmp_path, pinned=PINNED)
    bench.sensor.show(1)
    assert bench.read().bgr[0, 0, 0] == 1
    bench.unplug()
    with pytest.raises(CameraMissing):
        bench.camera.read(PATIENCE_S)
    bench.plug_in()
    bench.identity, real = other, bench.identity
    bench.sensor.show(2)
    bench.clock.pass_s(live.FIRST_PAUSE_S)
    with pytest.raises(CameraReplaced):
        bench.camera.read(PATIENCE_S)
    assert bench.sensor.released.wait(PATIENCE_S) and not bench.sensor.pictures
    bench.identity = real
    bench.plug_in()
    bench.sensor.show(3)
    bench.clock.pass_s(live.LONGEST_PAUSE_S)
    assert bench.read().bgr[0, 0, 0] == 3
    bench.camera.close()
    bench.sensor.show(UNPLUGGED)


def test_the_eye_tells_a_state_of_its_own_and_logs_which_camera_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "CLOSE_WAIT_S", 0.05)
    bench = Bench(tmp_path, pinned=PINNED)
    bench.identity = Identity("v4l2 loopback", "platform:v4l2loopback-000")
    monkeypatch.setattr("edge_gate.eye.camera_supervisor.open_camera", lambda *_: mounted(bench))
    supervisor = CameraSupervisor(config.CameraSettings(), bench.clock, bench.clock.pass_s)
    assert supervisor.read(PATIENCE_S) is None
    assert supervisor.state is CameraState.REPLACED
    assert "platform:v4l2loopback-000" in caplog.text and "camera replaced" in caplog.text
    for _ in range(30):  # it is asked again and again which camera is there, and waited in between
        supervisor.read(1.0)
        bench.clock.pass_s(1.0)
        bench.plug_in()
    assert supervisor.state is CameraState.REPLACED
    assert sum("camera replaced" in each.getMessage() for each in caplog.records) == 1
    supervisor.release()


def mounted(bench: Bench):  # type: ignore[no-untyped-def]
    from edge_gate.eye.cameras import MountedCamera

    return MountedCamera(bench.camera, 0, "x")


def test_a_driver_that_cannot_tell_is_not_used_where_a_camera_is_pinned(tmp_path: Path) -> None:
    street = config.CameraSettings(driver="demo-street", source=str(tmp_path / "street"))
    assert open_camera(street).identify() == ""
    with pytest.raises(CameraUnnamed, match="Take pinned out"):
        open_camera(config.CameraSettings(driver="demo-street", source="street", pinned=PINNED))


@pytest.mark.parametrize(
    ("folder", "virtual"),
    [("/base/soc/i2c0mux/", False), ("\\_SB_.PCI0.XHC_-1.2:", False), ("Virtual", True), ("platform/vimc.0 ", True)],
)
def test_a_camera_of_libcamera_is_known_by_its_place_in_the_firmware(
    folder: str, virtual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Picamera2, "folder", folder)
    monkeypatch.setattr(Picamera2, "made", [])

    def camera(pinned: str) -> PiCamera:
        chosen = config.CameraSettings(driver="picamera2", source="0", pinned=pinned)
        return PiCamera(chosen, HeldClock(), lambda: SimpleNamespace(Picamera2=Picamera2))

    identity = f"libcamera {folder}imx219@0"
    assert camera(identity).identify() == identity
    with pytest.raises(CameraReplaced):
        camera(identity + "0").identify()
    if virtual:
        with pytest.raises(CameraVirtual):
            camera("").read(PATIENCE_S)
        assert Picamera2.made[0].closed
