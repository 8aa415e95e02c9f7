# SPDX-License-Identifier: Apache-2.0
"""What the eye says of life: on looks that are good enough, not more often than needed, and by the infrared as well."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_gate.core.errors import CardError, ModelError
from edge_gate.eye.face.mesh import Mesh
from edge_gate.eye.liveness.detection import EVERY_NS
from edge_gate.eye.liveness.infrared import Infrared, InfraredState, InfraredWitness
from edge_gate.eye.liveness.network import AttackNetwork
from edge_gate.eye.pipeline import Observation, Perception, open_models
from edge_gate.eye.runtime import TfliteModel, verify_model
from edge_gate.provenance import cards
from edge_gate.rules.liveness import REFUTED
from edge_gate.settings.config import LivenessSettings, ModelSettings, QualityLimits
from edge_gate.wire.eye import PadReason
from tests.support import eye_scenes

STEP_NS = 10**9 // 15
SETTINGS = ModelSettings()


def seen(perception: Perception, count: int, step_ns: int = STEP_NS) -> list[Observation]:
    """Return what is said of somebody who stands there for so many pictures."""
    found = []
    for bgr, number in eye_scenes.sway(eye_scenes.sitter("P001"), count):
        observation = perception.see(bgr, 10**9 + number * step_ns)
        if observation is not None and observation.embedding:
            found.append(observation)
    return found


class Witness(InfraredWitness):
    """An infrared camera of which is known what it sees."""

    def __init__(self, state: InfraredState) -> None:
        self.sees, self.asked = state, 0

    def look(self, mesh: Mesh, width_px: int, captured_ns: int) -> Infrared:
        self.asked += 1
        return Infrared(self.sees)


def test_looks_are_measured_at_their_pace_and_the_others_say_that_they_are_not() -> None:
    found = seen(Perception(open_models(SETTINGS), QualityLimits()), 16)
    assert len(found) > 8
    measured = [each for each in found if math.isfinite(each.pad.score)]
    apart = np.diff([each.captured_ns for each in measured])
    assert len(measured) >= len(found) // 3 and (apart >= EVERY_NS).all()
    assert all(each.pad.reason is PadReason.NOT_MEASURED for each in found if each not in measured)


def test_where_attacks_are_not_looked_for_nothing_is_said() -> None:
    found = seen(Perception(open_models(SETTINGS, LivenessSettings("off")), QualityLimits()), 8)
    assert found and all(each.pad.reason is PadReason.NOT_MEASURED for each in found)


@pytest.mark.parametrize("state", [InfraredState.NO_FACE, InfraredState.FLAT])
def test_what_has_no_face_in_the_infrared_is_no_person(state: InfraredState) -> None:
    perception = Perception(open_models(SETTINGS), QualityLimits())
    perception.witness = witness = Witness(state)
    found = [each.pad for each in seen(perception, 8) if math.isfinite(each.pad.score)]
    assert found and all(each.score <= REFUTED and each.reason is PadReason.INFRARED for each in found)
    assert witness.asked == len(found), "only about looks that are measured"


def test_an_infrared_that_sees_a_face_changes_nothing() -> None:
    plain, asked = (Perception(open_models(SETTINGS), QualityLimits()) for _ in range(2))
    asked.witness = Witness(InfraredState.FACE)
    one, other = ([each.pad for each in seen(each_, 6) if math.isfinite(each.pad.score)] for each_ in (plain, asked))
    assert one == other


def test_an_infrared_camera_that_is_covered_or_gone_measures_nothing() -> None:
    perception = Perception(open_models(SETTINGS), QualityLimits())
    perception.witness = Witness(InfraredState.UNKNOWN)
    assert all(each.pad.reason is PadReason.NOT_MEASURED for each in seen(perception, 8))


def test_another_model_is_not_taken_for_the_network() -> None:
    with pytest.raises(ModelError, match="MiniFASNet"):
        AttackNetwork("iris", TfliteModel("iris", verify_model(SETTINGS, SETTINGS.lids)[1]))
    with pytest.raises(CardError, match="attack_detection"):
        _ = cards.read(SETTINGS, SETTINGS.lids).liveness_point
