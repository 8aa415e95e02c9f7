# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_gate.core.errors import CameraError, CameraMissing, CameraReplaced
from edge_gate.eye.cameras import CameraGarbled, CameraWatch, Frame
from edge_gate.wire.eye import CameraState
from tests.support.clocks import HeldClock

STALL_S = 2.0
SHAPE = (96, 128, 3)
FRAME_S = 1 / 15


class Stand:
    """A watch, its clock, and pictures made on the spot."""

    def __init__(self, live: bool = True) -> None:
        self.clock = HeldClock(10**9)
        self.watch = CameraWatch(STALL_S, self.clock, live)
        self.random = np.random.default_rng(3)
        self.log: list[str] = []

    def wait(self, seconds: float) -> None:
        self.clock.at_ns += round(seconds * 1e9)

    def noise(self, mean: float, sigma: float) -> np.ndarray:
        return np.clip(self.random.normal(mean, sigma, SHAPE), 0, 255).astype(np.uint8)

    def see(self, bgr: Any) -> CameraState:
        self._note(self.watch.frame(Frame(bgr, self.clock.at_ns)))
        return self.watch.state

    def recover(self) -> CameraState:
        """Show good pictures for as long as the first recovery takes to be told."""
        return self.see_for(1.5, self.good)

    def see_for(self, seconds: float, make: Any) -> CameraState:
        for _ in range(round(seconds / FRAME_S)):
            self.see(make())
            self.wait(FRAME_S)
        return self.watch.state

    def nothing(self) -> CameraState:
        self._note(self.watch.nothing())
        return self.watch.state

    def fail(self, error: CameraError) -> CameraState:
        self._note(self.watch.failed(error))
        return self.watch.state

    def good(self) -> np.ndarray:
        return self.noise(110, 12)

    def _note(self, text: str | None) -> None:
        if text is not None:
            self.log.append(text)


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_the_first_good_picture_makes_a_camera_work_and_the_next_thousand_say_nothing(stand: Stand) -> None:
    assert stand.watch.state == CameraState.STARTING
    assert stand.see_for(70, stand.good) == CameraState.WORKING
    assert len(stand.log) == 1
    assert "working" in stand.log[0]


def test_silence_becomes_a_stall_after_the_configured_time_and_ends_with_the_next_picture(stand: Stand) -> None:
    stand.see(stand.good())
    stand.wait(STALL_S)
    assert stand.nothing() == CameraState.WORKING
    stand.wait(0.1)
    assert stand.nothing() == CameraState.STALLED
    assert "no picture for 2.1 s" in stand.log[-1]
    assert stand.nothing() == CameraState.STALLED
    assert stand.see(stand.good()) == CameraState.STALLED and stand.watch.usable
    assert stand.recover() == CameraState.WORKING
    assert len(stand.log) == 3


def test_a_camera_may_take_five_seconds_to_start(stand: Stand) -> None:
    stand.wait(5.0)
    assert stand.nothing() == CameraState.STARTING
    stand.wait(0.1)
    assert stand.nothing() == CameraState.STALLED


def test_an_unplugged_camera_is_missing_until_it_sends_pictures_again(stand: Stand) -> None:
    stand.see(stand.good())
    assert stand.fail(CameraMissing("/dev/cam", "it was unplugged")) == CameraState.WORKING
    stand.wait(1.0)
    assert stand.nothing() == CameraState.MISSING
    assert "unplugged" in stand.log[-1]
    stand.wait(60)
    assert stand.nothing() == CameraState.MISSING
    assert stand.fail(CameraMissing("/dev/cam", "there is no /dev/cam")) == CameraState.MISSING
    assert len(stand.log) == 2
    assert stand.recover() == CameraState.WORKING


def test_a_camera_that_cannot_be_opened_gives_its_reason(stand: Stand) -> None:
    assert stand.fail(CameraError("/dev/cam", "it is in use by another program")) == CameraState.STALLED
    assert "in use by another program" in stand.log[-1]


