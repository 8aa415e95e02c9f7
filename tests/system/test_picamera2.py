# SPDX-License-Identifier: Apache-2.0
"""Holds the double in tests/unit/test_camera_pi.py to the real picamera2, read from its wheel, not imported.

Importing it takes the libcamera of a Raspberry Pi. The wheel (140 kB) comes from PyPI through pip.
"""

from __future__ import annotations

import ast
import concurrent.futures
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

RELEASE = "picamera2==0.3.38"
DOUBLE = Path(__file__).parents[1] / "unit" / "test_camera_pi.py"

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    folder = tmp_path_factory.mktemp("wheel")
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", RELEASE]
    subprocess.run(fetch, cwd=folder, check=True)
    (path,) = folder.glob("*.whl")
    return zipfile.Path(path, "picamera2/")


def methods(source: str, name: str) -> dict[str, ast.FunctionDef]:
    """Return the methods of a class; of overloaded ones the last, which is the implementation."""
    (found,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)
    return {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}


def arguments(method: ast.FunctionDef) -> list[tuple[str, bool]]:
    """Return each argument's name and whether it has a default."""
    given = method.args
    assert not (given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg)
    required = len(given.args) - len(given.defaults)
    return [(each.arg, place >= required) for place, each in enumerate(given.args)]


@pytest.mark.parametrize(("file", "name"), [("picamera2.py", "Picamera2"), ("request.py", "CompletedRequest")])
def test_the_double_takes_exactly_the_arguments_of_the_real_class(wheel: zipfile.Path, file: str, name: str) -> None:
    real, double = methods((wheel / file).read_text("utf-8"), name), methods(DOUBLE.read_text("utf-8"), name)
    if name == "CompletedRequest":
        del double["__init__"]  # made by the library itself, never by us
    assert double
    for method in double:
        assert arguments(double[method]) == arguments(real[method]), method


def test_the_formats_we_ask_for_exist(wheel: zipfile.Path) -> None:
    formats: dict[str, Any] = {}
    exec((wheel / "formats.py").read_text("utf-8"), formats)
    assert formats["is_RGB"]("RGB888")
    assert formats["is_YUV"]("YUV420")


def test_a_capture_that_takes_too_long_raises_what_we_catch(wheel: zipfile.Path) -> None:
    body = ast.unparse(methods((wheel / "job.py").read_text("utf-8"), "Job")["get_result"])
    assert "self._future.result(timeout=timeout)" in body
    assert concurrent.futures.TimeoutError is TimeoutError
