# SPDX-License-Identifier: Apache-2.0
"""The gate's time under every walk of the two clocks: it never goes back, and it never runs ahead by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_gate.rules.timekeeping import LONGEST_DOUBT_US, SECOND_US, SLACK_US, Reckoning, accept, advance, begin

HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
MADE_US = 20_000 * DAY_US  # when the software was made

# How much time passes before the next look, and by how much somebody sets the date meanwhile. A restart is a look too;
# one of the machine begins CLOCK_BOOTTIME anew.
STEPS = st.one_of(
    st.integers(-30 * SECOND_US, 30 * SECOND_US), st.integers(-50_000 * DAY_US, 50_000 * DAY_US), st.just(0)
)
WALKS = st.lists(st.tuples(st.integers(0, 3 * DAY_US), STEPS, st.booleans()), min_size=1, max_size=30)


class World:
    """What is so, whatever the clocks say."""

    def __init__(self, wall: int) -> None:
        self.passed = 0
        self.wall = wall
        self.boot = HOUR_US
        self.known = begin(MADE_US, self.wall, self.boot)

    def live(self, passes: int, set_by: int, restarts: bool) -> Reckoning:
        """Let time pass, have the date set and the machine started again, and return what is known after a look."""
        self.passed += passes
        self.wall = max(0, self.wall + passes + set_by)
        self.boot = passes // 3 if restarts else self.boot + passes
        self.known = advance(self.known, self.wall, self.boot)
        return self.known


@given(st.integers(0, 2 * MADE_US), WALKS)
def test_time_never_goes_back_and_nothing_that_has_ended_holds_again(
    first: int, walk: list[tuple[int, int, bool]]
) -> None:
    world = World(first)
    for passes, set_by, restarts in walk:
        before = world.known
        known = world.live(passes, set_by, restarts)
        assert known.newest >= before.newest, "a consent that had ended would hold again"
        assert known.floor >= before.floor
        assert MADE_US <= known.floor <= known.newest
        assert known.trusted == (known.wall >= known.floor - SLACK_US)
        if known.trusted:
            assert known.newest >= known.wall, "a consent that has ended by a trusted date would hold"


@given(st.integers(0, 2 * MADE_US), WALKS)
def test_time_by_itself_is_never_ahead_of_what_has_passed(first: int, walk: list[tuple[int, int, bool]]) -> None:
    """What is counted on is a lower bound, whatever was switched off: only a date moves the time further."""
    world = World(first)
    latest = max(MADE_US, first)
    for passes, set_by, restarts in walk:
        known = world.live(passes, set_by, restarts)
        latest = max(latest + passes, world.wall)
        assert known.newest <= latest
        assert known.ran <= world.passed, "a limit of so many an hour would have been passed"


@given(WALKS)
def test_while_the_machine_stays_on_running_time_is_exact_whatever_the_date_does(
    walk: list[tuple[int, int, bool]],
) -> None:
    world = World(MADE_US + DAY_US)
    for passes, set_by, _ in walk:
        assert world.live(passes, set_by, False).ran == world.passed


def test_a_date_that_is_set_back_is_not_trusted_until_it_has_come_there_again() -> None:
    world = World(MADE_US + 10 * DAY_US)
    before = world.known.newest
    assert not world.live(0, -3 * HOUR_US, False).trusted
    half = world.live(HOUR_US, 0, False)
    assert not half.trusted and half.newest == before + HOUR_US, "counted on"
    back = world.live(2 * HOUR_US, 0, False)
    assert back.trusted and back.newest > back.wall, "it was counted on for two hours more"
    assert world.live(HOUR_US, 0, False).newest == back.newest + HOUR_US // 2, "behind, it goes on at half the pace"
    caught_up = world.live(6 * HOUR_US, 0, False)
    assert caught_up.newest == caught_up.wall


def test_a_step_within_the_slack_is_not_worth_a_word() -> None:
    world = World(MADE_US + DAY_US)
    for _ in range(5):
        assert world.live(HOUR_US, -SLACK_US // 2, False).trusted
    assert not world.live(0, -2 * SLACK_US, False).trusted, "the control"


def test_a_date_that_was_set_forward_is_doubted_as_long_as_it_went_and_a_day_at_most() -> None:
    world = World(MADE_US + DAY_US)
    assert world.known.settled
    assert not world.live(0, 2 * HOUR_US, False).settled
    assert not world.live(HOUR_US, 0, False).settled
    assert world.live(HOUR_US, 0, False).settled
    assert world.live(0, 30_000 * DAY_US, False).doubt == LONGEST_DOUBT_US
    assert not world.live(DAY_US - 1, 0, True).settled, "a restart of the machine counts what it has run, and no more"
    assert world.live(DAY_US, 0, False).settled


def test_a_date_that_creeps_forward_is_doubted_too() -> None:
    world = World(MADE_US + DAY_US)
    for _ in range(100):
        world.live(SECOND_US, 23 * HOUR_US, False)
    assert not world.known.settled
    assert world.known.doubt > LONGEST_DOUBT_US - 100 * SECOND_US


def test_a_date_that_creeps_forward_is_doubted_as_long_as_one_that_jumps() -> None:
    """By no more than is corrected in passing each time, as often as the gate looks."""
    world = World(MADE_US + DAY_US)
    for _ in range(2000):
        world.live(4000, SLACK_US - 100_000, False)
    assert world.known.doubt > 2000 * (SLACK_US - 200_000)


def test_what_two_people_accept_is_the_time_from_then_on() -> None:
    world = World(MADE_US + DAY_US)
    world.live(0, 30_000 * DAY_US, False)
    wrong = world.live(0, -30_000 * DAY_US, False)
    assert not wrong.trusted and wrong.newest > MADE_US + 30_000 * DAY_US
    world.known = accept(wrong)
    known = world.live(HOUR_US, 0, False)
    assert known.trusted and known.newest == known.wall == MADE_US + DAY_US + HOUR_US