@pytest.mark.parametrize("kind", [CameraMissing, CameraReplaced])
def test_silence_after_a_fault_that_explains_it_is_no_other_fault(stand: Stand, kind: type[CameraError]) -> None:
    stand.see_for(2, stand.good)
    state = CameraState.MISSING if kind is CameraMissing else CameraState.REPLACED
    for _ in range(40):
        stand.fail(kind("/dev/cam", "it is another", "pinned", "camera"))
        stand.wait(1.1)
        stand.nothing()
        stand.wait(2.5)
        stand.nothing()
    assert stand.watch.state is state and len(stand.log) == 2
    assert stand.recover() is CameraState.WORKING


def test_pictures_that_cannot_be_decoded_are_garbage(stand: Stand) -> None:
    for _ in range(3):
        assert stand.watch.state == CameraState.STARTING
        stand.fail(CameraGarbled("/dev/cam", "15 in a row could not be decoded"))
        stand.wait(0.6)
    assert stand.watch.state == CameraState.GARBAGE


@pytest.mark.parametrize("level", [0, 2, 5])
def test_a_covered_lens_is_black_after_a_second(stand: Stand, level: int) -> None:
    stand.see(stand.good())
    assert stand.see_for(0.9, lambda: stand.noise(level, 0.4)) == CameraState.WORKING
    assert stand.see_for(0.3, lambda: stand.noise(level, 0.4)) == CameraState.BLACK
    assert "covered" in stand.log[-1]
    assert stand.recover() == CameraState.WORKING


def test_the_noise_of_a_dark_night_is_no_covered_lens(stand: Stand) -> None:
    assert stand.see_for(10, lambda: stand.noise(2, 6)) == CameraState.WORKING


def test_a_far_lamp_in_the_dark_is_no_covered_lens(stand: Stand) -> None:
    def night() -> np.ndarray:
        picture = stand.noise(1, 0.4)
        picture[40:48, 60:68] = stand.random.integers(150, 250, (8, 8, 3))
        return picture

    assert stand.see_for(10, night) == CameraState.WORKING


def test_a_sensor_may_start_up_black_and_white_before_its_exposure_settles(stand: Stand) -> None:
    stand.see_for(0.5, lambda: np.zeros(SHAPE, np.uint8))
    stand.see_for(0.5, lambda: np.full(SHAPE, 255, np.uint8))
    assert stand.watch.state == CameraState.STARTING
    assert stand.see(stand.good()) == CameraState.WORKING
    assert len(stand.log) == 1


def test_short_black_moments_between_good_pictures_do_not_add_up(stand: Stand) -> None:
    for _ in range(5):
        stand.see_for(0.6, lambda: np.zeros(SHAPE, np.uint8))
        assert stand.see(stand.good()) == CameraState.WORKING
    assert len(stand.log) == 1


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("live", [True, False])
def test_test_bars_are_garbage_even_when_they_flicker(live: bool, axis: int) -> None:
    stand = Stand(live)

    def bars() -> np.ndarray:
        line = stand.random.integers(60, 255, [1 if axis == each else SHAPE[each] for each in range(2)] + [3])
        return np.broadcast_to(line, SHAPE).astype(np.uint8)

    assert stand.see_for(0.9, bars) == CameraState.STARTING
    assert stand.see_for(0.3, bars) == CameraState.GARBAGE


def test_a_saturated_sensor_is_garbage(stand: Stand) -> None:
    assert stand.see_for(1.2, lambda: np.full(SHAPE, 255, np.uint8)) == CameraState.GARBAGE


def test_a_live_picture_that_stands_still_is_garbage_and_a_recorded_one_is_not() -> None:
    for live, expected in ((True, CameraState.GARBAGE), (False, CameraState.WORKING)):
        stand = Stand(live)
        still = stand.good()
        assert stand.see_for(STALL_S, still.copy) == CameraState.WORKING
        assert stand.see_for(1.0, still.copy) == CameraState.WORKING
        assert stand.see_for(0.3, still.copy) == expected
        assert stand.watch.usable is not live
    assert Stand().see(still) == CameraState.WORKING


