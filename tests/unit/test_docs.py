# SPDX-License-Identifier: Apache-2.0
"""The documents say what the code does: generated ones are fresh, tables are complete, links lead somewhere."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

from edge_gate.cli import group
from edge_gate.core import errors
from edge_gate.spec.model import Role
from edge_gate.spec.registry import EVENTS, VERBS

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
WRITTEN = sorted(
    [*DOCS.glob("*.md"), CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", CHECKOUT / "models" / "README.md"]
)


def load_generator() -> ModuleType:
    found = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


ASKING = (Role.INSTALLER, Role.MAINTAINER, Role.AUDITOR)
generate = load_generator()
COMMANDS = {" ".join(words): command for words, command in generate.commands(group, ("edge-gate",))}


def coded_errors() -> list[type[errors.EdgeGateError]]:
    """Return each error that has an exit code of its own."""
    found = [each for each in vars(errors).values() if isinstance(each, type)]
    return sorted(
        (
            each
            for each in found
            if issubclass(each, errors.EdgeGateError) and each is not errors.EdgeGateError and "exit_code" in vars(each)
        ),
        key=lambda each: each.exit_code,
    )


@pytest.mark.parametrize("path", sorted(generate.generated()), ids=lambda path: path.name)
def test_a_generated_document_is_what_make_docs_would_write(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generate.generated()[path], "run `make docs`"


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_every_command_and_every_option_says_what_it_is_for(words: str) -> None:
    command = COMMANDS[words]
    assert (command.help or "").strip(), words
    for option in command.params:
        if isinstance(option, click.Option):
            assert (option.help or "").strip(), f"{words} {option.opts[0]}"


def test_the_table_of_exit_codes_has_every_error_and_no_other() -> None:
    text = (DOCS / "maintainer.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", text, re.MULTILINE)
    assert [(int(code), name) for code, name, _ in rows] == [(each.exit_code, each.__name__) for each in coded_errors()]
    assert all(meaning.strip() for _, _, meaning in rows)


def test_an_error_message_points_to_documents_and_headings_that_exist() -> None:
    messages = [getattr(errors, name).message for name in errors.__all__]
    assert sum("docs/" in each for each in messages) > 5
    for message in messages:
        for file, heading in re.findall(r'(docs/\w+\.md)(?:, "([^"]+)")?', message):
            text = (CHECKOUT / file).read_text(encoding="utf-8")
            assert not heading or re.search(rf"^#+ {re.escape(heading)}$", text, re.MULTILINE), heading


def recorded_kinds() -> set[str]:
    """Return every kind of event that the gate's code writes, read from the code."""
    kinds = set()
    for path in (CHECKOUT / "edge_gate" / "gate").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("record", "record_seen", "pulse", "append")
            ):
                texts = [each for argument in node.args[:2] for each in ast.walk(argument)]
                if node.func.attr in ("record", "record_seen", "pulse") or (
                    isinstance(node.func.value, ast.Name) and node.func.value.id == "events"
                ):
                    kinds |= {
                        each.value for each in texts if isinstance(each, ast.Constant) and isinstance(each.value, str)
                    }
    return kinds


def test_the_table_of_events_has_every_kind_that_the_gate_records() -> None:
    text = (DOCS / "maintainer.md").read_text(encoding="utf-8")
    section = text.partition("## What each event means")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    assert recorded_kinds() >= {"opened", "no match", "not acquired", "paused", "resumed", "relay test"}
    assert documented == set(EVENTS)
    assert recorded_kinds() == {each.name for each in EVENTS.values() if not each.written_as}


def test_the_table_of_verbs_says_who_may_ask_for_each() -> None:
    text = (DOCS / "maintainer.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (yes|) \| (yes|) \| (yes|) \| (.*?) \| (yes|) \|$", text, re.MULTILINE)
    assert [name for name, *_ in rows] == list(VERBS)
    for name, installer, maintainer, auditor, second, logged in rows:
        said = {role for role, may in zip(ASKING, (installer, maintainer, auditor), strict=True) if may}
        assert said == VERBS[name].roles, name
        assert {role for role in ASKING if role.value in second.partition(",")[0]} == VERBS[name].second, name
        assert bool(logged) == VERBS[name].changes, name


def test_a_generated_table_without_its_place_is_told() -> None:
    text = (DOCS / "maintainer.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="0 places for the table of events"):
        generate.maintainer(text.replace("<!-- end of events -->", ""))


def anchor(heading: str) -> str:
    """Return the name under which a heading can be linked."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_every_link_inside_the_repository_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, place = target.partition("#")
        goal = (path.parent / file) if file else path
        assert goal.exists(), target
        if place:
            headings = re.findall(r"^#+ (.+)$", goal.read_text(encoding="utf-8"), re.MULTILINE)
            assert place in [anchor(each) for each in headings], target


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_every_module_and_file_that_a_document_names_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:edge_gate|tests|systemd|docs|models)/[\w./-]*[\w/])`", text):
        assert (CHECKOUT / name).exists(), name


def test_every_attack_that_the_threat_model_names_is_a_test() -> None:
    """`make claims` runs them by these names."""
    text = (DOCS / "threat-model.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text))
    assert len(named) > 50
    for file, name in named:
        assert f"\ndef {name}(" in (CHECKOUT / file).read_text(encoding="utf-8"), f"{file}::{name}"


def test_every_claim_of_the_threat_model_names_an_attack() -> None:
    claims, _, _ = (DOCS / "threat-model.md").read_text(encoding="utf-8").partition("## What is not stopped")
    found = re.findall(r"^- \*\*.*?(?=^- \*\*|^#|\Z)", claims, re.MULTILINE | re.DOTALL)
    assert len(found) > 30
    for claim in found:
        assert "::test_" in claim, claim


def shown_commands(text: str) -> list[list[str]]:
    """Return the words of each call of edge-gate in a document's code, inline or in blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    lines = [line for block in blocks for line in block.splitlines()] + inline
    calls = [re.match(r"(?:sudo (?:-u \S+ )?)?(?:/opt/edge-gate/bin/)?edge-gate (.+)", line.strip()) for line in lines]
    return [call[1].split() for call in calls if call]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_every_command_and_option_that_a_document_shows_exists(path: Path) -> None:
    for words in shown_commands(path.read_text(encoding="utf-8")):
        if words[0].startswith("-") or words[0].isupper() or words[0].endswith((",", "|")):
            continue
        called = next(
            (words[:length] for length in (2, 1) if " ".join(("edge-gate", *words[:length])) in COMMANDS), None
        )
        assert called, words
        command = COMMANDS[" ".join(("edge-gate", *called))]
        known = {name for option in command.params for name in option.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, words
