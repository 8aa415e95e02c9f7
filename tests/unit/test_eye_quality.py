# SPDX-License-Identifier: Apache-2.0
"""What the quality gate refuses, and that it lets ordinary people through: masked, smiling, far or near."""

from __future__ import annotations

from dataclasses import fields

import cv2
import numpy as np
import pytest

from edge_gate.documents.guidance import text
from edge_gate.eye.face.quality import for_enrolment, judge, sharpness
from edge_gate.eye.pipeline import Acquired, acquire
from edge_gate.settings.config import QualityLimits
from edge_gate.wire.eye import AcquisitionFailure, Quality
from tests.support.eye_scenes import LIMITS, Picture, expression, frame, models, noisy, picture, sitter, with_mask

PEOPLE = ("P001", "P002", "P004", "P005", "P006", "P007", "P008", "P009", "P010")


def seen(bgr: Picture, limits: QualityLimits = LIMITS) -> Acquired:
    found = acquire(models(), bgr, limits)
    assert found is not None
    return found


def smeared(bgr: Picture, length: int, down: bool) -> Picture:
    kernel = (1, length) if down else (length, 1)
    return np.asarray(cv2.blur(bgr, kernel), np.uint8)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("who", PEOPLE)
def test_a_frontal_portrait_is_accepted_masked_or_not(who: str, masked: bool) -> None:
    found = seen(frame(sitter(who, masked=masked), 60))
    assert found.refusal is AcquisitionFailure.NONE
    assert abs(found.quality.yaw_deg) < 10 and abs(found.quality.pitch_deg) < 15
    assert 0.5 < found.quality.weight <= 1


@pytest.mark.parametrize("who", PEOPLE)
def test_a_smile_is_accepted(who: str) -> None:
    happy = 1
    bgr = expression(who, happy)
    found = acquire(models(), cv2.copyMakeBorder(bgr, 40, 40, 40, 40, cv2.BORDER_REPLICATE).astype(np.uint8), LIMITS)
    assert found is not None and found.refusal is AcquisitionFailure.NONE


@pytest.mark.parametrize("interocular_px", [24, 40, 80, 150])
def test_people_are_accepted_far_and_near(interocular_px: int) -> None:
    found = seen(frame(sitter("P008"), interocular_px))
    assert found.refusal is AcquisitionFailure.NONE
    assert found.quality.interocular_px == pytest.approx(interocular_px, rel=0.08)


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("masked", [False, True])
def test_a_half_profile_is_refused(who: str, masked: bool) -> None:
    sheet = picture(who, "character_sheet")
    for left in (600, 1740):
        bgr = sheet[100:680, left : left + 640]
        found = seen(bgr)
        if masked:
            again = acquire(models(), with_mask(bgr, found.mesh.points), LIMITS)
            if again is None:
                continue
            found = again
        assert found.refusal is AcquisitionFailure.TURNED_AWAY
        assert abs(found.quality.yaw_deg) > 35
        assert not found.embedding


def test_which_way_the_head_is_turned_is_the_sign_of_the_yaw() -> None:
    sheet = picture("P005", "character_sheet")[100:680, 600:1240]
    mirrored = np.ascontiguousarray(sheet[:, ::-1])
    assert seen(sheet).quality.yaw_deg > 35
    assert seen(mirrored).quality.yaw_deg < -35


@pytest.mark.parametrize("who,cell", [("P006", 11), ("P006", 12), ("P002", 11), ("P007", 12), ("P010", 11)])
def test_closed_eyes_are_refused(who: str, cell: int) -> None:
    found = seen(expression(who, cell))
    assert found.refusal is AcquisitionFailure.EYES_CLOSED


@pytest.mark.parametrize("who,cell", [("P006", 9), ("P008", 9), ("P010", 9), ("P001", 9), ("P005", 9)])
def test_of_a_wink_the_closed_eye_counts(who: str, cell: int) -> None:
    neutral, wink = seen(expression(who, 0)), seen(expression(who, cell))
    assert wink.quality.eyes_open < 0.7 * neutral.quality.eyes_open


@pytest.mark.parametrize("spoilt", [
    lambda bgr: cv2.GaussianBlur(bgr, (0, 0), 6),
    lambda bgr: smeared(bgr, 27, down=False),
    lambda bgr: smeared(bgr, 27, down=True),
])  # fmt: skip
def test_a_blur_of_any_kind_is_refused(spoilt: object) -> None:
    assert callable(spoilt)
    for who in ("P001", "P005", "P008"):
        bgr = noisy(spoilt(frame(sitter(who), 60, noise=0)), 3, 1)
        assert seen(bgr).refusal is AcquisitionFailure.BLURRED


