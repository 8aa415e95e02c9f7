# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.core.clock import SystemClock
from edge_gate.eye.stderr_limit import LONGEST_LINE, MOST_LINES, LineLimit, limit_stderr
from tests.support.clocks import HeldClock


def test_the_first_lines_pass_then_one_in_five_minutes_which_says_how_many_did_not() -> None:
    clock = HeldClock()
    limit = LineLimit(clock)
    passed = [limit.pass_on(b"Corrupt JPEG data") for _ in range(100)]
    assert [bool(each) for each in passed] == [True] * MOST_LINES + [False] * (100 - MOST_LINES)
    clock.pass_s(301)
    assert f"({100 - MOST_LINES} lines before it were left out)" in limit.pass_on(b"Corrupt JPEG data")
    assert limit.pass_on(b"Corrupt JPEG data") == ""


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_whatever_a_library_writes_is_one_line_of_bounded_length(line: bytes) -> None:
    said = LineLimit(HeldClock()).pass_on(line)
    assert said == "" or (said.endswith("\n") and said[:-1].isprintable() and len(said) <= LONGEST_LINE + 20)


def test_a_flood_of_native_lines_is_limited_and_what_we_say_ourselves_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    with limit_stderr(SystemClock()):
        for number in range(500):
            os.write(2, b"native %d\n" % number)
        os.write(2, b"x" * 100_000)
    print("ours", file=sys.stderr)
    said = capfd.readouterr().err
    assert said.count("library: native") == MOST_LINES
    assert "ours" in said and len(said) < 1000
    os.write(2, b"as before\n")
    assert capfd.readouterr().err == "as before\n"
