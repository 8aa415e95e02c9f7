# SPDX-License-Identifier: Apache-2.0
"""What a live camera never does, and what drivers do that looks like it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, cycle, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.eye.cameras import CameraWatch, Frame, plausibility
from edge_gate.eye.cameras.plausibility import ENOUGH, FASTEST_FPS, RING, Plausibility
from edge_gate.wire.eye import CameraState
from tests.support.clocks import HeldClock

FRAME_S = 1 / 15


class Terminal:
    """A watch that is shown pictures by their numbers: one number, one picture."""

    def __init__(self, live: bool = True) -> None:
        self.clock = HeldClock(10**12)
        self.watch = CameraWatch(2.0, self.clock, live)
        self.used: list[int] = []

    def show(
        self, numbers: Iterable[int], frame_s: float = FRAME_S, stamped_s: Iterable[float] = cycle((0.0,))
    ) -> CameraState:
        for number, age_s in zip(numbers, stamped_s, strict=False):
            picture = np.random.default_rng(number).integers(60, 200, (48, 64, 3)).astype(np.uint8)
            self.watch.frame(Frame(picture, self.clock.at_ns - round(age_s * 1e9)))
            if self.watch.usable:
                self.used.append(number)
            self.clock.at_ns += round(frame_s * 1e9)
        return self.watch.state


def test_a_film_that_comes_round_is_told_within_two_seconds_and_none_of_its_pictures_is_used_twice() -> None:
    terminal = Terminal()
    film = range(150)
    assert terminal.show(film) is CameraState.WORKING
    assert terminal.show(islice(film, 30)) is CameraState.SUSPECT
    assert terminal.used == list(film)
    assert "sent before" in terminal.watch.reason


def test_a_film_of_which_some_pictures_are_lost_each_time_is_told_all_the_same_and_no_more_used() -> None:
    """An eye that is slower than the film misses others in each round: half of what it sees is new to it."""
    terminal = Terminal()
    lost = np.random.default_rng(1)
    rounds = [[number for number in range(150) if lost.random() < 0.5] for _ in range(6)]
    states = [terminal.show(each) for each in rounds]
    assert states[0] is CameraState.WORKING and states[2] is CameraState.SUSPECT
    terminal.used.clear()
    terminal.show(rounds[3])
    assert terminal.used == []


def test_stills_in_turn_are_told_whether_they_come_again_or_not() -> None:
    again, once = Terminal(), Terminal()
    again.show(number for number in islice(cycle((1, 2, 3)), 12) for _ in range(15))
    once.show(number for number in range(12) for _ in range(15))
    assert again.watch.state is once.watch.state is CameraState.SUSPECT


def test_a_recording_may_come_round() -> None:
    terminal = Terminal(live=False)
    assert terminal.show(islice(cycle(range(20)), 200)) is CameraState.WORKING
    assert len(terminal.used) == 200


def ends(numbers: Iterator[int], size: int) -> Iterator[int]:
    """A driver that hung: now and then it hands over its whole queue again."""
    for start in count():
        fresh = list(islice(numbers, 300))
        if not fresh or start > 4:
            return
        yield from fresh
        yield from fresh[-size:]


# What drivers do, as numbers of pictures.
DRIVERS_DO = {
    "each picture twice": (number for number in range(300) for _ in range(2)),
    "each picture four times, in the dark": (number for number in range(150) for _ in range(4)),
    "twice every now and then": (number for number in range(500) for _ in range(1 + (number % 7 == 0))),
    "a queue of four again after each hang": ends(iter(range(1500)), 4),
}


@pytest.mark.parametrize("name", DRIVERS_DO)
def test_what_drivers_do_is_no_film(name: str) -> None:
    terminal = Terminal()
    assert terminal.show(DRIVERS_DO[name]) is CameraState.WORKING
    assert len(set(terminal.used)) >= 150


def test_a_camera_that_hung_once_is_stalled_or_garbage_and_then_works() -> None:
    terminal = Terminal()
    terminal.show(range(100))
    assert terminal.show([100] * 60) is CameraState.GARBAGE
    assert terminal.show(range(101, 150)) is CameraState.WORKING


def test_it_works_again_a_minute_after_the_last_repetition() -> None:
    terminal = Terminal()
    terminal.show(range(30))
    assert terminal.show(range(30)) is CameraState.SUSPECT
    assert terminal.show(range(100, 100 + 15 * 50)) is CameraState.SUSPECT
    assert terminal.show(range(1000, 1000 + 15 * 20)) is CameraState.WORKING


def test_stamps_that_go_backwards_are_not_used_and_told_once_there_are_many() -> None:
    terminal = Terminal()
    terminal.show(range(30))
    assert terminal.show([30, 31, 32], stamped_s=(0.0, 0.5, 0.0)) is CameraState.WORKING
    assert terminal.used == [*range(31), 32]
    assert terminal.show(range(40, 140), stamped_s=cycle((0.0, 0.5))) is CameraState.SUSPECT
    assert "before the last one" in terminal.watch.reason


def test_pictures_faster_than_any_mode_are_told_and_a_burst_is_not() -> None:
    terminal = Terminal()
    terminal.show(range(30))
    assert terminal.show(range(30, 60), frame_s=0.0005) is CameraState.WORKING
    assert terminal.show(range(100, 100 + 4 * 120), frame_s=1 / 120) is CameraState.WORKING
    assert terminal.show(range(1000, 1000 + 5 * 400), frame_s=1 / 400) is CameraState.SUSPECT
    assert str(FASTEST_FPS) in terminal.watch.reason


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=80), st.integers(0, 10**9))
def test_only_pictures_that_came_before_with_others_between_are_objected_to(
    runs: list[tuple[int, int]], age_ns: int
) -> None:
    judge, now_ns, last, seen, repeated = Plausibility(), 10**12, -1, set[int](), False
    for number, times in runs:
        for _ in range(times):
            repeated = number in seen if number != last else repeated
            found = judge.judge(number.to_bytes(16), now_ns - age_ns, now_ns)
            assert ("sent before" in found) >= repeated
            assert repeated or not found or len(judge._evidence) == ENOUGH
            seen.add(number)
            last, now_ns = number, now_ns + 66_000_000


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plausibility, "RING", 100)
    assert RING == 9_000
    judge = Plausibility()
    for number in range(1000):
        assert judge.judge(number.to_bytes(16), number * 10**8, number * 10**8) == ""
    assert len(judge._order) == len(judge._known) == 100
    assert judge.judge((0).to_bytes(16), 10**12, 10**12) == "", "it came round too late to be known"
    assert "sent before" in judge.judge((950).to_bytes(16), 10**12, 10**12)