def test_sharpness_is_the_same_in_any_light() -> None:
    for who in ("P001", "P005", "P008"):
        strip = seen(frame(sitter(who), 60, noise=0)).strip
        grey = cv2.cvtColor(strip, cv2.COLOR_BGR2GRAY).astype(np.float32)
        assert sharpness(grey * np.float32(0.2)) == pytest.approx(sharpness(grey), rel=0.05)
        assert sharpness(cv2.GaussianBlur(grey, (0, 0), 3).astype(np.float32)) < 0.6 * sharpness(grey)


def test_a_strip_without_any_structure_has_no_sharpness() -> None:
    assert sharpness(np.full((72, 160), 90, np.float32)) == 0


def test_too_little_and_too_much_light_are_refused() -> None:
    bgr = frame(sitter("P001"), 60, noise=0).astype(np.float32)
    assert seen(noisy(bgr * 0.10, 2, 1)).refusal is AcquisitionFailure.TOO_DARK
    assert seen(np.asarray(np.clip(bgr * 0.5 + 190, 0, 255), np.uint8)).refusal is AcquisitionFailure.TOO_BRIGHT
    assert seen(noisy(bgr * 0.4, 2, 1)).refusal is AcquisitionFailure.NONE


def test_too_far_is_refused() -> None:
    assert seen(frame(sitter("P001"), 17)).refusal is AcquisitionFailure.TOO_FAR


def test_a_face_that_does_not_fit_into_the_picture_is_too_close() -> None:
    assert seen(frame(sitter("P005", "amateur_selfie"), 300, at=(320, 240))).refusal is AcquisitionFailure.TOO_CLOSE


@pytest.mark.parametrize("at", [(40, 220), (605, 220), (320, 8)])
def test_a_face_at_the_picture_s_edge_is_cut_off(at: tuple[float, float]) -> None:
    assert seen(frame(sitter("P005"), 80, at=at)).refusal is AcquisitionFailure.CUT_OFF


def test_a_refused_strip_has_no_embedding_and_no_weight() -> None:
    found = seen(frame(sitter("P001"), 17))
    assert found.embedding == b"" and found.quality.weight == 0


def test_a_worse_strip_weighs_less() -> None:
    near, far = (seen(frame(sitter("P008"), px)).quality.weight for px in (70, 23))
    turned = seen(frame(sitter("P001", "amateur_posture"), 70)).quality
    assert far < near
    assert turned.yaw_deg > 12 and turned.weight < near


def test_every_limit_of_the_configuration_is_kept() -> None:
    good = Quality(60, 0.8, 0.5, 0, 0, 0.3, 1)
    bad = {
        AcquisitionFailure.TOO_FAR: Quality(21, 0.8, 0.5, 0, 0, 0.3, 1),
        AcquisitionFailure.TOO_CLOSE: Quality(601, 0.8, 0.5, 0, 0, 0.3, 1),
        AcquisitionFailure.BLURRED: Quality(60, 0.34, 0.5, 0, 0, 0.3, 1),
        AcquisitionFailure.TOO_DARK: Quality(60, 0.8, 0.05, 0, 0, 0.3, 1),
        AcquisitionFailure.TOO_BRIGHT: Quality(60, 0.8, 0.89, 0, 0, 0.3, 1),
        AcquisitionFailure.TURNED_AWAY: Quality(60, 0.8, 0.5, -26, 0, 0.3, 1),
        AcquisitionFailure.EYES_CLOSED: Quality(60, 0.8, 0.5, 0, 0, 0.11, 1),
    }
    assert judge(good, LIMITS) is AcquisitionFailure.NONE
    assert {refusal: judge(quality, LIMITS) for refusal, quality in bad.items()} == {each: each for each in bad}
    assert judge(Quality(60, 0.8, 0.5, 0, 26, 0.3, 1), LIMITS) is AcquisitionFailure.TURNED_AWAY


def test_enrolment_is_stricter_in_each_respect_and_still_possible() -> None:
    strict = for_enrolment(LIMITS)
    for limit in fields(QualityLimits):
        usual, now = getattr(LIMITS, limit.name), getattr(strict, limit.name)
        assert now >= usual if limit.name.startswith("min_") else now <= usual
    assert seen(frame(sitter("P008"), 25), strict).refusal is AcquisitionFailure.TOO_FAR
    for who in PEOPLE:
        assert seen(frame(sitter(who), 60), strict).refusal is AcquisitionFailure.NONE


def test_each_refusal_can_be_said_to_a_resident() -> None:
    assert all(text(refusal, language) for refusal in AcquisitionFailure for language in ("zh", "en"))
