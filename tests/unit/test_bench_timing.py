# SPDX-License-Identifier: Apache-2.0
"""The stopwatch and the verdicts: that figures are what they are called. How fast anything is, no test says."""

from __future__ import annotations

import math
import time

import pytest

from edge_gate.tools.bench.report import Goal
from edge_gate.tools.bench.timing import Stopwatch, measure


def test_waiting_counts_as_wall_time_and_not_as_processor_time() -> None:
    watch = Stopwatch()
    watch.call(lambda: time.sleep(0.05))
    timing = watch.timing()
    assert timing.wall_p50_ms >= 50
    assert timing.cpu_p50_ms < timing.wall_p50_ms / 2


def test_the_stopwatch_returns_what_was_returned() -> None:
    assert Stopwatch().call(lambda: "a result") == "a result"


def test_calls_of_the_warm_up_are_not_counted() -> None:
    timing = measure(lambda wait_s: time.sleep(wait_s), [0.0] * 5, warm_up=2)
    assert timing.calls == 3


def test_no_calls_have_no_times() -> None:
    timing = Stopwatch().timing()
    assert timing.calls == 0 and math.isnan(timing.wall_p50_ms)


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("memory", 150, 150, "MB"), True),
        (Goal("memory", 151, 150, "MB"), False),
        (Goal("ratio", 10, 10, "x", at_least=True), True),
        (Goal("ratio", 9.9, 10, "x", at_least=True), False),
    ],
)
def test_a_goal_is_met_on_its_own_side_of_the_bound(goal: Goal, met: bool) -> None:
    assert goal.met is met
    assert ("missed" not in goal.verdict()) is met


def test_a_missed_time_says_whether_the_machine_was_busy() -> None:
    assert "cpu 9.00 ms: met" in Goal("loop", 20, 15, "ms", cpu=9.0).verdict()
    assert "missed too" in Goal("loop", 20, 15, "ms", cpu=16.0).verdict()
