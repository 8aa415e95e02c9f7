# SPDX-License-Identifier: Apache-2.0
"""What is measured is what the gate makes of the same pictures: real pipeline, real models, simulated people."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_gate import cli
from edge_gate.core.exit_codes import ExitCode
from edge_gate.eye.liveness.detection import AttackDetection
from edge_gate.eye.pipeline import Perception, acquire
from edge_gate.rules.liveness import fuse
from edge_gate.settings.config import Config
from edge_gate.tools.demo.cast import Cast
from edge_gate.tools.demo.mask import STYLES
from edge_gate.tools.pad.findings import WITHIN_S
from edge_gate.tools.pad.masking import masked
from edge_gate.tools.pad.run import Request, evaluate, rules_of
from edge_gate.tools.pad.seeing import Eyes
from edge_gate.tools.pad.simulated import PEOPLE, PICTURE_NS, SPECIES, Film, Show, count, films
from edge_gate.wire.eye import AcquisitionFailure, PadReason
from tests.support import eye_scenes

SCREEN_MS = PICTURE_NS // 10**6


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    return Eyes(Config())


@pytest.fixture(scope="module")
def shown() -> dict[str, Film]:
    """One person who walks up, whom the network takes for one although she is made of pictures, and a print of her."""
    live, _, print_ = Show(Cast(), 2, PEOPLE[2]).films(("print flat",))
    return {"live": live, "print": print_}


@pytest.fixture(scope="module")
def folder(shown: dict[str, Film], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as films, without the empty street."""
    folder = tmp_path_factory.mktemp("films")
    for label, film in shown.items():
        path = str(folder / f"P001_{label}.avi")
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 1000 / SCREEN_MS, (640, 480))
        for picture in film.act:
            writer.write(picture)
        writer.release()
    return folder


