# SPDX-License-Identifier: Apache-2.0
"""Root writes where another user may exchange names: a site is not made there, and no other file is ever touched.

The exchange comes at the worst moment, by itself: between two steps of root's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from edge_gate.core.access import who_may_exchange
from edge_gate.core.errors import SiteNotMade, StoreError
from edge_gate.store import files

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root is led to what it may not be led to")
EVE: Final = 65534
CONTENT: Final = b"a file of root's"


@pytest.fixture
def treasure(tmp_path: Path) -> Path:
    """A file that nobody may touch, beside the folder of somebody else."""
    folder = tmp_path / "root"
    folder.mkdir(mode=0o700)
    file = folder / "treasure"
    file.write_bytes(CONTENT)
    file.chmod(0o600)
    return file


@pytest.fixture
def eves(tmp_path: Path) -> Path:
    folder = tmp_path / "eve"
    folder.mkdir(mode=0o755)
    os.chown(folder, EVE, EVE)
    return folder


def untouched(treasure: Path) -> bool:
    found = treasure.stat()
    return (treasure.read_bytes(), found.st_mode & 0o7777, found.st_uid, found.st_gid) == (CONTENT, 0o600, 0, 0)


# --- where root makes a site ---------------------------------------------------------------------------------------


def folder(path: Path, mode: int = 0o755, owner: int = 0) -> Path:
    path.mkdir()
    path.chmod(mode)
    os.chown(path, owner, owner)
    return path


def link(path: Path, target: Path | str, owner: int = 0) -> Path:
    path.symlink_to(target)
    os.lchown(path, owner, owner)
    return path


UNSAFE: Final[dict[str, Callable[[Path], Path]]] = {
    "a folder of somebody else": lambda here: folder(here / "site", owner=EVE),
    "below one": lambda here: folder(here / "home", owner=EVE) / "site",
    "far below one": lambda here: folder(here / "home", owner=EVE) / "a" / "b" / "site",
    "root's own below one": lambda here: folder(folder(here / "home", owner=EVE) / "site"),
    "one that everybody may write to": lambda here: folder(here / "site", 0o777),
    "one that a group may write to": lambda here: folder(here / "site", 0o775),
    "below one that everybody may write to": lambda here: folder(here / "open", 0o777) / "site",
    "itself sticky": lambda here: folder(here / "site", 0o1777),
    "itself sticky, by a detour": lambda here: folder(folder(here / "site", 0o1777) / "x") / "..",
    "below a sticky one of somebody else": lambda here: folder(here / "open", 0o1777, EVE) / "site",
    "somebody else's in a sticky one": lambda here: folder(folder(here / "open", 0o1777) / "site", owner=EVE),
    "by somebody else's link": lambda here: link(folder(here / "open", 0o1777) / "site", folder(here / "fine"), EVE),
    "by root's link to somebody else's folder": lambda here: link(here / "site", folder(here / "home", owner=EVE)),
    "by root's link through somebody else's folder": lambda here: link(
        here / "site", folder(folder(here / "home", owner=EVE) / "site")
    ),
    "by root's relative link through somebody else's": lambda here: link(
        here / "site", os.path.relpath(link(folder(here / "home", owner=EVE) / "on", folder(here / "fine")), here)
    ),
    "out of somebody else's folder again": lambda here: folder(folder(here / "home", owner=EVE) / "x") / "../../site",
}
SAFE: Final[dict[str, Callable[[Path], Path]]] = {
    "not there yet": lambda here: here / "site",
    "root's": lambda here: folder(here / "site"),
    "below a sticky one": lambda here: folder(here / "open", 0o1777) / "site",
    "root's in a sticky one": lambda here: folder(folder(here / "open", 0o1777) / "site"),
    "by root's link": lambda here: link(here / "site", folder(here / "fine")),
    "by root's relative link": lambda here: link(here / "site", Path(folder(here / "fine").name)),
}


def init(place: Path, cwd: Path = Path("/")) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "edge_gate.cli", "init", "--folder", str(place)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("kind", UNSAFE)
def test_where_others_could_exchange_a_name_is_no_place_for_root(tmp_path: Path, kind: str) -> None:
    place = UNSAFE[kind](tmp_path)
    assert who_may_exchange(place)
    before = sorted(tmp_path.rglob("*"))
    done = init(place)
    assert done.returncode == SiteNotMade.exit_code and "Traceback" not in done.stderr
    assert "root's files would not be safe there" in done.stderr and "--folder" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", SAFE)
def test_where_only_root_names_files_is_a_place_for_root(tmp_path: Path, kind: str) -> None:
    place = SAFE[kind](tmp_path)
    assert not who_may_exchange(place)
    done = init(place)
    assert done.returncode == 0, done.stderr
    assert (place / "edge-gate.toml").is_file()


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    link(tmp_path / "one", tmp_path / "two")
    link(tmp_path / "two", tmp_path / "one")
    done = init(tmp_path / "one" / "site")
    assert done.returncode and "Too many levels of symbolic links" in done.stderr and "Traceback" not in done.stderr
    assert not who_may_exchange(tmp_path / "one" / "site")


def test_an_empty_folder_that_somebody_laid_ready_is_not_used(eves: Path) -> None:
    """Root stands in that user's folder and says `edge-gate init`, as the README does."""
    folder(eves / "edge-gate-trial", owner=EVE)
    done = init(Path("edge-gate-trial"), cwd=eves)
    assert done.returncode == SiteNotMade.exit_code and not list((eves / "edge-gate-trial").iterdir())


