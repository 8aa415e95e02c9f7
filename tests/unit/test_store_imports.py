# SPDX-License-Identifier: Apache-2.0
"""Nothing in the store imports in a circle, and the store imports nothing of what is built on it.

What is imported for annotations alone counts too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "edge_gate"
ABOVE = ("edge_gate.gate", "edge_gate.relays", "edge_gate.cli", "edge_gate.tools")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}


def imported(source: str) -> Iterator[str]:
    """Yield the modules that a text imports anywhere, also inside functions and for annotations."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{each.name}" for each in node.names]
            yield from (name if name in MODULES else node.module for name in inner)


def graph() -> dict[str, set[str]]:
    return {
        name: {each for each in imported(path.read_text(encoding="utf-8")) if each in MODULES}
        for name, path in MODULES.items()
        if name.startswith("edge_gate.store")
    }


def in_order(imports: Mapping[str, set[str]]) -> list[str]:
    return list(TopologicalSorter(imports).static_order())


def test_nothing_in_the_store_imports_in_a_circle() -> None:
    imports = graph()
    assert "edge_gate.store.schema" in imports["edge_gate.store.database"]
    in_order(imports)
    with pytest.raises(CycleError):  # the control: an import for annotations that closes a circle
        in_order({**imports, "edge_gate.store.rows": {"edge_gate.store.database"}})


def test_the_store_imports_nothing_of_what_is_built_on_it() -> None:
    found = {(name, each) for name, imports in graph().items() for each in imports if each.startswith(ABOVE)}
    assert found == set()


def test_the_store_as_one_object_knows_neither_the_audit_log_nor_templates() -> None:
    known = graph()["edge_gate.store.database"]
    assert not [each for each in known if each.startswith(("edge_gate.store.audit", "edge_gate.store.templates"))]
