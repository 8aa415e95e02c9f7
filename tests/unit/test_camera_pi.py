# SPDX-License-Identifier: Apache-2.0
"""PiCamera against a double of picamera2 that takes exactly the real one's arguments.

The signatures are those of picamera2 0.3.38 (PyPI); tests/system/test_picamera2.py compares them with the package.
"""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from edge_gate.core.errors import CameraError, CameraLibraryUnusable, CameraMissing, ExtraMissing
from edge_gate.eye.camera_supervisor import CameraSupervisor
from edge_gate.eye.cameras import live, open_camera
from edge_gate.eye.cameras.pi import PiCamera
from edge_gate.settings import config
from tests.support.clocks import HeldClock

PATIENCE_S = 20.0
STRIDE_PADDING = 64


class CompletedRequest:
    """One exposure: main in B, G, R; lores as rows of luma, then chroma, each padded as the hardware does."""

    def __init__(self, owner: Picamera2) -> None:
        self.owner = owner
        owner.held += 1

    def release(self) -> None:
        self.owner.held -= 1

    def get_metadata(self) -> dict[str, Any]:
        return {"SensorTimestamp": 6_990_000_000}

    def make_array(self, name: str) -> np.ndarray:
        width, height = self.owner.streams[name]["size"]
        if name == "main":
            return np.full((height, width, 3), (10, 20, 30), np.uint8)
        planes = np.full((height * 3 // 2, width + STRIDE_PADDING), 128, np.uint8)
        planes[:height, :width] = 77
        return planes


class Picamera2:
    """What the adapter uses of it."""

    cameras: ClassVar[int] = 1
    folder: ClassVar[str] = "/base/soc/i2c0mux/i2c@1/"
    made: ClassVar[list[Picamera2]] = []

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None) -> None:  # type: ignore[no-untyped-def]
        if camera_num >= self.cameras:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.streams: dict[str, Any] = {}
        self.configuration: dict[str, Any] = {}
        self.started = self.closed = self.silent = False
        self.held = self.flushed = 0
        self.ready = threading.Semaphore(0)
        Picamera2.made.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [{"Num": number, "Id": f"{Picamera2.folder}imx219@{number}"} for number in range(Picamera2.cameras)]

    def create_video_configuration(  # type: ignore[no-untyped-def]
        self,
        main={},  # noqa: B006
        lores=None,
        raw={},  # noqa: B006
        transform=None,
        colour_space=None,
        buffer_count=6,
        controls={},  # noqa: B006
        display="main",
        encode="main",
        queue=True,
        sensor={},  # noqa: B006
        use_case="video",
    ) -> dict[str, Any]:
        assert display is None or display == "main"
        return {"main": main, "lores": lores, "controls": controls}

    def configure(self, camera_config=None) -> None:  # type: ignore[no-untyped-def]
        for name in ("main", "lores"):
            width, height = camera_config[name]["size"]
            assert width % 2 == height % 2 == 0, "width and height should be even"
        self.configuration = camera_config
        self.streams = {"main": camera_config["main"], "lores": camera_config["lores"]}

    def stream_configuration(self, name="main") -> dict[str, Any]:  # type: ignore[no-untyped-def]
        return dict(self.streams[name])

    def start(self, config=None, show_preview=False) -> None:  # type: ignore[no-untyped-def]
        assert self.configuration
        self.started = True

    def capture_request(self, wait=None, signal_function=None, flush=None) -> CompletedRequest:  # type: ignore[no-untyped-def]
        assert self.started and isinstance(wait, float)
        self.ready.acquire()
        if self.silent:
            raise TimeoutError
        return CompletedRequest(self)

    def cancel_all_and_flush(self) -> None:
        self.flushed += 1

    def close(self) -> None:
        assert not self.silent or self.flushed, "would wait for ever behind the unfinished capture"
        self.closed = True
        self.started = False


@pytest.fixture(autouse=True)
def no_camera_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CLOSE_WAIT_S", 0.05)
    monkeypatch.setattr(Picamera2, "cameras", 1)
    monkeypatch.setattr(Picamera2, "made", [])


def pi_camera(**settings: Any) -> PiCamera:
    chosen = config.CameraSettings(driver="picamera2", **{"source": "0"} | settings)
    return PiCamera(chosen, HeldClock(7_000_000_000), lambda: SimpleNamespace(Picamera2=Picamera2))


def expose(camera: PiCamera) -> Picamera2:
    while not Picamera2.made:
        camera.read(0.01)
    Picamera2.made[0].ready.release()
    return Picamera2.made[0]


def test_one_exposure_gives_the_strips_picture_in_bgr_and_the_presence_checks_in_grey() -> None:
    camera = pi_camera(width=640, height=480)
    expose(camera)
    frame = camera.read(PATIENCE_S)
    assert frame is not None and frame.grey_small is not None
    assert frame.bgr.shape == (480, 640, 3) and tuple(frame.bgr[0, 0]) == (10, 20, 30)
    assert frame.grey_small.shape == (240, 320) and (frame.grey_small == 77).all()
    assert frame.captured_ns == 6_990_000_000
    camera.close()


def test_the_camera_is_asked_for_two_streams_of_even_size_at_the_configured_rate() -> None:
    camera = pi_camera(width=1014, height=762, fps=25)
    device = expose(camera)
    assert camera.read(PATIENCE_S) is not None
    assert device.configuration["main"] == {"size": (1014, 762), "format": "RGB888"}
    assert device.configuration["lores"] == {"size": (506, 380), "format": "YUV420"}
    assert device.configuration["controls"] == {"FrameDurationLimits": (40_000, 40_000)}
    camera.close()


def test_every_buffer_is_given_back_to_the_camera() -> None:
    camera = pi_camera()
    for _ in range(20):
        device = expose(camera)
        assert camera.read(PATIENCE_S) is not None
    assert device.held == 0
    camera.close()
    device.ready.release()


def test_a_silent_camera_is_closed_without_waiting_for_the_capture_that_never_ends() -> None:
    camera = pi_camera()
    device = expose(camera)
    assert camera.read(PATIENCE_S) is not None
    device.silent = True
    device.ready.release()
    with pytest.raises(CameraError, match="ribbon cable"):
        camera.read(PATIENCE_S)
    assert device.closed
    camera.close()


def test_a_camera_that_libcamera_does_not_list_is_missing() -> None:
    camera = pi_camera(source="1")
    with pytest.raises(CameraMissing, match="rpicam-hello"):
        camera.read(PATIENCE_S)
    camera.close()


def test_a_configuration_that_the_camera_refuses_closes_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Picamera2, camera_config: Any = None) -> None:
        raise RuntimeError("lores stream dimensions may not exceed main stream")

    monkeypatch.setattr(Picamera2, "configure", refuse)
    camera = pi_camera()
    with pytest.raises(CameraError, match="lores stream dimensions"):
        camera.read(PATIENCE_S)
    assert Picamera2.made[0].closed
    camera.close()


