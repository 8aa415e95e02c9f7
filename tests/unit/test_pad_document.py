# SPDX-License-Identifier: Apache-2.0
"""The report on attack detection says what its results say, and marks what went wrong."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_gate.tools.pad.document import SETS, render

DOCS = Path(__file__).parents[2] / "docs" / "pad"


@pytest.fixture
def results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "results.json").read_text(encoding="utf-8"))
    return found


def test_the_report_is_what_the_results_say(results: dict[str, Any]) -> None:
    assert (DOCS / "README.md").read_text(encoding="utf-8") == render(results)


def test_every_recording_was_measured_by_one_model_at_one_threshold(results: dict[str, Any]) -> None:
    measured = [*results["recordings"].values(), results["simulated"]["people"]]
    assert set(results["recordings"]) == set(SETS)
    assert {(each["model"], each["model_sha256"]) for each in measured} == {tuple(results["about"]["model"].values())}
    assert {each["threshold"] for each in measured} == {0.5}
    assert results["simulated"]["people"]["simulated"] and not any(
        each["simulated"] for each in results["recordings"].values()
    )


def test_a_clip_that_went_wrong_stands_out(results: dict[str, Any]) -> None:
    changed = copy.deepcopy(results)
    clips = changed["recordings"]["videos"]["masked"]["unmasked"]["presentations"]
    for clip, after in zip(clips, (0.4, 0.4, None, None, 5.4, None, 0.4, None), strict=True):
        clip["live_after_s"] = after
    rows = [line for line in render(changed).splitlines() if line.startswith("| v")]
    cells = [row.split(" | ")[1] for row in rows]
    assert [each.startswith("**") for each in cells] == [False, True, True, False, True, False, False, False]


def test_what_is_simulated_says_so(results: dict[str, Any]) -> None:
    section = render(results).partition("## Simulated")[2].partition("\n## ")[0]
    heads = [before for before, line in pairwise(section.splitlines()) if "|---" in line]
    assert len(heads) == 2 and all(head.startswith("| simulated") for head in heads)
    assert "**Simulated**" in section
