# SPDX-License-Identifier: Apache-2.0
"""Which pictures meet which, counted by hand."""

from __future__ import annotations

import numpy as np

from edge_gate.tools.evaluation.protocol import Embedded, against, all_pairs, listed, template_against_probes, templates


def pictures(*people: int) -> Embedded:
    vectors = np.random.default_rng(0).normal(size=(len(people), 8))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embedded(units.astype(np.float32), np.array(people, np.int32))


def test_all_pairs_compares_each_pair_once_and_no_picture_with_itself() -> None:
    found = all_pairs(pictures(0, 0, 0, 1, 1, 2), 3)
    assert (len(found.genuine), len(found.impostor)) == (3 + 1, 15 - 4)
    assert max(found.genuine.max(), found.impostor.max()) < 0.999
    assert (found.genuine_a == found.genuine_b).all() and (found.impostor_a != found.impostor_b).all()
    assert not found.fused


def test_scores_are_the_cosines_of_the_pairs_they_are_said_to_be() -> None:
    here = pictures(0, 1, 0)
    found = all_pairs(here, 2)
    np.testing.assert_allclose(found.genuine, [here.vectors[0] @ here.vectors[2]], rtol=1e-6)
    np.testing.assert_allclose(
        found.impostor, [here.vectors[0] @ here.vectors[1], here.vectors[1] @ here.vectors[2]], rtol=1e-6
    )


def test_against_compares_every_picture_here_with_every_one_there_by_name() -> None:
    found = against(pictures(0, 0, 1), pictures(0, 2), 3)
    assert (len(found.genuine), len(found.impostor)) == (2, 4)


def test_a_list_of_pairs_is_believed_over_the_names() -> None:
    first, second = np.array([0, 0]), np.array([1, 2])
    found = listed(pictures(0, 0, 1), first, second, np.array([False, True]), 2)
    assert (len(found.genuine), len(found.impostor)) == (1, 1)
    assert (found.impostor_a[0], found.impostor_b[0]) == (0, 0)


def test_pictures_of_a_template_are_never_probes() -> None:
    enrolled, rest = templates(pictures(0, 0, 0, 1, 1, 2), 2)
    assert enrolled.subject.tolist() == [0, 1]
    assert rest.tolist() == [2]


def test_a_template_meets_probes_of_its_own_person_and_of_all_others() -> None:
    found = template_against_probes(pictures(*[0] * 8, *[1] * 5, 2), None, 3, template=2, probe=3)
    # Person 0: six left, two probes; person 1: three left, one probe; person 2 cannot be enrolled.
    assert (len(found.genuine), len(found.impostor)) == (3, 3)
    assert found.fused


def test_a_fused_probe_is_the_mean_direction_of_its_pictures() -> None:
    here = pictures(0, 0, 0)
    found = template_against_probes(here, None, 1, template=1, probe=2)
    mean = here.vectors[1] + here.vectors[2]
    np.testing.assert_allclose(found.genuine, [here.vectors[0] @ mean / np.linalg.norm(mean)], rtol=1e-5)


def test_templates_here_meet_probes_from_elsewhere() -> None:
    found = template_against_probes(pictures(0, 0, 1, 1), pictures(0, 0, 2, 2, 2), 3, template=2, probe=2)
    assert (len(found.genuine), len(found.impostor)) == (1, 3)


def test_too_few_pictures_for_any_template_leave_nothing_to_compare() -> None:
    found = template_against_probes(pictures(0, 1), None, 2, template=3, probe=1)
    assert (len(found.genuine), len(found.impostor)) == (0, 0)
