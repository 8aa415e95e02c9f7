# SPDX-License-Identifier: Apache-2.0
"""Provenance cards: a model that cannot answer for itself does not load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import CardError, ModelAltered, ModelMissing, NoOperatingPoint
from edge_gate.provenance import cards
from edge_gate.rules.liveness import LivenessPoint
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.settings.config import ModelSettings
from tests.support.peers import write_model
from tests.support.signing import own_key, sign

SHIPPED = sorted(each.stem for each in cards.folder(Path()).glob("*.toml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path)
    return tmp_path


def edit(folder: Path, pattern: str, replacement: str) -> None:
    path = folder / "test-eyes.toml"
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert count
    path.write_text(text)
    sign(path)


def read(folder: Path, name: str) -> cards.Card:
    return cards.read(ModelSettings(folder=folder, trusted_keys=(own_key(),)), name)


def test_a_complete_card_gives_its_model_and_thresholds(folder: Path) -> None:
    card = read(folder, "test-eyes")
    assert card.model_path.read_bytes() == b"not a network"
    assert len(card.model_id) == 8
    assert card.threshold("fused", 1e-4).threshold == 0.5


def test_an_unmeasured_fmr_is_refused_with_what_there_is(folder: Path) -> None:
    card = read(folder, "test-eyes")
    with pytest.raises(NoOperatingPoint, match=r"It has: 0\.0001"):
        card.threshold("fused", 1e-6)
    with pytest.raises(NoOperatingPoint, match="It has: none"):
        card.threshold("single", 1e-4)


@pytest.mark.parametrize("field", [*cards.REQUIRED, *cards.REQUIRED_OF_EYES])
def test_a_card_without_a_field_is_refused_and_the_field_is_named(folder: Path, field: str) -> None:
    path = folder / "test-eyes.toml"
    if field == "task":
        edit(folder, r"^task = .*$", 'task = ""')
    elif f"\n[{field}]" in path.read_text() or f"[[{field}]]" in path.read_text():
        edit(folder, rf"^\[\[?{field}\]\]?$", f"[other_{field}]")
    else:
        edit(folder, rf"^{field} = .*$", "")
    with pytest.raises(CardError, match=f"'{field}'"):
        read(folder, "test-eyes")


@pytest.mark.parametrize("field", cards.REQUIRED_OF_OTHER_MODELS)
@pytest.mark.parametrize("other", cards.OTHER_MODELS)
def test_a_teacher_or_generator_answers_for_its_own_past(folder: Path, other: str, field: str) -> None:
    path = folder / "test-eyes.toml"
    told = {each: "something" for each in cards.REQUIRED_OF_OTHER_MODELS if each != field}
    table = "".join(f'{key} = "{value}"\n' for key, value in told.items())
    text = path.read_text().replace('teacher = "none"\n', "" if other == "teacher" else 'teacher = "none"\n')
    path.write_text(f"{text}\n[{other}]\n{table}")
    sign(path)
    with pytest.raises(CardError, match=f"'{other}.{field}'"):
        read(folder, "test-eyes")


@pytest.mark.parametrize("field", cards.REQUIRED_OF_TRAINING_DATA)
def test_training_data_without_a_field_is_refused(folder: Path, field: str) -> None:
    path = folder / "test-eyes.toml"
    head, tail = path.read_text().split("[[training_data]]")
    path.write_text(head + "[[training_data]]" + re.sub(rf"(?m)^{field} = .*$", "", tail, count=1))
    sign(path)
    with pytest.raises(CardError, match=rf"training_data\[0\].{field}"):
        read(folder, "test-eyes")


def test_a_changed_model_is_refused(folder: Path) -> None:
    (folder / "test-eyes.tflite").write_bytes(b"not A network")
    with pytest.raises(ModelAltered):
        read(folder, "test-eyes")


def test_a_missing_card_a_missing_model_and_a_renamed_card_are_refused(folder: Path) -> None:
    with pytest.raises(CardError, match="not there"):
        read(folder, "other")
    (folder / "other.toml").write_text((folder / "test-eyes.toml").read_text())
    sign(folder / "other.toml")
    with pytest.raises(CardError, match="'name'"):
        read(folder, "other")
    (folder / "test-eyes.tflite").unlink()
    with pytest.raises(ModelMissing):
        read(folder, "test-eyes")


@pytest.mark.parametrize("value", ["../test-eyes.tflite", "/etc/passwd", "sub/x.tflite"])
def test_a_card_cannot_point_outside_its_folder(folder: Path, value: str) -> None:
    edit(folder, r"^file = .*$", f'file = "{value}"')
    with pytest.raises(CardError, match="'file'"):
        read(folder, "test-eyes")


@pytest.mark.parametrize("value", ["", "abc", "G" * 64, "A" * 64])
def test_a_hash_that_is_none_is_refused(folder: Path, value: str) -> None:
    edit(folder, r"^sha256 = .*$", f'sha256 = "{value}"')
    with pytest.raises(CardError, match="sha256"):
        read(folder, "test-eyes")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name = ", b""])
def test_a_card_that_is_no_toml_is_refused(folder: Path, content: bytes) -> None:
    (folder / "test-eyes.toml").write_bytes(content)
    sign(folder / "test-eyes.toml")
    with pytest.raises(CardError):
        read(folder, "test-eyes")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_answers_for_itself(name: str) -> None:
    card = cards.read(ModelSettings(), name)
    assert card.name == name and card.signature is not None and not card.waived


def test_a_model_that_the_defaults_name_is_shipped_and_every_shipped_model_has_a_card() -> None:
    names = {ModelSettings().eyes, ModelSettings().detector, ModelSettings().mesh, ModelSettings().lids}
    models = {each.stem for each in cards.folder(Path()).iterdir() if each.suffix in (".tflite", ".onnx")}
    assert names <= set(SHIPPED) == models


def test_the_shipped_eye_model_states_the_threshold_the_default_policy_asks_for() -> None:
    point = cards.read(ModelSettings(), ModelSettings().eyes).threshold("fused", 1e-4)
    assert 0 < point.threshold < 1
    assert point.n_impostor * point.fmr >= 3 or point.fmr_upper95 > point.fmr


NUMBERS = (
    st.floats() | st.integers() | st.booleans() | st.text(max_size=3) | st.none() | st.lists(st.floats(), max_size=2)
)
HOSTILE = [
    0,
    1,
    -1,
    -0.3,
    1.5,
    -0.0,
    1e308,
    -1e308,
    10**400,
    float("nan"),
    float("inf"),
    -float("inf"),
    True,
    "0.5",
    [0.5],
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda each: str(each)[:9])
@pytest.mark.parametrize("field", ["threshold", "fmr", "fmr_upper95"])
def test_a_threshold_or_a_rate_that_does_not_lie_between_0_and_1_is_none(field: str, value: object) -> None:
    point = {"kind": "fused", "fmr": 1e-4, "threshold": 0.5, "n_impostor": 1000, "fmr_upper95": 2e-4}
    assert OperatingPoint.of(point).threshold == 0.5
    with pytest.raises(ValueError, match=field):
        OperatingPoint.of(point | {field: value})


@pytest.mark.parametrize("value", [0, -1, 1.5, True, 10**20, float("nan"), "9"], ids=str)
def test_a_number_of_comparisons_is_a_whole_one_above_0(value: object) -> None:
    point = {"kind": "fused", "fmr": 1e-4, "threshold": 0.5, "n_impostor": value, "fmr_upper95": 2e-4}
    with pytest.raises(ValueError, match="n_impostor"):
        OperatingPoint.of(point)


@given(values=st.fixed_dictionaries(dict.fromkeys(OperatingPoint.__slots__, NUMBERS)))
def test_whatever_a_card_says_a_point_that_is_taken_is_in_bounds(values: dict[str, Any]) -> None:
    try:
        point = OperatingPoint.of(values)
    except ValueError:
        return
    assert all(0 < each < 1 for each in (point.fmr, point.threshold, point.fmr_upper95)) and point.n_impostor > 0


@given(values=st.fixed_dictionaries(dict.fromkeys(LivenessPoint.__slots__, NUMBERS)))
def test_whatever_a_card_says_weights_that_are_taken_are_in_bounds(values: dict[str, Any]) -> None:
    try:
        point = LivenessPoint.of(values)
    except ValueError:
        return
    assert 0 < point.threshold < 1 and point.fewest >= 1 and point.margin >= 0
    assert min(point.texture_weight, point.texture_limit, point.scene_weight, point.scene_for, point.scene_against) >= 0


@pytest.mark.parametrize("value", ["-0.5", "0.0", "1.0", "nan", "inf", "-inf"])
def test_a_card_with_such_a_threshold_loads_neither_signed_nor_where_unsigned_ones_are_allowed(
    folder: Path, value: str
) -> None:
    edit(folder, r"^threshold = .*$", f"threshold = {value}")
    with pytest.raises(CardError, match="operating_point"):
        read(folder, "test-eyes")
    (folder / "test-eyes.toml.minisig").unlink()
    allowed = ModelSettings(folder=folder, trusted_keys=(own_key(),), allow_unsigned=("test-eyes",))
    with pytest.raises(CardError, match="operating_point"):
        cards.read(allowed, "test-eyes")
