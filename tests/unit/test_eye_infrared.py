# SPDX-License-Identifier: Apache-2.0
"""The infrared witness on simulated pictures (tests/support/infrared_scenes.py). That it works is not proven by it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from math import isnan
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras import Frame, MountedCamera
from edge_gate.eye.face.mesh import Mesh
from edge_gate.eye.liveness.infrared import (
    LEAST_RELIEF,
    Infrared,
    InfraredState,
    InfraredWitness,
    judge,
    lit_minus_dark,
    measure_relief,
    open_witness,
)
from edge_gate.settings.config import InfraredSettings
from edge_gate.wire.eye import InfraredCamera
from tests.support.clocks import HeldClock
from tests.support.eye_scenes import Picture, empty, models
from tests.support.infrared_scenes import Visit, clear_print, person, print_of, screen, visit

WIDTH = 640
PEOPLE = [(who, masked) for who in ("P001", "P005", "P006", "P008", "P010") for masked in (False, True)]


def steady(who: Visit, seen: Picture) -> Infrared:
    return judge(models().detector, who.mesh, WIDTH, seen, None)


def strobing(who: Visit, one: Picture, other: Picture) -> Infrared:
    apart = lit_minus_dark(one, other)
    assert apart is not None
    return judge(models().detector, who.mesh, WIDTH, *apart)


@pytest.mark.parametrize(("name", "masked"), PEOPLE)
def test_a_person_has_a_face_and_its_relief(name: str, masked: bool) -> None:
    who = visit(name, masked)
    assert steady(who, person(who)).state is InfraredState.FACE
    found = strobing(who, person(who, lamp=0), person(who))
    assert found.state is InfraredState.FACE and found.relief > 2 * LEAST_RELIEF
    assert strobing(who, person(who), person(who, lamp=0)) == found, "whichever of the two comes first"


@pytest.mark.parametrize(("name", "masked"), PEOPLE)
def test_a_screen_and_a_print_that_is_clear_in_the_infrared_have_no_face(name: str, masked: bool) -> None:
    who = visit(name, masked)
    assert steady(who, screen(who)).state is InfraredState.NO_FACE
    assert steady(who, clear_print(who)).state is InfraredState.NO_FACE
    assert steady(who, empty(3)).state is InfraredState.NO_FACE


@pytest.mark.parametrize(("name", "masked"), PEOPLE)
@pytest.mark.parametrize("how", [{}, {"bent": 0.45}, {"tilted": 0.2}, {"gamma": 2.2}])
def test_a_print_that_is_dark_in_the_infrared_is_flat(name: str, masked: bool, how: dict[str, float]) -> None:
    who = visit(name, masked)
    found = strobing(who, print_of(who, **how), print_of(who, lamp=0, **(how | {"bent": 0.0})))
    # Ink that is too dark to be measured, such as printed hair over the temples, is no evidence of a head.
    assert found.state is InfraredState.FLAT if not isnan(found.relief) else found.state is InfraredState.FACE
    assert isnan(found.relief) or abs(found.relief) < LEAST_RELIEF


def test_most_prints_can_be_measured() -> None:
    reliefs = [strobing(who, print_of(who), print_of(who, lamp=0)).relief for who in (visit(*each) for each in PEOPLE)]
    assert sum(map(isnan, reliefs)) <= len(PEOPLE) / 4


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 2.0))
def test_on_paper_whatever_is_printed_cancels_out(seed: int, lamp: float) -> None:
    rng = np.random.default_rng(seed)
    printed = cv2.GaussianBlur(rng.uniform(30, 110, (480, 640)), (0, 0), 5)
    points = np.column_stack((rng.uniform(100, 540, 468), rng.uniform(100, 380, 468))).astype(np.float32)
    dark, lit = printed.astype(np.uint8), (printed * lamp).astype(np.uint8)
    assert abs(measure_relief(lit, dark, points)) < LEAST_RELIEF / 4


def test_where_the_surroundings_give_no_infrared_a_face_is_a_face() -> None:
    who = visit("P001")
    found = strobing(who, person(who, ambient=0, lamp=0), person(who, ambient=0))
    assert found.state is InfraredState.FACE and isnan(found.relief)


def test_the_second_lens_may_see_it_a_little_elsewhere_and_coarser_and_no_other_face_counts() -> None:
    who = visit("P001")
    seen = person(who)

    def moved(across_px: float, scale: float) -> Picture:
        matrix = np.array([[scale, 0, across_px + 320 * (1 - scale)], [0, scale, 240 * (1 - scale)]])
        return np.asarray(cv2.warpAffine(seen, matrix, (640, 480), borderValue=(60, 60, 60)), np.uint8)

    half = np.asarray(cv2.resize(seen, (320, 240), interpolation=cv2.INTER_AREA), np.uint8)
    for near in (half, moved(60, 1.0), moved(0, 1.2), moved(-40, 0.8)):
        assert steady(who, near).state is InfraredState.FACE
    for far in (moved(200, 1.0), moved(0, 0.4)):
        assert steady(who, far).state is InfraredState.NO_FACE


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1e6, 1e6, 0, 300])
def test_a_mesh_that_is_nowhere_has_no_face(wrong: float) -> None:
    who = visit("P001")
    points = np.full_like(who.mesh.points, wrong)
    assert judge(models().detector, Mesh(points, 1.0), WIDTH, person(who), None).state is InfraredState.NO_FACE


def test_a_lamp_that_does_not_strobe_or_does_not_shine_says_nothing() -> None:
    who = visit("P001")
    assert lit_minus_dark(person(who), person(who)) is None
    black = np.zeros((480, 640, 3), np.uint8)
    assert steady(who, black).state is InfraredState.UNKNOWN


# --- with a camera -------------------------------------------------------------------------------------------------


class Scripted:
    """A driver that hands over what it is told, each picture 66 ms after the one before."""

    live, ended, skipped = True, False, 0

    def __init__(self, clock: HeldClock) -> None:
        self.clock = clock
        self.next: list[Callable[[], Picture] | CameraError | None] = []
        self.given: list[weakref.ref[Any]] = []
        self.waited_s: list[float] = []
        self.closed = False

    def read(self, timeout_s: float) -> Frame | None:
        self.waited_s.append(timeout_s)
        self.clock.pass_s(0.066)
        what = self.next.pop(0) if self.next else None
        if isinstance(what, CameraError):
            raise what
        if what is None:
            return None
        picture = what()
        self.given.append(weakref.ref(picture))
        return Frame(picture, self.clock.monotonic_ns())

    def close(self) -> None:
        self.closed = True


class Site:
    def __init__(self, strobes: bool) -> None:
        self.clock = HeldClock(10**12)
        self.driver = Scripted(self.clock)
        camera = MountedCamera(self.driver, 0, "/dev/infrared")
        self.witness = InfraredWitness(camera, models().detector, self.clock, strobes=strobes)

    def look(self, who: Visit, age_s: float = 0.0) -> InfraredState:
        captured_ns = self.clock.monotonic_ns() - round(age_s * 1e9)
        return self.witness.look(who.mesh, WIDTH, captured_ns).state


@pytest.mark.parametrize("strobes", [False, True])
def test_a_look_takes_pictures_of_this_moment_keeps_none_and_waits_no_longer_than_it_says(strobes: bool) -> None:
    site, who = Site(strobes), visit("P001")
    pictures = [lambda: person(who, lamp=0), lambda: person(who)] if strobes else [lambda: person(who)]
    site.driver.next = [*pictures]
    assert site.look(who) is InfraredState.FACE
    assert sum(site.driver.waited_s) <= 0.2 and all(each() is None for each in site.driver.given)
    site.driver.next = [*pictures]
    assert site.look(who, age_s=0.2) is InfraredState.UNKNOWN, "that was another moment"
    assert site.look(who) is InfraredState.UNKNOWN, "no picture came"
    site.witness.close()
    assert site.driver.closed


def test_strobing_pictures_that_are_no_pair_say_nothing() -> None:
    site, who = Site(strobes=True), visit("P001")
    site.driver.next = [lambda: person(who), lambda: person(who)]
    assert site.look(who) is InfraredState.UNKNOWN
    site.driver.next = [lambda: person(who), lambda: person(who)[:400]]
    assert site.look(who) is InfraredState.UNKNOWN


def test_a_camera_that_fails_says_nothing_of_the_face_and_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    site, who = Site(strobes=False), visit("P001")
    site.driver.next = [CameraMissing("/dev/infrared", "it was unplugged")] * 5
    for _ in range(5):
        assert site.look(who) is InfraredState.UNKNOWN
    states = [site.witness.state]
    site.driver.next = [lambda: person(who)] * 2
    site.witness.tend()
    assert [*states, site.witness.state] == [InfraredCamera.FAILING, InfraredCamera.WORKING]
    assert site.driver.waited_s[-1] == 0.0, "tending waits for nothing"
    assert site.look(who) is InfraredState.FACE
    lines = [each.getMessage() for each in caplog.records if "infrared" in each.getMessage()]
    assert len(lines) == 2 and "unplugged" in lines[0] and "works" in lines[1]


def test_a_camera_is_opened_by_the_drivers_of_the_first_one(tmp_path: Any) -> None:
    who = visit("P005", masked=True)
    cv2.imwrite(str(tmp_path / "1.png"), person(who, lamp=0))
    cv2.imwrite(str(tmp_path / "2.png"), person(who))
    clock = HeldClock(10**12)
    chosen = InfraredSettings(driver="replay", source=f"fast:loop:{tmp_path}", lamp="strobes")
    witness = open_witness(chosen, models().detector, clock)
    found = witness.look(who.mesh, WIDTH, clock.monotonic_ns())
    assert found.state is InfraredState.FACE and found.relief > LEAST_RELIEF
    witness.close()
