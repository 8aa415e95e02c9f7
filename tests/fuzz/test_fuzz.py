# SPDX-License-Identifier: Apache-2.0
"""Every parser that meets the outside, given hostile bytes: it returns, or says what is wrong, within bounds.

A few seconds each, from a fixed seed; FUZZ_SECONDS in the environment makes it longer. driver.py has the rest.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fuzz.driver import CONTROLS, TARGETS

SECONDS = int(os.environ.get("FUZZ_SECONDS", "4"))
pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(SECONDS + 240)]
ROOT = Path(__file__).parents[2]
# libFuzzer's exit codes: a finding, something that took too long. (Too much memory is 71.)
FOUND, TOO_LONG = 77, 70
BOUND = ("-runs=400000", "-seed=1")


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """How a run ended: its exit code, what it said, how many runs, and the places of the code it saw first and last."""

    code: int
    said: str
    runs: int
    first: int
    last: int


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, where the machine has such: a store is synced at each write."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


def fuzzed(name: str, folder: Path, *options: str, blind: bool = False) -> Fuzzed:
    """Run the driver in a process of its own: a finding ends it."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder), **({"EDGE_GATE_FUZZ_BLIND": "1"} if blind else {})}
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.driver", name, str(folder), *options],
        cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    covered = [int(each) for each in re.findall(r" cov: (\d+) ", done.stderr)]
    runs = [int(each) for each in re.findall(r"^#(\d+)\t", done.stderr, re.MULTILINE)]
    seen = (covered[0], covered[-1]) if covered else (0, 0)
    return Fuzzed(done.returncode, f"{done.stdout}{done.stderr}"[-6000:], max(runs, default=0), *seen)


@pytest.mark.parametrize("name", [each for each in TARGETS if each not in CONTROLS])
def test_whatever_it_is_given_it_is_understood_or_refused_with_a_message(name: str, folder: Path) -> None:
    done = fuzzed(name, folder, f"-max_total_time={SECONDS}", "-seed=1", "-timeout=30")
    assert done.code == 0, done.said
    assert done.runs >= 20 and done.last > 10, "it ran, and the code under it is instrumented"


def test_a_parser_that_fails_behind_five_right_bytes_is_found_out_by_coverage_and_by_nothing_else(
    folder: Path,
) -> None:
    guided = fuzzed("crashes", folder / "guided", *BOUND)
    assert guided.code == FOUND and "KeyError" in guided.said and guided.last > guided.first, guided
    (finding,) = (folder / "guided").glob("finding-*")
    assert finding.read_bytes().startswith(b"EG\x91\x07\xe3")
    assert fuzzed("crashes", folder / "again", str(finding)).code == FOUND
    blind = fuzzed("crashes", folder / "blind", *BOUND, blind=True)
    assert blind.code == 0 and blind.runs >= 400_000, blind


def test_a_parser_that_never_ends_or_takes_all_memory_is_found_out(folder: Path) -> None:
    assert fuzzed("hangs", folder, *BOUND, "-timeout=1").code == TOO_LONG
    swallowing = fuzzed("swallows", folder / "more", *BOUND, "-rss_limit_mb=400")
    assert swallowing.code not in (0, 1), swallowing.said