def test_one_changed_pixel_keeps_a_live_picture_alive(stand: Stand) -> None:
    still, numbers = stand.good(), count()

    def nearly_still() -> np.ndarray:
        still[0, 0, :2] = divmod(next(numbers), 256)
        return still

    assert stand.see_for(10, nearly_still) == CameraState.WORKING


def test_a_live_camera_that_changes_its_size_by_itself_is_garbage_until_the_new_size_has_lasted(stand: Stand) -> None:
    stand.see(stand.good())
    assert stand.see_for(0.9, lambda: stand.good()[:64]) == CameraState.WORKING and not stand.watch.usable
    assert stand.see_for(0.2, lambda: stand.good()[:64]) == CameraState.GARBAGE
    assert stand.see_for(1.5, lambda: stand.good()[:64]) == CameraState.WORKING and stand.watch.usable


def test_a_recording_and_a_camera_plugged_in_again_may_have_another_size(stand: Stand) -> None:
    stand.see(stand.good())
    stand.fail(CameraMissing("/dev/cam", "it was unplugged"))
    assert stand.see(stand.good()[:64]) == CameraState.WORKING and stand.watch.usable
    recorded = Stand(live=False)
    recorded.see(recorded.good())
    assert recorded.see(recorded.good()[:64]) == CameraState.WORKING


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32, np.int8]),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40),
    )
)
def test_whatever_is_not_an_8_bit_colour_picture_is_skipped_and_garbage_once_it_lasts(
    array: np.ndarray,
) -> None:
    well_formed = array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and min(array.shape[:2]) >= 32
    stand = Stand()
    stand.see(array)
    assert well_formed or not stand.watch.usable
    assert (stand.see_for(0.2, lambda: array) == CameraState.GARBAGE) is False
    stand.wait(1.0)
    assert well_formed or stand.see(array) == CameraState.GARBAGE


EVENTS = ("good", "black", "still", "bars", "small", "nothing", "missing", "refused", "garbled")


def happen(stand: Stand, event: str, still: np.ndarray) -> None:
    match event:
        case "good":
            stand.see(stand.good())
        case "black":
            stand.see(np.zeros(SHAPE, np.uint8))
        case "still":
            stand.see(still)
        case "bars":
            stand.see(np.broadcast_to(still[:1], SHAPE))
        case "small":
            stand.see(still[:20])
        case "nothing":
            stand.nothing()
        case "missing":
            stand.fail(CameraMissing("cam", "gone"))
        case "refused":
            stand.fail(CameraError("cam", "in use"))
        case "garbled":
            stand.fail(CameraGarbled("cam", "not a JPEG"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from([0.05, 0.4, 1.1, 2.5, 9.0])), max_size=25))
def test_whatever_happens_the_log_has_one_line_for_each_change_and_a_lasting_event_is_told(
    happenings: list[tuple[str, float]],
) -> None:
    stand = Stand()
    still = stand.good()
    silent_s = 0.0
    for event, seconds in happenings:
        before, lines = stand.watch.state, len(stand.log)
        stand.wait(seconds)
        silent_s = silent_s + seconds if event in ("nothing", "missing", "refused") else 0.0  # garbage is something
        happen(stand, event, still)
        state = stand.watch.state
        assert len(stand.log) - lines == (state != before)
        assert state != CameraState.STARTING or before == CameraState.STARTING
        if event in ("good", "small"):
            # Enough of the same still picture in turn with others, and the next minute's are suspect too.
            assert stand.watch.usable is (event == "good") or "still by turns" in stand.watch.reason
        if event == "nothing" and silent_s > 9.0:
            assert state in (CameraState.MISSING, CameraState.STALLED)
        if event in ("black", "bars"):
            assert state in (before, CameraState.BLACK, CameraState.GARBAGE)
    for event, expected in (
        ("missing", CameraState.MISSING),
        ("small", CameraState.GARBAGE),
        ("refused", CameraState.STALLED),
        ("garbled", CameraState.GARBAGE),
        ("good", CameraState.WORKING),
    ):
        for _ in range(70):
            happen(stand, event, still)
            stand.wait(0.55)
        assert stand.watch.state == expected


