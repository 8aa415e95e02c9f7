# SPDX-License-Identifier: Apache-2.0
"""`doctor --security` compares what is installed with pip's lists: here a real distribution, tampered with."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_gate.cli.checks.installation import PART, judge_folders, judge_owners
from edge_gate.cli.checks.security import CHECKS

FILES = {
    "ours/__init__.py": "WORDS = 1\n",
    "ours/inner/deep.py": "WORDS = 2\n",
    "single.py": "WORDS = 3\n",
    "listed.pth": "import single\n",
    "ours-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of packages as pip leaves it, with what Python compiled."""
    record = []
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{name},sha256={digest},{len(text)}\n")
    (tmp_path / "ours/__pycache__").mkdir()
    (tmp_path / "ours/__pycache__/__init__.cpython-311.pyc").write_bytes(b"compiled")
    record += ["ours/__pycache__/__init__.cpython-311.pyc,,\n", "ours-1.0.dist-info/RECORD,,\n"]
    (tmp_path / "ours-1.0.dist-info/RECORD").write_text("".join(record))
    return tmp_path


def faults(folder: Path) -> list[str]:
    return [each.text for each in judge_folders([folder]) if each.state == "fault"]


def test_an_installation_as_pip_left_it_is_sound(folder: Path) -> None:
    assert faults(folder) == []
    assert [each.text for each in judge_folders([folder])] == ["5 files compared with the hashes that pip wrote down"]


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda at: (at / "ours/inner/deep.py").write_text("WORDS = 9\n"), "deep.py: is not as it was installed"),
        (lambda at: (at / "listed.pth").write_text("import evil\n"), "listed.pth: is not as it was installed"),
        (lambda at: (at / "single.py").unlink(), "single.py: was installed and is not there"),
        (lambda at: (at / "evil.pth").write_text("import os\n"), "evil.pth: belongs to no distribution"),
        (lambda at: (at / "sitecustomize.py").write_text(""), "sitecustomize.py: belongs to no distribution"),
        (lambda at: (at / "usercustomize.py").write_text(""), "usercustomize.py: belongs to no distribution"),
        (lambda at: (at / "ours/added.py").write_text(""), "added.py: belongs to no distribution"),
        (lambda at: (at / "ours/__init__.so").write_bytes(b""), "__init__.so: belongs to no distribution"),
        (lambda at: (at / "more").mkdir(), "more: belongs to no distribution"),
        (lambda at: os.mkfifo(at / "pipe.py"), "pipe.py: belongs to no distribution"),
    ],
)
def test_whatever_is_changed_missing_or_added_is_named(folder: Path, tamper: Callable[[Path], None], told: str) -> None:
    tamper(folder)
    assert len(found := faults(folder)) == 1 and told in found[0], found


def test_a_pipe_in_the_place_of_a_listed_file_is_a_fault_and_holds_nothing_up(folder: Path) -> None:
    (folder / "single.py").unlink()
    os.mkfifo(folder / "single.py")
    assert "single.py: was installed and is not there" in faults(folder)[0]


@pytest.mark.parametrize(
    ("mode", "told"),
    [(0o755, ""), (0o1777, ""), (0o757, "everybody may write"), (0o777, "everybody may write")],
)
def test_a_folder_of_modules_that_others_may_change_is_named_also_above_it(
    tmp_path: Path, mode: int, told: str
) -> None:
    (tmp_path / "above/packages").mkdir(parents=True)
    (tmp_path / "above").chmod(mode)
    found = [each.text for each in judge_owners([tmp_path / "above/packages"], os.geteuid()) if each.state == "fault"]
    assert [told in each for each in found if str(tmp_path) in each] == ([True] if told else [])


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder away")
def test_a_folder_of_somebody_else_is_named(tmp_path: Path) -> None:
    os.chown(tmp_path, 64_321, -1)
    assert f"{tmp_path} belongs to uid 64321" in [each.text for each in judge_owners([tmp_path], 0)]
    assert not [each for each in judge_owners([tmp_path], 64_321) if str(tmp_path) in each.text]


def test_the_command_has_it_among_its_findings() -> None:
    assert PART in [each.part for each in CHECKS]
