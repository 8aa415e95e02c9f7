# SPDX-License-Identifier: Apache-2.0
"""What is loaded with what: what everybody imports costs nobody a library that they do not use."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

HEAVY: Final = ("click", "cryptography", "cv2", "numpy", "sqlcipher3", "ai_edge_litert", "rich", "serial")


def loaded(program: str) -> set[str]:
    """Return which of the heavy libraries a fresh interpreter has loaded after a program."""
    after = f"{program}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", after], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "edge_gate.core.errors",
        "edge_gate.settings.config",
        "edge_gate.spec.registry",
        "edge_gate.wire.client",
        "edge_gate.wire.status",
    ],
)
def test_what_everybody_imports_loads_nothing_heavy(module: str) -> None:
    assert loaded(f"import {module}") == set()


@pytest.mark.parametrize("program", ["edge_gate.eye.program", "edge_gate.eye.glance", "edge_gate.gate.program"])
def test_a_program_loads_what_is_heavy_where_a_failure_is_told(program: str) -> None:
    assert loaded(f"import {program}") == set()


def test_the_command_line_loads_a_picture_library_where_a_failure_is_told() -> None:
    assert loaded("import edge_gate.cli") <= {"click", "rich"}


def test_a_configuration_with_keys_is_read_without_anything_heavy() -> None:
    read = "from pathlib import Path\nfrom edge_gate.settings import config\n"
    assert loaded(read + "config.parse(config.example({'models': {'trusted_keys': ()}}), Path('x'))") == set()
    assert loaded(read + "config.parse(f'[models]\\ntrusted_keys = [\"{config.RELEASE_KEY}\"]', Path('x'))") == set()


def test_a_library_that_is_loaded_is_noticed() -> None:
    assert loaded("import numpy") == {"numpy"}