# What cameras do, each as the events of one round that comes again and again, some fifteen a second.
WORKING_ALL_THE_SAME = {
    "every second picture black": ["good", "black"],
    "two pictures in three black": ["good", "black", "black"],
    "one of another size in ten": ["small"] + ["good"] * 9,
    "one larger in ten": ["odd"] + ["good"] * 9,
    "two sizes in turn": ["good", "odd"],
    "one undecodable in four": ["good"] * 3 + ["garbled"],
    "a driver that fails every fourth time": ["good"] * 3 + ["refused"],
    "one failure a second": ["good"] * 14 + ["missing"],
    "all kinds, a third of them good": ["black", "good", "small", "odd", "good", "garbled", "refused", "good", "bars"],
    "half a second black, half a second good": ["black"] * 7 + ["good"] * 7,
}
AT_FAULT = {
    "black and another size in turn": ["black", "odd"],
    "no two pictures of one kind": ["black", "small", "garbled", "bars"],
    "one good picture in fifteen": ["good"] + ["black"] * 14,
    "one good picture in five": ["good"] + ["garbled"] * 4,
}


def happen_often(stand: Stand, events: list[str], seconds: float) -> None:
    still = stand.good()
    for number in range(round(seconds / FRAME_S)):
        event = events[number % len(events)]
        if event == "odd":
            stand.see(np.vstack([stand.good()] * 2))
        else:
            happen(stand, event, still)
        stand.wait(FRAME_S)


@pytest.mark.parametrize("events", WORKING_ALL_THE_SAME.values(), ids=WORKING_ALL_THE_SAME)
def test_passing_faults_are_counted_and_skipped_and_no_event(events: list[str]) -> None:
    stand = Stand()
    stand.see(stand.good())
    happen_often(stand, events, 60)
    assert stand.watch.state == CameraState.WORKING
    assert len(stand.log) == 1
    counted = stand.watch.count()
    pictures = [each for each in events if each not in ("refused", "missing")]
    share = sum(each != "good" for each in pictures) / len(pictures)
    assert 8 <= counted.arrived <= 16
    assert counted.skipped == pytest.approx(share * counted.arrived, abs=4)


@pytest.mark.parametrize("events", AT_FAULT.values(), ids=AT_FAULT)
def test_a_camera_that_is_hardly_ever_of_use_is_told_once_though_its_faults_change(events: list[str]) -> None:
    stand = Stand()
    stand.see(stand.good())
    happen_often(stand, events, 30)
    assert stand.watch.state in (CameraState.BLACK, CameraState.GARBAGE)
    assert [each for each in stand.log if "working" in each] == stand.log[:1]


def test_under_strobing_lamps_the_dim_pictures_are_skipped_and_dusk_is_no_strobe(stand: Stand) -> None:
    used = []
    for number in range(60):
        stand.see(stand.noise(110, 12) if number % 2 else stand.noise(12, 5))
        used.append(stand.watch.usable)
        stand.wait(FRAME_S)
    assert used[1:] == [bool(number % 2) for number in range(1, 60)]
    assert stand.watch.state == CameraState.WORKING
    for step in range(200):
        stand.see(stand.noise(110 * 0.98**step, 5))
        stand.wait(FRAME_S)
        assert stand.watch.usable


def test_a_lamp_that_goes_out_costs_half_a_second_and_no_event(stand: Stand) -> None:
    stand.see_for(2, stand.good)
    stand.see_for(0.6, lambda: stand.noise(12, 5))
    assert stand.see(stand.noise(12, 5)) == CameraState.WORKING and stand.watch.usable
    assert len(stand.log) == 1
