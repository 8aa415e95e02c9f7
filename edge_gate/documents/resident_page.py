# SPDX-License-Identifier: Apache-2.0
"""What a resident may want to know of a model: one card and a language in, one page of plain text out.

Every figure is the card's. Where the card has none, the page says "not proven". What the card says freely is taken
from its `*_zh` fields for the Chinese page; a card without them is quoted in English, and the page says so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edge_gate.documents.resident_words import LANGUAGES, Words
from edge_gate.provenance.cards import OTHER_MODELS, Card

WIDTH = 80
EXAMPLE_RESIDENTS = 100
FREE = ("licence", "basis", "objections")
SAME_THRESHOLD = 1e-3
# A word with the spaces after it, or one wide character with the marks that may not begin a line.
PIECES = re.compile(r"[^\s\u2e80-\uffef]+[，。；：、）？]*\s*|[\u2e80-\uffef][，。；：、）？”]*\s*|\s+")


def page(card: Card, language: str, fmr: float) -> str:
    """Return the page about ``card`` in ``language`` (a key of LANGUAGES) for a gate that is set to ``fmr``."""
    words = LANGUAGES[language]
    parts = [
        (words.page_title.format(name=card.name), ()),
        (words.what_title, _what(card.fields, words)),
        (words.trained_title, _trained(card.fields, words)),
        (words.taught_title, _taught(card.fields, words)),
        (words.well_title, _well(card, words, fmr)),
        (words.unknown_title, [f"- {each}" for each in _said(card.fields, "not_known", words)]),
        (words.choice_title, [f"- {each}" for each in words.choices]),
    ]
    return "\n\n".join("\n".join([title, *(_wrap(line) for line in lines)]) for title, lines in parts) + "\n"


def _said(table: Mapping[str, Any], key: str, words: Words) -> Any:
    return table.get(key + words.suffix) or table.get(key) or words.not_stated


def _what(fields: Mapping[str, Any], words: Words) -> Iterator[str]:
    if not _translated(fields, words):
        yield words.untranslated
    size = fields["output"].get("shape", (0,))[-1]
    yield words.purposes.get(fields["task"], words.other_purpose).format(size=size, use=fields["intended_use"])


def _translated(fields: Mapping[str, Any], words: Words) -> bool:
    """Whether all that the page quotes of the card is there in the page's language."""
    sources = [(each, key) for each in fields["training_data"] for key in FREE if key in each]
    others = [other for each in OTHER_MODELS if isinstance(other := fields.get(each), dict)]
    told = [(other, key) for other in others for key in ("role", "training_data") if key in other]
    quoted = [(fields, "not_known"), *sources, *told]
    return all(key + words.suffix in table for table, key in quoted)


def _trained(fields: Mapping[str, Any], words: Words) -> Iterator[str]:
    sources = fields["training_data"]
    total = sum(each["count"] for each in sources)
    yield words.trained.format(total=_count(total), sources=len(sources))
    for each in sources:
        licence, basis, objections = (_said(each, key, words) for key in FREE)
        yield words.source.format(
            name=each["name"], count=_count(each["count"]), licence=licence, basis=basis, objections=objections
        )


def _taught(fields: Mapping[str, Any], words: Words) -> Iterator[str]:
    if not isinstance(fields.get("teacher"), dict):
        yield words.no_teacher.format(source=fields["source"])
    told = {"teacher": (words.teacher, words.teacher_data), "generator": (words.generator, words.generator_data)}
    for each, (who, data) in told.items():
        if isinstance(other := fields.get(each), dict):
            yield who.format(name=other.get("name", words.not_stated), role=_said(other, "role", words))
            yield data.format(training_data=_said(other, "training_data", words))


def _well(card: Card, words: Words, fmr: float) -> Iterator[str]:
    measured = card.fields.get("operating_point", [])
    evaluated = card.fields.get("evaluation", [])
    if not measured and not evaluated:
        yield words.no_figures
        return
    point = next((each for each in measured if each["kind"] == "fused" and abs(each["fmr"] - fmr) <= 1e-9), None)
    yield words.setting.format(one_in=_count(round(1 / fmr)))
    if point is None:
        yield words.no_point
    else:
        yield from _strangers(point, words)
        yield from _right_person(point, words)
    yield words.photographs
    if evaluated:
        yield words.evaluated
        yield from (_evaluation(each, words) for each in evaluated)


def _strangers(point: Mapping[str, Any], words: Words) -> Iterator[str]:
    made, of = point.get("false_matches"), point["n_impostor"]
    rate = point["fmr"] if made is None else made / of
    base = 1000
    while base < 1_000_000 and round(rate * base) < 1:
        base *= 10
    yield words.strangers.format(
        base=_count(base),
        n=_figure(rate * base),
        made=words.not_proven if made is None else _count(made),
        of=_count(of),
        upper=_figure(point["fmr_upper95"] * base),
    )
    yield words.everybody.format(
        base=_count(base), residents=EXAMPLE_RESIDENTS, n=_figure(min(1, rate * EXAMPLE_RESIDENTS) * base)
    )


def _right_person(point: Mapping[str, Any], words: Words) -> Iterator[str]:
    for each in point.get("by_probe", [point]):
        if "fnmr" not in each:
            yield words.no_fnmr
            continue
        # A laxer threshold refuses fewer: at the gate's it is at least what was measured here.
        laxer = each.get("threshold", point["threshold"]) < point["threshold"] - SAME_THRESHOLD
        probe = each.get("probe", "")
        yield words.right_person.format(
            probe=words.probes.get(probe, probe),
            n=_figure(100 * each["fnmr"]),
            more=words.or_more if laxer else "",
            tries=_count(each["n_genuine"]) if "n_genuine" in each else words.not_proven,
            interval=_interval(each.get("fnmr_ci95"), words),
        )


def _evaluation(entry: Mapping[str, Any], words: Words) -> str:
    """One line of the evaluation at the strictest false match rate that the set's size allowed."""
    rates = sorted(int(found[1]) for key in entry if (found := re.fullmatch(r"fnmr_at_fmr_1e(\d+)", key)))
    if not rates:
        return words.no_evaluation.format(data=entry["data"])
    key = f"fnmr_at_fmr_1e{rates[-1]}"
    return words.evaluation.format(
        data=entry["data"],
        n=_figure(100 * entry[key]),
        interval=_interval(entry.get(f"{key}_ci95"), words),
        one_in=_count(10 ** rates[-1]),
        tries=_count(entry["n_genuine"]) if "n_genuine" in entry else words.not_proven,
        people=_count(entry["n_subjects"]) if "n_subjects" in entry else words.not_proven,
    )


def _interval(bounds: Sequence[float] | None, words: Words) -> str:
    if not bounds:
        return words.no_interval
    return words.interval.format(low=_figure(100 * bounds[0]), high=_figure(100 * bounds[1]))


def _figure(value: float) -> str:
    """A number as people say it: whole from ten on, else to one decimal place."""
    return _count(round(value)) if value >= 10 else f"{value:.1f}".removesuffix(".0")


def _count(value: int) -> str:
    return f"{value:,}"


def _wrap(text: str) -> str:
    """Break one paragraph into lines of at most WIDTH columns; Chinese characters take two and break anywhere."""
    hang = "  " if text.startswith("- ") else ""
    lines, used = [""], 0
    for piece in PIECES.findall(text):
        columns = sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in piece.rstrip())
        if used + columns > WIDTH:
            lines.append(hang)
            used = len(hang)
        lines[-1] += piece
        used += columns + len(piece) - len(piece.rstrip())
    return "\n".join(line.rstrip() for line in lines)
