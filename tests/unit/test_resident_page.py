# SPDX-License-Identifier: Apache-2.0
"""The page about a model that a resident can read: in both languages, with the card's figures and no others."""

from __future__ import annotations

import copy
import dataclasses
import re
import tomllib
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edge_gate.cli import group
from edge_gate.documents import resident_page
from edge_gate.documents.resident_words import LANGUAGES
from edge_gate.provenance import cards
from edge_gate.settings.config import DecisionSettings, ModelSettings

SHIPPED = sorted(each.stem for each in cards.folder(Path()).glob("*.toml"))
HELPERS = tuple(name for setting, name in ModelSettings().used.items() if setting != "eyes")  # these compare nobody
FMR = DecisionSettings().fmr
EYES = ModelSettings().eyes
both = pytest.mark.parametrize("language", sorted(LANGUAGES))


def card(name: str = EYES) -> cards.Card:
    return cards.read(ModelSettings(), name)


def changed(change: Callable[[dict[str, Any]], object]) -> cards.Card:
    """Return the eye model's card with something changed in it."""
    fields = copy.deepcopy(card().fields)
    change(fields)
    return cards.Card(card().path, fields)


def flat(text: str) -> str:
    """Return the text without the breaks that its lines have."""
    return re.sub(r"\s+", "", text)


def point(fields: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in fields["operating_point"] if each["kind"] == "fused" and each["fmr"] == FMR)


@both
@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_model_has_a_page_of_which_nothing_is_empty(name: str, language: str) -> None:
    text = resident_page.page(card(name), language, FMR)
    title, *sections = text.strip().split("\n\n")
    words = LANGUAGES[language]
    assert name in title
    assert [each.splitlines()[0] for each in sections] == [
        words.what_title,
        words.trained_title,
        words.taught_title,
        words.well_title,
        words.unknown_title,
        words.choice_title,
    ]
    assert all(len(each.splitlines()) > 1 for each in sections)
    assert all(line.strip(" -") for each in sections for line in each.splitlines())
    assert not re.search(r"[{}]|None|\(\)|（）", text)


@both
@pytest.mark.parametrize("name", SHIPPED)
def test_every_training_source_stands_there_by_name_with_its_count(name: str, language: str) -> None:
    text = flat(resident_page.page(card(name), language, FMR))
    colon = "：" if language == "zh" else ":"
    for each in card(name).fields["training_data"]:
        assert flat(f"- {each['name']}{colon}{each['count']:,}") in text


@both
@pytest.mark.parametrize("name", SHIPPED)
def test_the_page_fits_a_terminal_of_eighty_columns(name: str, language: str) -> None:
    for line in resident_page.page(card(name), language, FMR).splitlines():
        wide = sum(unicodedata.east_asian_width(char) in "WF" for char in line)
        assert len(line) + wide <= resident_page.WIDTH + 4, line  # closing marks may hang over


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_languages_say_as_many_things(language: str) -> None:
    for field in dataclasses.fields(LANGUAGES["en"]):
        english, here = (getattr(LANGUAGES[each], field.name) for each in ("en", language))
        if isinstance(english, str) and field.name not in ("suffix",):
            assert here
            assert sorted(re.findall(r"{\w+}", here)) == sorted(re.findall(r"{\w+}", english)), field.name
    assert len(LANGUAGES[language].choices) == len(LANGUAGES["en"].choices)
    assert LANGUAGES[language].purposes.keys() == LANGUAGES["en"].purposes.keys()


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "pictures of a source": (lambda card: card["training_data"][3].update(count=54321), "54,321"),
    "false matches": (lambda card: point(card).update(false_matches=93), "93"),
    "impostor comparisons": (lambda card: point(card).update(n_impostor=765432), "765,432"),
    "bound of the false match rate": (lambda card: point(card).update(fmr_upper95=0.00077), "7.7"),
    "right people refused": (lambda card: point(card)["by_probe"][0].update(fnmr=0.4321), "43"),
    "their interval": (lambda card: point(card)["by_probe"][0].update(fnmr_ci95=[0.123, 0.987]), "99"),
    "their tries": (lambda card: point(card)["by_probe"][1].update(n_genuine=98765), "98,765"),
    "evaluation": (lambda card: card["evaluation"][1].update(fnmr_at_fmr_1e3=0.0777), "7.8"),
    "evaluation's interval": (lambda card: card["evaluation"][1].update(fnmr_at_fmr_1e3_ci95=[0.06, 0.222]), "22"),
    "evaluation's pairs": (lambda card: card["evaluation"][1].update(n_genuine=6789), "6,789"),
    "evaluation's people": (lambda card: card["evaluation"][1].update(n_subjects=4567), "4,567"),
    "numbers of a template": (lambda card: card["output"].update(shape=[1, 333]), "333"),
}


