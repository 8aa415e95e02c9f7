# SPDX-License-Identifier: Apache-2.0
"""What is printed and what scripts get, from scores of made-up people."""

from __future__ import annotations

import json
import math
from collections import Counter
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from edge_gate.tools.evaluation.intervals import rule_of_three, upper_bound
from edge_gate.tools.evaluation.protocol import Comparisons, Embedded, all_pairs
from edge_gate.tools.evaluation.report import Report, heading, rates_of, table
from edge_gate.tools.evaluation.sides import Failure, Participation, Side

FIRST_KEYS = ["n_subjects", "n_images", "fta", "n_genuine", "n_impostor", "eer"] + [
    f"fnmr_at_fmr_1e{k}" for k in (2, 3, 4)
]


def comparisons(n_subjects: int, each: int, spread: float) -> Comparisons:
    draw = np.random.default_rng(4)
    subject = np.repeat(np.arange(n_subjects, dtype=np.int32), each)
    vectors = draw.normal(size=(n_subjects, 32))[subject] + spread * draw.normal(size=(n_subjects * each, 32))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return all_pairs(Embedded(units.astype(np.float32), subject), n_subjects)


def report(found: Comparisons, failures: int = 0) -> Report:
    names = tuple(Failure(f"ana/{k}.jpg", "no face found", "ana") for k in range(failures))
    asked = Counter({"ana": 10, "bo": 90})
    side = Side("pictures", "pictures", asked, asked - Counter({"ana": failures}), names, quality_refused=2)
    seen = Participation(found.n_subjects, (side,))
    return Report("pictures", None, "all pairs of pictures", "a-model", "ab" * 32, seen, rates_of(found), None)


def printed(of: Report) -> str:
    text = StringIO()
    Console(width=140, file=text).print(table(of))
    return text.getvalue()


def test_scripts_get_the_agreed_keys_first_and_rates_as_fractions() -> None:
    answer = json.loads(json.dumps(report(comparisons(30, 5, 0.9), failures=3).as_dict(), allow_nan=False))
    assert list(answer)[: len(FIRST_KEYS)] == FIRST_KEYS
    assert (answer["n_subjects"], answer["n_images"], answer["fta"]) == (30, 100, 0.03)
    assert (answer["n_genuine"], answer["n_impostor"]) == (300, 150 * 145 // 2)
    rates = [answer["eer"], *(answer[f"fnmr_at_fmr_1e{k}"] for k in (2, 3, 4))]
    assert all(0 < rate < 1 for rate in rates)
    assert rates[1:] == sorted(rates[1:])
    assert answer["failures"][0] == {
        **{"side": "pictures", "subject": "ana", "picture": "ana/0.jpg", "reason": "no face found"}
    }


def test_each_interval_holds_its_rate() -> None:
    answer = report(comparisons(30, 5, 0.9)).as_dict()
    for key in ("eer", "fnmr_at_fmr_1e2", "fnmr_at_fmr_1e3", "dprime", "fta"):
        low, high = answer["intervals"][key]
        assert low <= answer[key] <= high and low < high


def test_what_the_counts_cannot_support_is_a_number_for_scripts_and_not_proven_for_people() -> None:
    found = report(comparisons(30, 5, 0.9))  # 10,875 impostor comparisons: enough for 1e-3, not for 1e-4
    assert found.as_dict()["not_proven"] == ["fnmr_at_fmr_1e4"]
    assert found.as_dict()["fnmr_at_fmr_1e4"] is not None
    lines = {line.split("  ")[0]: line for line in printed(found).splitlines()}
    assert "not proven" in lines["FNMR at FMR 1e-4"] and "needs 30,000" in lines["FNMR at FMR 1e-4"]
    assert "not proven" not in lines["FNMR at FMR 1e-3"]


def test_operating_points_are_the_proven_ones_with_an_exact_bound() -> None:
    found = comparisons(30, 5, 0.9)
    points = report(found).as_dict()["operating_points"]
    assert [point["fmr"] for point in points] == [1e-2, 1e-3]
    for point in points:
        false_matches = int((found.impostor >= point["threshold"]).sum())
        assert false_matches == math.floor(point["fmr"] * point["n_impostor"])
        assert point["fmr_upper95"] == upper_bound(false_matches, 10_875) > point["fmr"] * 0.9
        assert point["kind"] == "single"


def test_no_error_among_few_people_is_not_called_certain() -> None:
    answer = report(comparisons(12, 4, 0.01)).as_dict()
    assert answer["eer"] == 0
    assert answer["intervals"]["eer"] == [0, pytest.approx(rule_of_three(12))]


@pytest.mark.parametrize(("people", "each"), [(2, 4), (2, 40), (3, 30)])
def test_what_people_are_too_few_for_is_not_claimed(people: int, each: int) -> None:
    found = report(comparisons(people, each, 0.1))
    said, answer = printed(found), found.as_dict()
    for key, label in (("eer", "EER"), ("dprime", "d'"), ("fnmr_at_fmr_1e2", "FNMR at FMR 1e-2")):
        (line,) = [each for each in said.splitlines() if each.startswith(label)]
        unbounded = answer["intervals"][key] is None
        assert unbounded <= (key in answer["not_proven"]) and ("not proven" in line) == (key in answer["not_proven"])
        assert "not proven" in line or " to " in line, "a figure stands beside what bounds it"
    if people == 2:
        assert {"eer", "dprime"} <= set(answer["not_proven"])


def test_one_person_alone_gives_nothing_and_says_so() -> None:
    found = report(comparisons(1, 4, 0.5))
    answer = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert answer["n_genuine"] == 6 and answer["n_impostor"] == 0
    assert answer["eer"] is None and answer["fnmr_at_fmr_1e2"] is None and answer["threshold_at_fmr_1e2"] is None
    assert answer["operating_points"] == []
    assert "nothing to compute" in printed(found)


def test_people_see_counts_rates_and_which_model_was_judged() -> None:
    text = printed(report(comparisons(30, 5, 0.9), failures=3))
    for wanted in ("3.00 %", "3 of 100 pictures", "10,875", "EER", "d'", "2 more, if it were applied, by the quality"):
        assert wanted in text
    assert "a-model, SHA-256 abababababab" in heading(report(comparisons(3, 3, 0.9)))
