# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.eye.cameras.steadiness import FIRST_RECOVERY_S, LONGEST_RECOVERY_S, Steadiness
from edge_gate.wire.eye import CameraState

FRAME_NS = 66_666_667
PICTURES = (CameraState.BLACK, CameraState.GARBAGE, CameraState.SUSPECT)
FAULTS = (CameraState.MISSING, CameraState.STALLED, CameraState.REPLACED, *PICTURES)


class Stand:
    """A rule, the time, and each state that was told."""

    def __init__(self) -> None:
        self.rule = Steadiness(2.0)
        self.now_ns = 10**9
        self.told = [CameraState.STARTING]

    def happen(self, kind: CameraState, times: int = 1, frame_ns: int = FRAME_NS) -> CameraState:
        for _ in range(times):
            if kind is CameraState.WORKING:
                self.rule.note_usable(self.now_ns)
            else:
                self.rule.note_fault(self.now_ns, kind, picture=kind in PICTURES)
            if self.rule.told is not self.told[-1]:
                self.told.append(self.rule.told)
            self.now_ns += frame_ns
        return self.rule.told


rounds = st.lists(
    st.tuples(st.sampled_from((CameraState.WORKING, *FAULTS)), st.integers(1, 90)), min_size=1, max_size=6
)


@settings(max_examples=100, deadline=None)
@given(rounds)
def test_no_rhythm_of_good_and_bad_fills_the_log(rhythm: list[tuple[CameraState, int]]) -> None:
    stand = Stand()
    while stand.now_ns < 600e9:
        for kind, times in rhythm:
            stand.happen(kind, times)
    recoveries = stand.told.count(CameraState.WORKING)
    assert recoveries <= 2 + 5 + 600 / LONGEST_RECOVERY_S
    assert len(stand.told) <= 4 * (2 + 5 + 600 / LONGEST_RECOVERY_S)


@settings(max_examples=100, deadline=None)
@given(rounds, st.sampled_from(FAULTS))
def test_after_whatever_came_before_a_lasting_fault_is_told_and_a_lasting_recovery_too(
    before: list[tuple[CameraState, int]], kind: CameraState
) -> None:
    stand = Stand()
    for earlier, times in before:
        stand.happen(earlier, times)
    assert stand.happen(kind, 31) in FAULTS
    assert stand.happen(kind, 15 * 31) is kind
    stand.happen(CameraState.WORKING, 15 * 32)
    assert stand.rule.told is CameraState.WORKING


def test_each_relapse_doubles_the_time_that_a_recovery_takes_and_a_good_minute_ends_that() -> None:
    stand = Stand()
    stand.happen(CameraState.WORKING)
    took_s = []
    for good_s in (2, 2, 2, 70, 2):
        stand.happen(CameraState.MISSING, 16)
        began_ns = stand.now_ns
        while stand.happen(CameraState.WORKING) is not CameraState.WORKING:
            assert stand.now_ns - began_ns < 60e9
        took_s.append(round((stand.now_ns - began_ns) / 1e9))
        stand.happen(CameraState.WORKING, round(good_s * 15))
    assert took_s[0] == took_s[-1] == round(FIRST_RECOVERY_S + 0.3)
    assert took_s[:4] == sorted(set(took_s[:4]))


def test_one_bad_picture_of_a_slow_camera_is_no_fault() -> None:
    stand = Stand()
    for _ in range(20):
        stand.happen(CameraState.WORKING, 4, 10**9)
        assert stand.happen(CameraState.GARBAGE, 1, 10**9) is CameraState.WORKING
    assert stand.happen(CameraState.GARBAGE, 3, 10**9) is CameraState.GARBAGE


@given(st.lists(st.booleans(), max_size=120))
def test_the_count_is_of_the_last_second(usable: list[bool]) -> None:
    stand = Stand()
    for each in usable:
        stand.happen(CameraState.WORKING if each else CameraState.GARBAGE)
    stand.now_ns -= FRAME_NS
    lately = usable[-15:]
    counted = stand.rule.count(stand.now_ns)
    assert (counted.arrived, counted.skipped) == (len(lately), lately.count(False))
    stand.now_ns += 2 * 10**9
    assert stand.rule.count(stand.now_ns).arrived == 0