@pytest.fixture(scope="module")
def stills(shown: dict[str, Film], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every second picture of the second half of both, without loss."""
    coded, labels = [], []
    for label, film in shown.items():
        for picture in film.act[26::2]:
            coded.append(cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].ravel())
            labels.append(label)
    path = tmp_path_factory.mktemp("stills") / "stills.npz"
    offset = np.cumsum([0, *map(len, coded)])
    people, sources = np.array(["P001"] * len(labels)), np.array(["here"] * len(labels))
    np.savez(path, webp=np.concatenate(coded), offset=offset, person=people, label=np.array(labels), source=sources)
    return path


def measure(path: Path, **more: Any) -> dict[str, Any]:
    return evaluate(Request(path, **more), Config(), lambda _: lambda: None).as_dict()


@pytest.fixture(scope="module")
def of_films(folder: Path) -> dict[str, Any]:
    return measure(folder, mask=True)


def test_a_person_is_let_in_and_her_print_is_not_though_it_is_recognised(of_films: dict[str, Any]) -> None:
    frames, approaches = of_films["frames"], of_films["approaches"]
    assert approaches == {"n_live": 1, "n_attack": 1, "apcer": 0.0, "bpcer": 0.0, "iapmr": 0.0}
    assert frames["n_live"] > 20 and frames["n_attack"] > 20
    assert frames["apcer"] < 0.1 and frames["auc"] > 0.95
    assert of_films["bounds"]["iapmr"]["opened_without_liveness"] == 1
    assert of_films["opens"]["attack_opened_without_liveness"] > 10 > of_films["opens"]["attack_opened"]
    live, print_ = of_films["presentations"]
    assert live["opens"] is True and print_["opens"] is False
    assert live["live_after_s"] <= WITHIN_S and print_["live_after_s"] is None


def test_templates_are_no_probes(of_films: dict[str, Any]) -> None:
    assert of_films["opens"]["n_live"] == of_films["frames"]["n_live"] - 4
    assert of_films["opens"]["n_attack"] == of_films["frames"]["n_attack"]


def test_the_species_are_told_apart_against_the_same_people(of_films: dict[str, Any]) -> None:
    assert list(of_films["species"]) == ["print"]
    part = of_films["species"]["print"]
    assert part["frames"] == of_films["frames"] and part["approaches"] == of_films["approaches"]
    assert part["bounds"]["attack"]["people"] == {"n": 1, "errors": 0, "upper95": pytest.approx(0.95)}


def test_masks_are_painted_on_both_sides_and_reported_beside(of_films: dict[str, Any]) -> None:
    plain, painted = of_films["masked"]["unmasked"], of_films["masked"]["masked"]
    assert plain["frames"] == of_films["frames"]
    assert painted["frames"]["n_live"] > 20 and painted["frames"]["n_attack"] > 20
    assert painted["presentations"][0]["mean"] != plain["presentations"][0]["mean"]
    assert painted["presentations"][1]["mean"] != plain["presentations"][1]["mean"]


def test_a_film_is_seen_just_as_the_eye_sees_it(folder: Path, of_films: dict[str, Any], eyes: Eyes) -> None:
    attacks = AttackDetection(eyes.network, eyes.point)
    perception = Perception(replace(eye_scenes.models(), attacks=attacks), Config().quality)
    film = cv2.VideoCapture(str(folder / "P001_live.avi"))
    scores = []
    for number in range(50):
        _, picture = film.read()
        seen = perception.see(np.asarray(picture, np.uint8), round(number * 1e9 / (1000 / SCREEN_MS)))
        if seen is not None and math.isfinite(seen.pad.score):
            scores.append(seen.pad.score)
    told = of_films["presentations"][0]
    assert told["scored"] == len(scores)
    assert told["mean"] == pytest.approx(sum(scores) / len(scores))


def test_a_still_is_judged_as_the_gate_judges_a_look(stills: Path, shown: dict[str, Film], eyes: Eyes) -> None:
    found = measure(stills, controls=True)
    scores: dict[str, list[float]] = {}
    for label, film in shown.items():
        for picture in film.act[26::2]:
            seen = acquire(eye_scenes.models(), picture, Config().quality)
            assert seen is not None
            if seen.embedding:
                evidence = AttackDetection(eyes.network, eyes.point).measure(picture, seen.mesh)
                scores.setdefault(label, []).append(fuse(evidence, eyes.point).score)
    live, print_ = found["presentations"]
    assert (live["film"], live["seconds"]) == (False, pytest.approx(0.2 * 11))
    for told, label in ((live, "live"), (print_, "print")):
        assert told["scored"] == len(scores[label])
        assert told["mean"] == pytest.approx(float(np.mean(scores[label])))
    assert found["approaches"] | {"bpcer": 0.0} == {
        "n_live": 1,
        "n_attack": 1,
        "apcer": 0.0,
        "bpcer": 0.0,
        "iapmr": 0.0,
    }
    assert found["approaches"]["bpcer"] == float(live["live_after_s"] is None)
    assert len(found["controls"]) == 9
    assert found["controls"]["the network, of all"] == pytest.approx(found["frames"]["auc"])
    assert all(each is None or 0 <= each <= 1 for each in found["controls"].values())
    assert None not in found["controls"].values()


def test_what_gives_no_score_is_counted_with_the_reason(tmp_path: Path, shown: dict[str, Film]) -> None:
    for label in ("live", "print"):
        (tmp_path / label / "ann").mkdir(parents=True)
    for number, picture in enumerate(shown["live"].act[40:44]):
        cv2.imwrite(str(tmp_path / "live/ann" / f"{number}.png"), picture)
    cv2.imwrite(str(tmp_path / "live/ann/7.png"), shown["live"].empty[0])
    (tmp_path / "live/ann/8.png").write_bytes(b"no picture")
    cv2.imwrite(str(tmp_path / "print/ann/1.png"), (shown["print"].act[40] * 0.05).astype(np.uint8))
    found = measure(tmp_path)
    live, attack = found["non_response"]["live"], found["non_response"]["attack"]
    assert live["reasons"] == {"no face found": 1, "unreadable": 1}
    assert (live["n"], live["not_scored"], live["presentations_never_scored"]) == (6, 2, 0)
    assert (attack["n"], attack["not_scored"], attack["presentations_never_scored"]) == (1, 1, 1)
    # A single picture is no approach, and nothing scored has no rate.
    assert found["approaches"] == {"n_live": 1, "n_attack": 0, "apcer": None, "bpcer": 0.0, "iapmr": None}
    assert found["frames"]["apcer"] is None and found["frames"]["auc"] is None


def test_without_a_label_there_are_scores_alone(folder: Path, tmp_path: Path) -> None:
    film = tmp_path / "recording.avi"
    film.write_bytes((folder / "P001_live.avi").read_bytes())
    found = measure(film)
    assert found["frames"] == dict.fromkeys(found["frames"], None) | {"n_live": 0, "n_attack": 0}
    assert found["approaches"] == dict.fromkeys(found["approaches"], None) | {"n_live": 0, "n_attack": 0}
    assert found["presentations"][0]["verdict"] == "live" and found["opens"] is None
    assert measure(film, label="live")["approaches"]["bpcer"] == 0.0
    assert measure(film, label="phone")["approaches"]["apcer"] == 1.0


def test_a_scene_that_is_known_counts(shown: dict[str, Film], eyes: Eyes) -> None:
    film = shown["live"]
    known, unknown = (
        eyes.watch(film.origin, film.pictures(scene_known=each), begins_ns=film.begins_ns) for each in (True, False)
    )
    assert len(known.frames) == len(unknown.frames) == 50
    both = [
        (one.score, other.score)
        for one, other in zip(known.frames, unknown.frames, strict=True)
        if not one.refusal and not other.refusal and 0.001 < other.score < 0.999
    ]
    assert both and all(one > other for one, other in both)
    assert known.length_ns == unknown.length_ns == 49 * PICTURE_NS
    assert known.sightings[0].pad_reason is PadReason.NOT_MEASURED


@pytest.mark.parametrize("worn", STYLES, ids=lambda style: style.name)
def test_a_mask_hides_mouth_and_nose_and_leaves_the_eyes(worn: Any, eyes: Eyes, shown: dict[str, Film]) -> None:
    picture = shown["live"].act[45]
    seen = acquire(eye_scenes.models(), picture, Config().quality)
    assert seen is not None
    painted = masked(picture, seen.mesh, worn)
    changed = np.abs(painted.astype(int) - picture).max(axis=2)
    for point in (0, 13, 14, 17, 4, 2):  # lips and the tip of the nose
        x, y = np.rint(seen.mesh.points[point, :2]).astype(int)
        assert changed[y, x] > 2
    for point in (33, 133, 362, 263, 70, 300):  # eyes and brows
        x, y = np.rint(seen.mesh.points[point, :2]).astype(int)
        assert changed[y - 1 : y + 2, x - 1 : x + 2].max() == 0
    assert changed[:, :20].max() == 0 and painted.shape == picture.shape


def test_the_gate_decides_here_by_its_own_threshold(eyes: Eyes) -> None:
    rules = rules_of(eyes, Config())
    assert rules.policy.point.threshold > eyes.card.threshold("fused", Config().decision.fmr).threshold
    assert rules.point == eyes.point


@pytest.fixture(scope="module")
def show() -> Show:
    return Show(Cast(), 1, PEOPLE[1])


@pytest.mark.parametrize("species", SPECIES)
def test_every_simulated_attack_shows_the_camera_a_face_that_can_be_compared(species: str, show: Show) -> None:
    seen = acquire(eye_scenes.models(), show.moment(species, 48), Config().quality)
    assert seen is not None and seen.refusal is AcquisitionFailure.NONE


def test_there_are_as_many_films_as_are_counted() -> None:
    assert count(3) == 3 * (2 + len(SPECIES)) and count(99) == count(len(PEOPLE))
    assert len(list(films(1, ()))) == count(1, ()) == 2


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (b"no zip", "a.npz", "no file of pictures"),
        (b"no film", "live.mp4", "no film that can be read"),
        (b"text", "a.txt", "no .npz file, no film"),
        (None, "gone.npz", "not there"),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_an_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes | None, name: str, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert cli.run(["pad", "evaluate", str(tmp_path / name)]) == ExitCode.BAD_EVALUATION_DATA
    said = capfd.readouterr()
    assert told in said.err and "Traceback" not in said.err and said.out == ""


def test_people_read_the_same_figures(stills: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["pad", "evaluate", str(stills), "--controls"]) == 0
    said = capsys.readouterr().out
    for text in ("APCER", "BPCER", "IAPMR", "print", "never", "control, AUC of sharpness alone"):
        assert text in said
