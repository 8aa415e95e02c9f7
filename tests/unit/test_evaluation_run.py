# SPDX-License-Identifier: Apache-2.0
"""Whole evaluations with the real models, on pictures of people who do not exist."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openpeople
import pytest
from click.testing import CliRunner

from edge_gate.cli.evaluate import command
from edge_gate.core.errors import BadEvaluationData, CardError, ModelAltered, ModelMissing, SignatureMissing
from edge_gate.eye.pipeline import acquire
from edge_gate.provenance import cards
from edge_gate.settings.config import Config
from edge_gate.tools.evaluation.eyes import PipelineEyes
from edge_gate.tools.evaluation.run import Request, evaluate

CAST = ("P001", "P005", "P008")
KINDS = ("amateur_selfie", "studio_portrait", "studio_posture")


@pytest.fixture(scope="module")
def eyes() -> PipelineEyes:
    return PipelineEyes(Config())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures each of three people, one file that is no picture, and one picture of nobody."""
    folder = tmp_path_factory.mktemp("cast")
    assets = Path(openpeople.__file__).parent / "data/curated"
    for person in CAST:
        (folder / person).mkdir()
        for kind in KINDS:
            picture = cv2.imread(str(assets / person / "assets" / f"{kind}.jpg"), cv2.IMREAD_REDUCED_COLOR_2)
            assert picture is not None
            cv2.imwrite(str(folder / person / f"{kind}.jpg"), picture)
    (folder / "P001" / "x_broken.jpg").write_bytes(b"no picture")
    cv2.imwrite(str(folder / "P001" / "y_empty_street.png"), np.full((240, 320, 3), 90, np.uint8))
    return folder


