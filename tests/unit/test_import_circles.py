# SPDX-License-Identifier: Apache-2.0
"""No modules of edge_gate import each other in a circle, inside functions and for type checking neither.

Which way imports may go is in .importlinter, which `make check` reads.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import grimp
import pytest

CHECKOUT: Final = Path(__file__).parents[2]


def find_circles(package: str) -> set[frozenset[str]]:
    """Return each set of modules of which every one imports every other, directly or by way of the rest."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=False, cache_dir=None)
    found = {
        frozenset({module, *(graph.find_upstream_modules(module) & graph.find_downstream_modules(module))})
        for module in graph.modules
    }
    return {circle for circle in found if len(circle) > 1}


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert find_circles("edge_gate") == set()


@pytest.mark.parametrize(
    "back",
    [
        "from made_up_package import first",
        "def later() -> None:\n    import made_up_package.first",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from made_up_package.first import anything",
    ],
    ids=["plain", "inside a function", "for type checking"],
)
def test_a_circle_is_found_however_it_is_closed(back: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "made_up_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "first.py").write_text("import made_up_package.second\n")
    (package / "second.py").write_text("import made_up_package.third\n")
    (package / "third.py").write_text("anything = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_circles("made_up_package") == set()
    (package / "third.py").write_text(f"{back}\n")
    assert find_circles("made_up_package") == {
        frozenset(f"made_up_package.{each}" for each in ("first", "second", "third"))
    }


# They have no key, or that of a site that they make for themselves and take away.
OF_THEIR_OWN: Final = {"edge_gate.cli.bench", "edge_gate.cli.demo", "edge_gate.cli.evaluate", "edge_gate.cli.pad"}
PICTURES: Final = {"cv2", "ai_edge_litert", "edge_gate.eye"}
SITE_KEY: Final = "edge_gate.cli.keys.unlock"


def test_no_command_that_may_hold_the_key_of_a_site_sees_a_picture() -> None:
    graph = grimp.build_graph("edge_gate", include_external_packages=True, cache_dir=None)
    commands = set(graph.find_descendants("edge_gate.cli")) - OF_THEIR_OWN
    assert {"edge_gate.cli.checks.camera", "edge_gate.cli.pad_field"} <= commands
    assert {each for each in commands if graph.find_upstream_modules(each) & PICTURES} == set()
    for command in OF_THEIR_OWN:
        loaded = graph.find_upstream_modules(command)
        assert loaded & PICTURES and SITE_KEY not in loaded


def lint(settings: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo", str(settings)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT, timeout=60)


def test_imports_go_only_where_the_contracts_let_them() -> None:
    done = lint(CHECKOUT / ".importlinter")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("source", "forbidden"),
    [("edge_gate.gate", "edge_gate.store"), ("edge_gate.cli.demo", "cv2"), ("edge_gate.rules", "math")],
)
def test_a_contract_that_does_not_hold_is_told(source: str, forbidden: str, tmp_path: Path) -> None:
    """Direct, by way of others, and of the standard library."""
    lines = (CHECKOUT / ".importlinter").read_text(encoding="utf-8").partition("[importlinter:contract:")[0]
    contract = f"type = forbidden\nsource_modules = {source}\nforbidden_modules = {forbidden}\n"
    (tmp_path / "broken").write_text(f"{lines}[importlinter:contract:broken]\nname = Broken on purpose\n{contract}")
    done = lint(tmp_path / "broken")
    assert done.returncode == 1 and "Broken on purpose BROKEN" in done.stdout, done.stdout