# --- how root writes in the folder of the gate's user --------------------------------------------------------------

EXCHANGES: Final[dict[str, Callable[[Path, Path], object]]] = {
    "a link": lambda name, treasure: name.symlink_to(treasure),
    "a link to nowhere": lambda name, treasure: name.symlink_to(treasure.with_name("made")),
    "a second name": lambda name, treasure: name.hardlink_to(treasure),
    "a pipe": lambda name, _: os.mkfifo(name),
    "nothing": lambda name, _: None,
}


@pytest.mark.parametrize("how", EXCHANGES)
@pytest.mark.parametrize("writes", [files.appearing, files.replacing])
def test_a_draft_that_was_exchanged_leads_root_nowhere(
    eves: Path, treasure: Path, writes: Callable[[Path], object], how: str
) -> None:
    target = eves / "edge-gate.db"
    if writes is files.replacing:
        target.write_bytes(b"old")
        os.chown(target, EVE, EVE)
    with pytest.raises(StoreError), writes(target) as draft:  # type: ignore[attr-defined]
        draft.path.unlink()
        EXCHANGES[how](draft.path, treasure)
        draft.write(b"a secret")
        draft.allow(0o644)
        draft.own_like(eves.stat())
    assert untouched(treasure) and not treasure.with_name("made").exists()
    if writes is files.replacing:
        assert target.read_bytes() == b"old", "what could not be replaced is there"


@pytest.mark.parametrize("how", [each for each in EXCHANGES if each != "nothing"])
@pytest.mark.parametrize("does", [files.remove, lambda path: files.replace(path, b"new")])
def test_an_old_file_that_is_none_of_the_gates_is_not_overwritten(
    eves: Path, treasure: Path, does: Callable[[Path], None], how: str
) -> None:
    EXCHANGES[how](eves / "edge-gate.db.rotation", treasure)
    with pytest.raises(StoreError):
        does(eves / "edge-gate.db.rotation")
    assert untouched(treasure) and not treasure.with_name("made").exists()
    assert [each.name for each in eves.iterdir()] == ["edge-gate.db.rotation"]


def test_what_is_the_gates_own_is_replaced_and_removed_by_root(eves: Path) -> None:
    file = eves / "edge-gate.db.keyring"
    file.write_bytes(b"old")
    os.chown(file, EVE, EVE)
    files.replace(file, b"new")
    assert file.read_bytes() == b"new"
    assert (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o777) == (EVE, EVE, 0o600)
    files.remove(file)
    assert not list(eves.iterdir())
