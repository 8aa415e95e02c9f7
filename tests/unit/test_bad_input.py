# SPDX-License-Identifier: Apache-2.0
"""What is read from outside is either understood or refused with a message, whatever it is: cards, kept checkpoints,
receipts. (Sightings, control messages, configuration, keys, signatures and relay bytes: in the tests of each.)"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import EdgeGateError
from edge_gate.documents import receipt
from edge_gate.provenance import cards
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.settings.config import ModelSettings
from edge_gate.store.audit.chain import Checkpoint
from tests.support.peers import CARD, write_model
from tests.support.signing import own_key, sign

often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# TOML for values of every kind that a field may wrongly have.
VALUES = st.one_of(
    st.sampled_from(['""', "[]", "{}", "true", "1979-05-27", "nan", "-1", '["a"]', "[[1]]", '{a = "b"}', "[{a = 1}]"]),
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.text(st.characters(codec="ascii", exclude_characters='"\\', categories=["L", "N", "P", "Z"])).map('"{}"'.format),
)
LINES = [number for number, line in enumerate(CARD.splitlines()) if " = " in line]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path)
    return tmp_path


def read(folder: Path) -> None:
    """Read the card as the eye and the gate do, all that they take from it."""
    card = cards.read(ModelSettings(folder=folder, trusted_keys=(own_key(),)), "test-eyes")
    assert len(card.model_id) == 8
    assert all(isinstance(point, OperatingPoint) for point in card.operating_points)
    card.threshold("fused", 1e-4)


@often
@given(number=st.sampled_from(LINES), value=VALUES)
def test_a_card_with_anything_in_a_field_is_read_or_refused_with_a_message(
    folder: Path, number: int, value: str
) -> None:
    path = folder / "test-eyes.toml"
    whole = path.read_text()
    lines = whole.splitlines()
    lines[number] = f"{lines[number].partition(' = ')[0]} = {value}"
    try:
        path.write_text("\n".join(lines))
        sign(path)
        with contextlib.suppress(EdgeGateError):
            read(folder)
    finally:
        path.write_text(whole)


@often
@given(key=st.sampled_from(["training_data", "operating_point", "teacher", "generator", "input"]), value=VALUES)
def test_a_card_whose_tables_are_something_else_is_refused_with_a_message(folder: Path, key: str, value: str) -> None:
    path = folder / "test-eyes.toml"
    whole = path.read_text()
    head = whole.partition("[input]")[0].replace('teacher = "none"\n', "")
    told = {each: f'{each} = ["x"]' for each in ("training_data", "operating_point", "evaluation", "input", "output")}
    told |= {"teacher": 'teacher = "none"', key: f"{key} = {value}"}
    try:
        path.write_text(head + "\n".join(told.values()) + "\n")
        sign(path)
        with pytest.raises(EdgeGateError):
            read(folder)
    finally:
        path.write_text(whole)


@often
@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.hex()), st.from_regex(r"[a-z-]+( [0-9a-f:TZ+.-]+){0,6}")))
def test_a_line_that_is_no_checkpoint_is_refused_with_a_message(line: str) -> None:
    with pytest.raises(EdgeGateError):
        Checkpoint.read(line)


@often
@given(st.one_of(st.text(), st.lists(st.text(), max_size=12).map("\n".join)))
def test_a_text_that_is_no_receipt_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(EdgeGateError):
        receipt.check(text)