@pytest.fixture(scope="module")
def strips(pictures: Path, eyes: PipelineEyes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same faces, cut to strips and kept without loss."""
    coded, people = [], []
    for file in sorted(pictures.glob("*/*.jpg")):
        picture = cv2.imread(str(file))
        if picture is None:
            continue
        found = acquire(eyes._models, picture.astype(np.uint8), Config().quality)
        assert found is not None
        coded.append(cv2.imencode(".webp", found.strip, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].ravel())
        people.append(file.parent.name)
    path = tmp_path_factory.mktemp("strips") / "cast.npz"
    np.savez(path, webp=np.concatenate(coded), offset=np.cumsum([0, *map(len, coded)]), subject=np.array(people))
    return path


def found(eyes: PipelineEyes, **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = evaluate(Request(**asked), eyes, lambda _: lambda: None).as_dict()
    return answer


def test_whole_pictures_go_through_the_pipeline_and_failures_are_named(pictures: Path, eyes: PipelineEyes) -> None:
    answer = found(eyes, data=pictures)
    assert (answer["n_subjects"], answer["n_images"], answer["fta"]) == (3, 11, 2 / 11)
    assert (answer["n_genuine"], answer["n_impostor"]) == (9, 27)
    assert [each["picture"] for each in answer["failures"]] == ["P001/x_broken.jpg", "P001/y_empty_street.png"]
    assert "not a picture" in answer["failures"][0]["reason"]
    assert "no face" in answer["failures"][1]["reason"]
    assert answer["eer"] < 0.12
    assert answer["model_sha256"] == eyes.card.fields["sha256"]


def test_strips_give_the_same_scores_as_the_pictures_they_were_cut_from(
    pictures: Path, strips: Path, eyes: PipelineEyes
) -> None:
    whole, cut = found(eyes, data=pictures), found(eyes, data=strips)
    assert cut["n_images"] == 9 and cut["fta"] == 0 and cut["quality_refused"] is None
    assert cut["dprime"] == pytest.approx(whole["dprime"], abs=1e-6)


def test_the_quality_gate_turns_its_refusals_into_failures_to_acquire(
    pictures: Path, eyes: PipelineEyes, tmp_path: Path
) -> None:
    shutil.copytree(pictures / "P005", tmp_path / "P005")
    picture = cv2.imread(str(tmp_path / "P005" / f"{KINDS[0]}.jpg"))
    assert picture is not None
    cv2.imwrite(str(tmp_path / "P005" / "at_night.png"), (picture * 0.08).astype(np.uint8))
    plain, gated = found(eyes, data=tmp_path), found(eyes, data=tmp_path, quality_gate=True)
    assert (plain["quality_refused"], plain["fta"], plain["n_genuine"]) == (1, 0, 6)
    assert (gated["quality_refused"], gated["fta"], gated["n_genuine"]) == (1, 1 / 4, 3)
    (failure,) = gated["failures"]
    assert failure["picture"] == "P005/at_night.png" and failure["reason"] == "refused by the quality gate: too dark"


def test_listed_pairs_use_only_the_pictures_they_name(pictures: Path, eyes: PipelineEyes, tmp_path: Path) -> None:
    selfie, portrait = (f"{kind}.jpg" for kind in KINDS[:2])
    lines = [f"{person}/{selfie} {person}/{portrait} 1" for person in CAST]
    lines += [
        f"P001/{selfie} P005/{portrait} 0",
        f"P005/{selfie} P008/{portrait} 0",
        f"P001/x_broken.jpg P005/{selfie} 0",
    ]
    (tmp_path / "pairs.txt").write_text("\n".join(lines), encoding="utf-8")
    answer = found(eyes, data=pictures, pairs=tmp_path / "pairs.txt")
    assert (answer["n_images"], answer["n_genuine"], answer["n_impostor"]) == (7, 3, 2)
    assert answer["fta"] == 1 / 7
    assert 0 <= answer["accuracy"] <= 1


def test_pictures_meet_strips_of_the_same_people_by_name(pictures: Path, strips: Path, eyes: PipelineEyes) -> None:
    answer = found(eyes, data=pictures, against=strips)
    assert (answer["n_subjects"], answer["n_images"]) == (3, 20)
    assert (answer["n_genuine"], answer["n_impostor"]) == (27, 54)


def test_templates_and_fused_probes_share_no_picture(strips: Path, eyes: PipelineEyes) -> None:
    answer = found(eyes, data=strips, template=1, probes=2)
    assert (answer["n_genuine"], answer["n_impostor"]) == (3, 6)
    assert answer["eer"] == 0


def test_who_has_no_template_or_no_probe_is_named_with_the_side_and_the_reason(
    pictures: Path, eyes: PipelineEyes, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(pictures, here)
    shutil.copytree(pictures, there)
    shutil.rmtree(there / "P008")
    for kind in KINDS[1:]:
        (here / "P005" / f"{kind}.jpg").write_bytes(b"no picture")
    for kind in KINDS:
        (there / "P005" / f"{kind}.jpg").write_bytes(b"no picture")
    answer = found(eyes, data=here, against=there, template=2)
    of = answer["enrolment"]
    assert (answer["n_subjects"], of["n_subjects"], of["n_enrolled"], of["fte"]) == (3, 3, 2, 1 / 3)
    (failure,) = of["failures"]
    assert failure["subject"] == "P005"
    assert failure["reason"] == "1 of 3 pictures acquired, 2 needed; the file is not a picture that can be read (2)"
    assert [each["subject"] for each in of["without_probe"]] == ["P005"]
    templates, probes = answer["sides"]
    assert (templates["side"], templates["n_subjects"], templates["n_images"], templates["fta"]) == (
        *("templates", 3, 11),
        4 / 11,
    )
    assert (probes["side"], probes["n_subjects"], probes["n_images"], probes["fta"]) == ("probes", 2, 8, 5 / 8)
    assert [each["subject"] for each in probes["not_acquired"]] == ["P005"] and not templates["not_acquired"]
    assert sum(templates["reasons"].values()) == 4
    assert {(each["side"], each["subject"]) for each in answer["failures"]} == {
        *(("templates", "P001"), ("templates", "P005"), ("probes", "P001"), ("probes", "P005")),
    }
    assert (answer["n_subjects_genuine"], answer["n_subjects_impostor"]) == (1, 2)


def test_the_cards_points_are_counted_as_they_stand(strips: Path, eyes: PipelineEyes) -> None:
    assert found(eyes, data=strips)["at_card"] is None
    singles, fused = (found(eyes, data=strips, at_card=1e-4, **how)["at_card"] for how in ({}, {"template": 2}))
    for kind, answer in (("single", singles), ("fused", fused)):
        points = [point for point in eyes.card.operating_points if point.kind == kind]
        assert [(each["card_fmr"], each["threshold"]) for each in answer] == [(p.fmr, p.threshold) for p in points]
        assert [each["card_fmr"] for each in answer if each["configured"]] == [1e-4]
        assert len({(each["fmr"]["comparisons"], each["fnmr"]["comparisons"]) for each in answer}) == 1
        misses = [each["fnmr"]["errors"] for each in answer]
        assert misses == sorted(misses), "a stricter threshold loses no fewer"
    assert singles[0]["fmr"]["comparisons"] == 27 and fused[0]["fmr"]["comparisons"] == 6


def test_data_compared_with_itself_are_refused(strips: Path, eyes: PipelineEyes) -> None:
    with pytest.raises(BadEvaluationData, match="compared with itself"):
        found(eyes, data=strips, against=strips)


def test_progress_is_told_of_every_picture(pictures: Path, eyes: PipelineEyes) -> None:
    told: list[int] = []

    def start(total: int) -> Any:
        told.append(total)
        return lambda: told.append(1)

    evaluate(Request(pictures), eyes, start)
    assert told == [11] + [1] * 11


@pytest.fixture
def another_model(tmp_path: Path) -> Path:
    card = cards.read(Config().models, Config().models.eyes)
    shutil.copy(card.path, tmp_path)
    shutil.copy(f"{card.path}.minisig", tmp_path)
    return Path(shutil.copy(card.model_path, tmp_path))


def test_another_model_is_taken_with_the_card_beside_it(another_model: Path, strips: Path, eyes: PipelineEyes) -> None:
    answer = found(PipelineEyes(Config(), another_model), data=strips)
    assert answer == found(eyes, data=strips)


def test_a_model_without_its_card_or_with_other_bytes_is_refused(another_model: Path) -> None:
    with another_model.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelAltered):
        PipelineEyes(Config(), another_model)
    another_model.with_suffix(".toml.minisig").unlink()
    with pytest.raises(SignatureMissing):
        PipelineEyes(Config(), another_model)
    another_model.with_suffix(".toml").unlink()
    with pytest.raises(CardError):
        PipelineEyes(Config(), another_model)
    with pytest.raises(ModelMissing):
        PipelineEyes(Config(), another_model.with_name("nowhere.tflite"))


def test_the_command_prints_json_for_scripts_and_a_table_for_people(strips: Path) -> None:
    scripts = CliRunner().invoke(command, [str(strips), "--json"])
    assert scripts.exit_code == 0, scripts.output
    assert json.loads(scripts.stdout)["n_images"] == 9
    people = CliRunner().invoke(command, [str(strips), "--template", "1", "--probes", "2"])
    assert people.exit_code == 0, people.output
    assert "templates of 1 picture" in people.stdout and "not proven" in people.stdout
    assert "failure to enrol (FTE)" in people.stdout and "card's" not in people.stdout
    asked = CliRunner().invoke(command, [str(strips), "--template", "2", "--at-card"])
    assert "card's fused FMR 1e-4 (decision.fmr)" in asked.stdout and "impostor comparisons" in asked.stdout
    few = CliRunner().invoke(command, [str(strips), "--template", "4"])
    assert "not enrolled: P001: 3 of 3 pictures acquired, 4 needed" in few.stdout


@pytest.mark.parametrize(
    "options", [["--pairs", "p", "--template", "2"], ["--pairs", "p", "--against", "o"], ["--probes", "2"]]
)
def test_options_that_contradict_each_other_are_refused(options: list[str]) -> None:
    assert CliRunner().invoke(command, ["folder", *options]).exit_code == 2


def test_the_command_names_bad_data(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "nowhere")])
    assert isinstance(result.exception, BadEvaluationData)
    assert "nowhere" in str(result.exception)
