# SPDX-License-Identifier: Apache-2.0
"""Error rates of attack detection against their definitions, and what is tried in the field, counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.gate.verbs.liveness import counted
from edge_gate.rules.liveness import Liveness
from edge_gate.store.pad_trials import LIVE, PadTrial
from edge_gate.tools.pad.field import WANTED_PEOPLE, WANTED_PRESENTATIONS, result, rows, summarise
from edge_gate.tools.pad.rates import auc, bound, frame_rates

SCORES = st.lists(st.integers(0, 20).map(lambda each: each / 20), max_size=40)


@given(SCORES, SCORES, st.integers(0, 20).map(lambda each: each / 20))
def test_the_rates_are_what_the_standard_defines(live: list[float], attack: list[float], threshold: float) -> None:
    found = frame_rates(live, attack, threshold)
    assert (found.n_live, found.n_attack) == (len(live), len(attack))
    assert found.apcer == (sum(each >= threshold for each in attack) / len(attack) if attack else None)
    assert found.bpcer == (sum(each < threshold for each in live) / len(live) if live else None)
    if not live or not attack:
        assert found.auc is None and found.apcer_at_bpcer_5 is None
        return
    pairs = [1.0 if p > a else 0.5 if p == a else 0.0 for p in live for a in attack]
    assert found.auc == pytest.approx(sum(pairs) / len(pairs))
    allowed = [t for t in [*live, *attack, 2.0] if sum(each < t for each in live) <= 0.05 * len(live)]
    assert found.apcer_at_bpcer_5 == min(sum(each >= t for each in attack) / len(attack) for t in allowed)


@pytest.mark.parametrize("n", [20, 40, 60, 100, 140, 180, 1000])
def test_five_percent_of_the_people_may_be_refused_and_no_more(n: int) -> None:
    live = [k / n for k in range(n)]
    above = live[round(n / 20) - 1]  # so many lie at or below it as may be refused
    assert frame_rates(live, [above], 0.5).apcer_at_bpcer_5 == 0.0
    assert frame_rates(live, [above + 1 / n], 0.5).apcer_at_bpcer_5 == 1.0


def test_an_area_needs_both_sides_and_ties_count_half() -> None:
    none, some = np.array([]), np.array([0.5, 0.5])
    assert auc(none, some) is None
    assert auc(some, none) is None
    assert auc(some, some) == 0.5


@pytest.mark.parametrize(
    ("errors", "trials", "upper"), [(0, 3, 0.632), (0, 30, 0.095), (0, 300, 0.00994), (1, 4, 0.751), (4, 4, 1.0)]
)
def test_nothing_seen_is_bounded_by_the_rule_of_three(errors: int, trials: int, upper: float) -> None:
    assert bound(errors, trials) == {"n": trials, "errors": errors, "upper95": pytest.approx(upper, rel=0.01)}


def test_nothing_tried_has_no_bound() -> None:
    assert bound(0, 0)["upper95"] is None


def trial(species: str, source: str, *, passed: bool) -> PadTrial:
    return PadTrial("v4l2 usb", b"12345678", species, source, 8, (Liveness.LIVE if passed else Liveness.UNSURE).value)


def answer(*trials: PadTrial) -> dict[str, Any]:
    """What the gate answers to `pad-report`."""
    by_species = {each.species: [other for other in trials if other.species == each.species] for each in trials}
    tried = [counted(species, own) for species, own in by_species.items()]
    return {"camera": "v4l2 usb", "model": "m", "threshold": 0.5, "mode": "require", "tried": tried}


def test_a_camera_without_people_was_never_measured_whatever_was_held_up_to_it() -> None:
    for trials in ((), (trial("print", "a", passed=False),)):
        found = summarise(answer(*trials))
        assert not found.measured and found.people == 0
        assert "never measured" in found.advice[0]
    assert summarise(answer(trial(LIVE, "p1", passed=True))).measured


def test_people_and_attacks_go_wrong_in_opposite_ways_and_sources_count_once() -> None:
    found = summarise(
        answer(
            trial(LIVE, "p1", passed=True),
            trial(LIVE, "p1", passed=False),
            trial(LIVE, "p2", passed=True),
            trial("print", "a", passed=False),
            trial("print", "b", passed=True),
            trial("print", "b", passed=True),
        )
    )
    live, prints = found.tried
    assert (live.species, live.sources, live.presentations, live.wrong) == (LIVE, 2, 3, 1)
    assert (prints.species, prints.sources, prints.presentations, prints.wrong) == ("print", 2, 3, 2)
    assert prints.over_sources == pytest.approx(bound(1, 2)["upper95"])
    assert [row[3] for row in rows(found)] == ["1 not found live", "2 passed"]
    assert any("An attack passed (print)" in each for each in found.advice)
    assert any("not found live" in each for each in found.advice)


def test_advice_ends_where_enough_was_tried_and_nothing_went_wrong() -> None:
    people = [trial(LIVE, f"p{k}", passed=True) for k in range(WANTED_PEOPLE)]
    attacks = [
        trial(species, "a", passed=False)
        for species in ("print", "phone", "tablet", "mask")
        for _ in range(WANTED_PRESENTATIONS)
    ]
    assert summarise(answer(*people, *attacks)).advice == ()
    assert summarise(answer(*people, *attacks[1:])).advice == ("print: 29 of 30 presentations.",)


@pytest.mark.parametrize(
    ("species", "verdict", "told"),
    [
        (LIVE, "live", "found live: right"),
        (LIVE, "unsure", "NOT found live"),
        ("print", "live", "TAKEN FOR A PERSON"),
        ("print", "attack", "not taken for a person: right"),
        ("print", "unsure", "not taken for a person: right"),
    ],
)
def test_one_presentation_is_told_in_words(species: str, verdict: str, told: str) -> None:
    assert told in result(species, {"looks": 5, "verdict": verdict})
