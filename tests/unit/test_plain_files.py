# SPDX-License-Identifier: Apache-2.0
"""Every file that somebody names is read by way of edge_gate/core/plain_files.py; here is what is not, and why."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import edge_gate
from edge_gate.core.plain_files import ANY_LENGTH, open_descriptor, open_plain, read_plain

PACKAGE: Final = Path(edge_gate.__file__).parent
# What opens a file by its name to read it, as it is written: a function's whole name, or a method's.
FUNCTIONS: Final = {
    *("open", "os.open", "io.open", "FileIO", "io.FileIO", "np.load", "np.loadtxt", "np.fromfile", "np.memmap"),
    *("cv2.imread", "cv2.VideoCapture", "tomllib.load", "mmap.mmap"),
}
METHODS: Final = {"read_bytes", "read_text"}
KERNEL: Final = "the kernel's own files, whose names nobody chooses"
MADE_HERE: Final = "what this very program has made, in a folder of its own"
PACKAGED: Final = "a picture of an installed package"
LISTED: Final = {
    "core/plain_files.py": "the mechanism itself",
    "core/output.py": "/dev/null, and this process's own output",
    "cli/checks/camera.py": "a pipe that this process has made",
    "cli/checks/installation.py": "pip's own lists, by Python's importlib.metadata",
    "cli/checks/security.py": KERNEL,
    "eye/cameras/identity.py": "a camera's device, and the kernel's words about it",
    "eye/cameras/replay.py": "OpenCV opens a film by name; that it is a file was looked at",
    "eye/cameras/v4l2.py": "a camera's device",
    "eye/quiet_stderr.py": "/dev/null",
    "relays/guard_process.py": "the relay's port, by a script that imports nothing of edge-gate",
    "seal/apply.py": KERNEL,
    "seal/kernel_view.py": KERNEL,
    "store/files.py": "files are made, overwritten and synced there; nothing is read",
    "store/keys/asking.py": "the terminal",
    "store/lock.py": "a folder, to lock it, and the kernel's list of locks",
    "tools/bench/frames.py": PACKAGED,
    "tools/bench/processes.py": KERNEL,
    "tools/demo/cast.py": PACKAGED,
    "tools/demo/site.py": MADE_HERE,
    "tools/evaluation/data.py": "NumPy gets a file that was opened by the mechanism",
    "tools/evaluation/protection/people.py": "NumPy gets a file that was opened by the mechanism",
}


def readers(text: str) -> Iterator[int]:
    """Yield the line of each call that opens a file by name to read it, or may do so."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        method = called.rpartition(".")[2]
        if called in FUNCTIONS or (method in METHODS and "." in called) or (method == "open" and _has_mode(node)):
            yield node.lineno


def _has_mode(node: ast.Call) -> bool:
    """Tell Path.open from methods of our own, such as Store.open: it has a mode to read, or nothing at all."""
    words = [*node.args, *(each.value for each in node.keywords if each.arg == "mode")]
    if not words:
        return not isinstance(node.func, ast.Attribute) or ast.unparse(node.func.value).endswith(("path", "file"))
    first = words[0]
    return isinstance(first, ast.Constant) and isinstance(first.value, str) and set(first.value) <= set("rbt+U")


def test_nothing_opens_a_file_by_itself_but_what_is_listed_with_a_reason() -> None:
    found = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := list(readers(path.read_text(encoding="utf-8"))))
    }
    assert {name: lines for name, lines in found.items() if name not in LISTED} == {}
    assert set(LISTED) <= set(found), "and nothing is listed that does not"


@pytest.mark.parametrize(
    "line",
    [
        *(
            "open(name)",
            "open(name, 'rb')",
            "path.open()",
            "path.open('rb')",
            "path.open(mode='r')",
            "Path(x).read_text()",
        ),
        *("self.path.read_bytes()", "os.open(path, os.O_RDONLY)", "np.load(path)", "cv2.imread(name)"),
    ],
)
def test_the_search_finds_each_way_to_open_a_file(line: str) -> None:
    assert list(readers(line)) == [1]


@pytest.mark.parametrize("line", ["Store.open(path, key)", "read_plain(path, 9)", "path.open('wb')", "camera.open()"])
def test_and_not_what_only_sounds_like_it(line: str) -> None:
    assert list(readers(line)) == []


@pytest.fixture
def named(tmp_path: Path) -> Path:
    (tmp_path / "there").write_bytes(b"12345")
    return tmp_path / "named"


def make(named: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(named)
    elif kind == "folder":
        named.mkdir()
    elif kind != "absent":
        named.symlink_to(kind)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["absent", "pipe", "folder", "/dev/zero", "/dev/null", "/dev/tty", "named", "pipe2"])
def test_what_is_no_file_is_an_error_at_once(named: Path, kind: str) -> None:
    if kind == "pipe2":
        os.mkfifo(named.with_name("pipe2"))
    make(named, kind)
    for look in (lambda: open_plain(named, ANY_LENGTH), lambda: read_plain(named, 9)):
        with pytest.raises(OSError):
            look()


def test_a_file_is_read_up_to_its_bound_and_a_link_only_where_it_may_be_one(named: Path) -> None:
    make(named, "there")
    assert read_plain(named, 5) == b"12345"
    with open_plain(named, 5) as file:
        assert file.read() == b"12345"
    with pytest.raises(ValueError, match="longer than 4"):
        read_plain(named, 4)
    with pytest.raises(OSError, match="5 bytes, and 4 are the most"):
        open_plain(named, 4)
    with pytest.raises(OSError):
        open_descriptor(named, 5, follow=False)
    os.close(open_descriptor(named.with_name("there"), 5, follow=False))
