# SPDX-License-Identifier: Apache-2.0
"""The eye's supervisor over drivers that do what they like."""

from __future__ import annotations

import importlib.metadata
import itertools
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.core import drivers
from edge_gate.core.errors import CameraError, CameraMissing, DriverRaised, DriverUnusable, EdgeGateError
from edge_gate.eye.camera_supervisor import CameraSupervisor
from edge_gate.eye.cameras import CameraGarbled, Frame, open_camera
from edge_gate.settings import config
from edge_gate.wire.eye import CameraState
from tests.support.clocks import HeldClock

SETTINGS = config.CameraSettings(driver="odd", source="/dev/odd")
FRAME_S = 1 / 15


def picture(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 160, (48, 64, 3), np.uint8)


def opencv_error() -> Exception:
    try:
        cv2.cvtColor(np.empty((0, 0, 3), np.uint8), cv2.COLOR_BGR2GRAY)
    except cv2.error as error:
        return error
    raise AssertionError


RAISED: list[Exception] = [
    OSError(5, "Input/output error"),
    ValueError("numpy.dtype size changed"),
    TypeError(),
    KeyError("x"),
    AssertionError(),
    NotImplementedError(),
    MemoryError(),
    RecursionError("deep"),
    SystemError("null"),
    StopIteration(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    opencv_error(),
    type("LibraryError", (Exception,), {"__str__": lambda self: "{0} {name} %s"})(),
]
RETURNED: list[Any] = [
    7,
    "picture",
    b"",
    (True, None),
    np.zeros((48, 64, 3), np.uint8),
    Frame(cast(Any, None), 1),
    Frame(cast(Any, [[1]]), 1),
    Frame(np.empty((0, 0, 3), np.uint8), 1),
    Frame(np.zeros((48, 64), np.uint8), 1),
    Frame(np.zeros((48, 64, 3), np.float32), 1),
    Frame(np.zeros((48, 64, 4), np.uint8), 1),
    Frame(np.zeros((1, 1, 3), np.uint8), 1),
    Frame(picture(), cast(Any, None)),
    Frame(picture(), cast(Any, 1.5)),
    Frame(picture(), 1, cast(Any, "grey")),
    Frame(picture(), 1, np.zeros((0, 0), np.uint8)),
]


class OddCamera:
    """Does with each read what comes next: raises it or returns it."""

    def __init__(self, happenings: Any) -> None:
        self.happenings = iter(happenings)

    def read(self, timeout_s: float) -> Any:
        happening = next(self.happenings)
        if isinstance(happening, Exception):
            raise happening
        return happening

    def close(self) -> None:
        raise OSError("it cannot be closed either")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Put a driver's class in the place of the configured one."""

    def put(make: Any) -> None:
        monkeypatch.setattr(drivers, "load", lambda group, name: make)

    return put


def good_frames(clock: HeldClock) -> Any:
    return (Frame(picture(number), clock.at_ns) for number in itertools.count())


def watch_for(supervisor: CameraSupervisor, clock: HeldClock, seconds: float) -> int:
    """Return how many pictures were handed over."""
    handed = 0
    for _ in range(round(seconds / FRAME_S)):
        handed += supervisor.read(0.0) is not None
        clock.pass_s(FRAME_S)
    return handed


@pytest.mark.parametrize("rotate_deg", [0, 90])
@pytest.mark.parametrize("happening", [*RAISED, *RETURNED], ids=lambda each: type(each).__name__)
def test_whatever_a_driver_does_is_a_fault_that_is_told_and_the_eye_goes_on(
    happening: Any, rotate_deg: int, install: Callable[[Any], None], caplog: pytest.LogCaptureFixture
) -> None:
    clock = HeldClock()
    install(lambda *_: OddCamera(itertools.chain([happening] * 60, good_frames(clock))))
    chosen = config.CameraSettings(driver="odd", source="/dev/odd", rotate_deg=rotate_deg)
    supervisor = CameraSupervisor(chosen, clock, clock.pass_s)
    assert watch_for(supervisor, clock, 4) == 0
    assert supervisor.state.name in ("STALLED", "GARBAGE")
    assert watch_for(supervisor, clock, 5) > 10
    assert supervisor.state.name == "WORKING"
    assert len(caplog.records) <= 3
    supervisor.release()


@pytest.mark.parametrize("error", RAISED, ids=lambda each: type(each).__name__)
def test_a_driver_that_cannot_be_made_or_closed_is_told_in_words(
    error: Exception, install: Callable[[Any], None], caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object) -> None:
        raise error

    install(explode)
    with pytest.raises(DriverRaised, match="Unplug the camera") as caught:
        open_camera(SETTINGS)
    assert type(error).__name__ in str(caught.value)
    clock = HeldClock()
    supervisor = CameraSupervisor(SETTINGS, clock, clock.pass_s)
    supervisor.open()
    assert supervisor.read(0.1) is None and supervisor.state is CameraState.STALLED
    install(lambda *_: OddCamera(good_frames(clock)))
    assert watch_for(supervisor, clock, 2) > 10
    supervisor.release()
    assert "was not closed" in caplog.text


@pytest.mark.parametrize("error", RAISED, ids=lambda each: type(each).__name__)
def test_a_package_that_does_not_load_is_one_of_ours(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise error

    point = SimpleNamespace(name="odd", load=load)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [point])
    with pytest.raises(DriverUnusable, match=r"odd.*Install the package") as caught:
        drivers.load("edge_gate.cameras", "odd")
    assert isinstance(caught.value, EdgeGateError)


def test_with_every_second_picture_black_the_others_are_handed_over_and_nothing_is_told(
    install: Callable[[Any], None], caplog: pytest.LogCaptureFixture
) -> None:
    clock = HeldClock()
    caplog.set_level(logging.INFO)
    install(
        lambda *_: OddCamera(
            Frame(picture(number) if number % 2 else np.zeros((48, 64, 3), np.uint8), clock.at_ns)
            for number in itertools.count()
        )
    )
    supervisor = CameraSupervisor(SETTINGS, clock, clock.pass_s)
    assert watch_for(supervisor, clock, 600) == pytest.approx(4500, abs=2)
    assert supervisor.state is CameraState.WORKING
    assert (supervisor.count.arrived, supervisor.count.skipped) in ((15, 7), (15, 8), (14, 7))
    told = [each.getMessage() for each in caplog.records]
    assert sum("camera working" in each for each in told) == 1
    assert 1 <= sum("was skipped: mean luminance" in each for each in told) == len(told) - 1 <= 6


happenings = st.sampled_from(
    [
        "good",
        "none",
        *RETURNED[:4],
        OSError("x"),
        CameraError("c", "x"),
        CameraMissing("c", "x"),
        CameraGarbled("c", "x"),
    ]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(happenings, min_size=1, max_size=8))
def test_no_driver_fills_the_journal_or_ends_the_eye(rhythm: list[Any]) -> None:
    clock = HeldClock()
    lines: list[logging.LogRecord] = []
    frames = good_frames(clock)

    def note(record: logging.LogRecord) -> bool:
        lines.append(record)
        return False

    def happen() -> Any:
        for each in itertools.cycle(rhythm):
            yield next(frames) if each == "good" else None if each == "none" else each

    log = logging.getLogger("edge_gate.eye.camera_supervisor")
    log.addFilter(note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drivers, "load", lambda group, name: lambda *_: OddCamera(happen()))
        supervisor = CameraSupervisor(SETTINGS, clock, clock.pass_s)
        watch_for(supervisor, clock, 120)
    log.removeFilter(note)
    assert len(lines) <= 20
