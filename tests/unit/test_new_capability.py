# SPDX-License-Identifier: Apache-2.0
"""A new capability is its own files and a line or two in each registry: shown by adding one to a copy of edge-gate.

`tests/worked_example/` has the files and the lines. docs/developer.md walks through them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

CHECKOUT: Final = Path(__file__).parents[2]
EXAMPLE: Final = CHECKOUT / "tests" / "worked_example"
REGISTRIES: Final = {
    "edge_gate/spec/registry.py",
    "edge_gate/settings/config.py",
    "edge_gate/store/schema.py",
    "edge_gate/gate/main.py",
    "edge_gate/cli/__init__.py",
}


def example() -> dict[str, Any]:
    return tomllib.loads((EXAMPLE / "example.toml").read_text(encoding="utf-8"))


def insert(file: Path, after: str, line: str) -> None:
    lines = file.read_text(encoding="utf-8").split("\n")
    assert lines.count(after) == 1, f"{file.name} has not once: {after}"
    lines.insert(lines.index(after) + 1, line)
    file.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of edge-gate with the made-up capability."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("edge_gate", "docs"):
        shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / ".importlinter", copy)
    told = example()
    for name, place in told["files"].items():
        assert not (copy / place).exists()
        shutil.copy(EXAMPLE / "files" / name, copy / place)
    for each in told["lines"]:
        insert(copy / each["file"], each["after"], each["line"])
    return copy


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the copy's edge_gate and the checkout's tests."""
    environment = {**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{CHECKOUT}"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=120)


def test_it_touches_its_own_files_and_the_registries() -> None:
    told = example()
    assert {each["file"] for each in told["lines"]} == REGISTRIES
    assert set(told["files"]) == {each.name for each in (EXAMPLE / "files").iterdir() if each.is_file()}
    for name in REGISTRIES:
        assert sum(each["file"] == name for each in told["lines"]) <= 2, "a line, and its import"


@pytest.mark.processes
def test_verb_event_table_setting_and_command_work_and_forgetting_knows_the_table(
    extended: Path, tmp_path: Path
) -> None:
    ended = run(extended, str(EXAMPLE / "scenario.py"), str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["edge_gate"].startswith(str(extended)), "the copy was tried"
    assert found["answer"] == {"resident": "Ann", "visitor": "Tom"}
    assert found["command"] == "Tim is expected by Ann.\n"
    assert found["too many"] == 75
    assert found["auditor"] == "NotAllowed"
    assert found["events"] == ["visitor announced"] * 3
    assert found["audit"] == 3
    assert found["forgotten"]["visitors"] == 2 and "2" in found["forgotten"]["receipt"]
    assert "访客 2 位" in found["forgotten"]["receipt"]
    assert found["left"] == ["Tess"]
    assert "visitors.most is 0" in found["bad setting"]


def test_the_references_have_it_without_a_word_by_hand(extended: Path) -> None:
    ended = run(extended, "docs/generate.py")
    assert ended.returncode == 0, ended.stderr
    maintainer = (extended / "docs" / "maintainer.md").read_text(encoding="utf-8")
    assert "| `visitor announced` | a resident's visitor was announced; by which operator |" in maintainer
    assert "| `visitor-announce` |" in maintainer
    assert "## [visitors]" in (extended / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert "edge-gate announce" in (extended / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_contracts_hold_for_it(extended: Path) -> None:
    ended = run(extended, "-m", "importlinter.cli", "lint", "--no-cache")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.processes
def test_a_verb_that_is_declared_and_not_handled_does_not_start(extended: Path, tmp_path: Path) -> None:
    """The control: one line forgotten."""
    copy = tmp_path / "forgotten"
    shutil.copytree(extended, copy)
    main = copy / "edge_gate" / "gate" / "main.py"
    main.write_text(
        main.read_text().replace("        VisitorVerbs(store, journal, authorisation, config.visitors).handlers,\n", "")
    )
    ended = run(copy, str(EXAMPLE / "scenario.py"), str(tmp_path / "site"))
    assert ended.returncode != 0 and "visitor-announce" in ended.stderr
