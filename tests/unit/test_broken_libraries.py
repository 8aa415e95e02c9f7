# SPDX-License-Identifier: Apache-2.0
"""A library that cannot be loaded is one sentence with a remedy and its own exit code, in each program that needs it.

One that was built for another NumPy or another system raises what it likes while it is imported. The libraries here do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from edge_gate.core.ending import understand
from edge_gate.core.errors import InternalFault, LibraryUnusable
from edge_gate.core.exit_codes import ExitCode
from edge_gate.tools.trial import make_site

# Not as pip's scripts, which are isolated: here PYTHONPATH puts a broken library in the place of a good one.
PROGRAMS: Final = {"edge-gate": "edge_gate", "edge-gate-eye": "edge_gate.eye", "edge-gate-gate": "edge_gate.gate"}
RAISED: Final = {
    "missing": "raise ModuleNotFoundError(\"No module named 'cv2.cv2'\")",
    "no library": "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')",
    "numpy 1": "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')",
    "numpy 2": "raise AttributeError('_ARRAY_API not found')",
    "built for others": "raise RuntimeError('module compiled against API version 0x10')",
    "half built": "raise SystemError('initialization failed')",
    "in two lines": "raise ImportError('first\\nsecond')",
}
# What each program needs before it can do anything.
NEEDED: Final = [
    (("edge-gate-eye",), "cv2"),
    (("edge-gate-eye",), "numpy"),
    (("edge-gate-eye",), "ai_edge_litert"),
    (("edge-gate", "eye"), "cv2"),
    (("edge-gate-gate",), "numpy"),
    (("edge-gate-gate",), "sqlcipher3"),
    (("edge-gate-gate",), "cryptography"),
    (("edge-gate-gate",), "serial"),
    (("edge-gate", "run"), "numpy"),
    (("edge-gate", "demo"), "cv2"),
    (("edge-gate", "bench"), "cv2"),
    (("edge-gate", "evaluate", "x"), "cv2"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site") / "site", {"camera": {"driver": "replay", "source": "/dev/null"}})


def run(folder: Path, words: tuple[str, ...], library: str, body: str, site: Path) -> subprocess.CompletedProcess[str]:
    package = folder / library
    package.mkdir()
    (package / "__init__.py").write_text(body)
    environment = {**os.environ, "PYTHONPATH": str(folder), "EDGE_GATE_CONFIG": str(site)}
    command = [sys.executable, "-P", "-m", PROGRAMS[words[0]], *words[1:]]
    if len(words) == 1:
        command += ["--config", str(site)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


def judge(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == ExitCode.LIBRARY_UNUSABLE, done.stderr
    lines = [line for line in done.stderr.splitlines() if "cannot be loaded" in line]
    assert len(lines) == 1 and lines[0].startswith("edge-gate") and "docs/installer.md" in lines[0], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "library"), NEEDED, ids=lambda each: " ".join(each) if isinstance(each, tuple) else each
)
def test_a_program_without_a_library_that_it_needs_says_so(
    words: tuple[str, ...], library: str, tmp_path: Path, site: Path
) -> None:
    judge(run(tmp_path, words, library, RAISED["numpy 1"], site))


@pytest.mark.parametrize("raised", RAISED.values(), ids=list(RAISED))
def test_whatever_a_library_raises_while_it_is_imported(raised: str, tmp_path: Path, site: Path) -> None:
    judge(run(tmp_path, ("edge-gate-eye",), "cv2", raised, site))


def test_a_fault_of_our_own_is_not_laid_at_a_library_s_door() -> None:
    for raised in (RuntimeError("ours"), ValueError("ours")):
        try:
            raise raised
        except Exception as error:
            assert isinstance(understand(error), InternalFault)
    assert isinstance(understand(ImportError("x", name="x")), LibraryUnusable)
