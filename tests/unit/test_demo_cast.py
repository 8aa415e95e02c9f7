# SPDX-License-Identifier: Apache-2.0
"""The demo's cast: who plays, and that each picture is what its kind says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_gate.core.errors import EdgeGateError, ExtraMissing
from edge_gate.eye.face.quality import pose_deg
from edge_gate.tools.demo.cast import COMING_DOUBLE, ENROLLED_DOUBLE, MILD, RESIDENTS, STRANGERS, Cast, Emotion, Kind
from edge_gate.tools.demo.faces import size_px


@pytest.fixture(scope="module")
def cast() -> Cast:
    return Cast()


def test_nobody_is_both_resident_and_stranger_and_the_living_persons_double_stays_out() -> None:
    assert not set(RESIDENTS) & set(STRANGERS)
    assert not {"P003", "P009"} & {*RESIDENTS, *STRANGERS}
    assert {ENROLLED_DOUBLE, COMING_DOUBLE} <= set(STRANGERS)


@pytest.mark.parametrize("who", RESIDENTS)
def test_the_sheet_of_emotions_has_sixteen_heads_of_one_size(cast: Cast, who: str) -> None:
    cells = cast.cells(who, tuple(Emotion))
    sizes = [size_px(cell.mesh.five) for cell in cells]
    assert len(cells) == 16
    assert max(sizes) < 1.5 * min(sizes)
    assert all(cell.kind is Kind.EMOTIONS and cell.bgr.shape[1] > 5 * size_px(cell.mesh.five) for cell in cells)


@pytest.mark.parametrize("who", [*RESIDENTS, ENROLLED_DOUBLE])
def test_people_are_enrolled_from_faces_that_look_into_the_camera(cast: Cast, who: str) -> None:
    for cell in cast.cells(who, MILD):
        yaw_deg, _ = pose_deg(cell.mesh)
        assert abs(yaw_deg) < 15


def test_the_cells_are_named_row_by_row(cast: Cast) -> None:
    """Of all sixteen the head is tilted most where it is confused or exhausted, and hardly where it is neutral."""
    tilt = {
        emotion: abs(cell.mesh.roll) for emotion, cell in zip(Emotion, cast.cells("P001", tuple(Emotion)), strict=True)
    }
    assert set(sorted(tilt, key=lambda emotion: -tilt[emotion])[:2]) == {Emotion.CONFUSED, Emotion.EXHAUSTED}
    assert tilt[Emotion.NEUTRAL] < 0.05


def test_without_the_package_the_demo_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpeople", None)
    with pytest.raises(ExtraMissing, match=r"edge-gate\[demo\]"):
        Cast()


def test_without_the_face_models_the_demo_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EdgeGateError, match="face_detection_yunet"):
        Cast(tmp_path)