def test_a_device_path_is_no_name_for_a_camera_on_the_ribbon_cable() -> None:
    with pytest.raises(CameraError, match='such as "0"'):
        pi_camera(source="/dev/video0")


def test_without_picamera2_the_reader_learns_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(ExtraMissing, match=r"edge-gate\[pi\]"):
        PiCamera(config.CameraSettings(source="0"), HeldClock(7_000_000_000))


def test_without_the_systems_libcamera_the_reader_learns_where_it_comes_from(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picamera2.py").write_text("import libcamera_is_not_here\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    with pytest.raises(CameraError, match=r"libcamera_is_not_here.*apt install python3-picamera2"):
        PiCamera(config.CameraSettings(source="0"), HeldClock(7_000_000_000))


# What importing the system's picamera2 has raised, each with a word of what then helps.
IMPORTS = {
    "numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject": (
        "ValueError",
        "simplejpeg",
    ),
    "numpy.ndarray size changed, may indicate binary incompatibility": ("RuntimeError", "simplejpeg"),
    "A module that was compiled using NumPy 1.x cannot be run in NumPy 2.4": ("ImportError", "simplejpeg"),
    "libcamera.so.0.3: cannot open shared object file": ("ImportError", "apt update"),
    "module has no attribute": ("AttributeError", "apt update"),
    "": ("KeyError", "apt update"),
    "out of": ("MemoryError", "apt update"),
    "invalid": ("SyntaxError", "apt update"),
}


@pytest.mark.parametrize("text", IMPORTS)
def test_whatever_its_import_raises_is_one_sentence_with_a_remedy(
    text: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, remedy = IMPORTS[text]
    (tmp_path / "picamera2.py").write_text(f"raise {kind}({text!r})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    settings = config.CameraSettings(driver="picamera2", source="0")
    with pytest.raises(CameraLibraryUnusable, match=remedy) as caught:
        open_camera(settings, HeldClock(7_000_000_000))
    assert text in str(caught.value) and caught.value.exit_code == 20
    with pytest.raises(CameraLibraryUnusable):  # no later attempt could do better: the eye ends, and says so
        CameraSupervisor(settings, HeldClock(7_000_000_000)).read(0.0)