@both
@pytest.mark.parametrize("what", CHANGES)
def test_a_figure_that_changes_on_the_card_changes_on_the_page(what: str, language: str) -> None:
    change, shown = CHANGES[what]
    before, after = resident_page.page(card(), language, FMR), resident_page.page(changed(change), language, FMR)
    figure = rf"(?<![\d.,]){re.escape(shown)}(?![\d]|[.,]\d)"
    assert len(re.findall(figure, after)) > len(re.findall(figure, before))


@both
def test_the_figures_are_those_of_the_gates_own_setting(language: str) -> None:
    for each in card().fields["operating_point"]:
        if each["kind"] == "fused":
            text = flat(resident_page.page(card(), language, each["fmr"]))
            assert f"{round(1 / each['fmr']):,}" in text
            assert re.search(rf"(?<!\d){each['false_matches']:,}(?!\d)", text)


@both
def test_what_the_card_does_not_measure_is_not_proven(language: str) -> None:
    words = LANGUAGES[language]
    unmeasured = flat(resident_page.page(card(), language, 1e-7))
    assert flat(words.no_point) in unmeasured
    assert flat(words.no_point) not in flat(resident_page.page(card(), language, FMR))

    def strip(fields: dict[str, Any]) -> None:
        del point(fields)["by_probe"][0]["fnmr"], point(fields)["false_matches"]
        fields["evaluation"][0] = {"data": "a set", "protocol": "not opened"}

    text = flat(resident_page.page(changed(strip), language, FMR))
    assert flat(words.no_fnmr) in text
    assert flat(words.no_evaluation.format(data="a set")) in text
    for name in HELPERS:
        assert flat(words.no_figures) in flat(resident_page.page(card(name), language, FMR))


def test_a_rate_taken_at_a_laxer_threshold_is_called_a_least_one() -> None:
    assert "or more" in resident_page.page(card(), "en", FMR)

    def same(fields: dict[str, Any]) -> None:
        for each in point(fields)["by_probe"]:
            each["threshold"] = point(fields)["threshold"]

    assert "or more" not in resident_page.page(changed(same), "en", FMR)


def test_the_chinese_page_of_the_eye_model_quotes_no_english() -> None:
    fields = card().fields
    text = flat(resident_page.page(card(), "zh", FMR))
    assert flat(LANGUAGES["zh"].untranslated) not in text
    english = [*fields["not_known"], fields["teacher"]["role"], fields["teacher"]["training_data"]]
    for each in fields["training_data"]:
        english += [each["basis"], each["objections"]]
        assert flat(each["basis_zh"]) in text and flat(each["objections_zh"]) in text
        assert flat(each["licence_zh"]) in text
    assert not [each for each in english if flat(each) in text]
    assert len(fields["not_known_zh"]) == len(fields["not_known"])
    assert all(flat(each) in text for each in fields["not_known_zh"])


@pytest.mark.parametrize("name", HELPERS)
def test_a_card_without_chinese_is_quoted_and_the_chinese_page_says_so(name: str) -> None:
    text = flat(resident_page.page(card(name), "zh", FMR))
    assert flat(LANGUAGES["zh"].untranslated) in text
    assert flat(card(name).fields["training_data"][0]["basis"]) in text
    assert flat(LANGUAGES["zh"].untranslated) not in flat(resident_page.page(card(name), "en", FMR))


@pytest.mark.parametrize("field", ["basis_zh", "objections_zh", "licence_zh"])
def test_one_missing_translation_is_enough_to_say_so(field: str) -> None:
    text = resident_page.page(changed(lambda fields: fields["training_data"][-1].pop(field)), "zh", FMR)
    assert flat(LANGUAGES["zh"].untranslated) in flat(text)


@both
def test_the_command_prints_the_page(language: str) -> None:
    result = CliRunner().invoke(group, ["models", "show", EYES, "--resident", language])
    assert (result.exit_code, result.stdout) == (0, resident_page.page(card(), language, FMR))
    other = CliRunner().invoke(group, ["models", "show", EYES, "--resident", language, "--fmr", "0.001"])
    assert other.stdout == resident_page.page(card(), language, 1e-3)


def test_the_chinese_of_the_card_is_that_of_the_part_written_by_hand() -> None:
    """The card is generated from that part: what is missing there would be lost with the next training."""
    shipped = card().fields
    written = tomllib.loads((cards.folder(Path()) / "recipe" / f"{EYES}.card.toml").read_text(encoding="utf-8"))
    assert shipped["not_known_zh"] == written["not_known_zh"]
    assert shipped["teacher"] == written["teacher"]
    for here, there in zip(shipped["training_data"], written["training_data"], strict=True):
        assert {key: here[key] for key in there if key != "files"} == {k: v for k, v in there.items() if k != "files"}
