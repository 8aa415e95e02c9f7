# SPDX-License-Identifier: Apache-2.0
"""Whether what is installed beside edge-gate is as pip wrote it down: each file's hash, and nothing that nobody listed.

Python runs a `.pth` file, `sitecustomize` and `usercustomize` at each start, before any line of ours. pip's lists
(RECORD) lie beside the files, so whoever may change one may change the other: this finds an accident, and somebody who
did not think of it. A copy that Python compiled (`__pycache__`) is in no list with a hash.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import stat
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackagePath, distributions
from pathlib import Path
from typing import Final

from edge_gate.cli.checks.findings import Finding, Patient
from edge_gate.core.access import user_name
from edge_gate.core.plain_files import ANY_LENGTH, open_plain

PART: Final = "installation"
_CUSTOM: Final = ("sitecustomize", "usercustomize")
_COMPILED: Final = "__pycache__"
# Where distributions are told apart by name alone, and a name is the distribution's own.
_LISTS: Final = (".dist-info", ".egg-info")
_MOST_NAMED: Final = 5
_REINSTALL: Final = "Look who changed it; then install anew: docs/installer.md, Install."
_MEND_MODE: Final = "Make the folder root's alone: chown -R root:root and chmod -R go-w."


def check_installation(_: Patient) -> Iterator[Finding]:
    """Judge the environment that this very command runs in."""
    folders = sorted({Path(sysconfig.get_path(each)).resolve() for each in ("purelib", "platlib")})
    yield from judge_folders(folders)
    yield from judge_customs()
    yield from judge_owners(map(Path, sys.path), os.geteuid())


def judge_folders(folders: Iterable[Path]) -> Iterator[Finding]:
    """Compare every file in the folders with the lists of the distributions that lie there."""
    looked_at = 0
    for folder in folders:
        listed, changed, missing = set[Path](), list[str](), list[str]()
        for each in distributions(path=[str(folder)]):
            yield from _judge_kind(each)
            for file in each.files or ():
                place = Path(os.path.normpath(folder / file))
                listed.add(place)
                state = _state(place, file)
                looked_at += state != "not hashed"
                {"changed": changed, "missing": missing}.get(state, []).append(str(place))
        strange = sorted(map(str, _unlisted(folder, listed)))
        for text, found in (
            ("is not as it was installed", changed), ("was installed and is not there", missing),
            ("belongs to no distribution that pip knows", strange),
        ):  # fmt: skip
            if found:
                yield Finding(PART, "fault", _named(found, text), _REINSTALL)
    yield Finding(PART, "ok", f"{looked_at} files compared with the hashes that pip wrote down")


def judge_customs() -> Iterator[Finding]:
    """Name what Python runs at each start besides, wherever it lies."""
    for name in _CUSTOM:
        spec = importlib.util.find_spec(name)
        if spec is not None:
            mend = "Where the system's packages brought it, it is theirs; else remove it."
            yield Finding(PART, "unknown", f"{name}: {spec.origin} runs at each start of Python", mend)


def judge_owners(folders: Iterable[Path], user: int) -> Iterator[Finding]:
    """Find a folder in which Python looks for modules, or one above it, that somebody else may change."""
    found = dict.fromkeys(why for folder in folders for why in _who_else(folder.resolve(), user))
    for why in found:
        yield Finding(PART, "fault", why, _MEND_MODE)
    if not found:
        yield Finding(PART, "ok", "nobody but root and this user may change where Python finds its modules")


def _judge_kind(each: Distribution) -> Iterator[Finding]:
    if each.files is None:
        yield Finding(PART, "fault", f"{each.metadata['Name']} has no list of its files", _REINSTALL)
    elif '"editable": true' in (each.read_text("direct_url.json") or ""):
        text = f"{each.metadata['Name']} is installed from a folder of sources: its own files are in no list"
        yield Finding(PART, "unknown", text, "On a device install it as docs/installer.md has it.")


def _state(place: Path, file: PackagePath) -> str:
    if not place.is_file():
        return "not hashed" if _COMPILED in place.parts else "missing"
    if file.hash is None:
        return "not hashed"
    with open_plain(place, ANY_LENGTH) as opened:
        digest = hashlib.file_digest(opened, file.hash.mode).digest()
    return "as installed" if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value else "changed"


def _unlisted(folder: Path, listed: set[Path]) -> Iterator[Path]:
    """Yield what no list has: a `.pth` file or module of its own by itself, of a whole package only the package."""
    tops = {each.relative_to(folder).parts[0] for each in listed if each.is_relative_to(folder)}
    for each in folder.iterdir():
        if each.name == _COMPILED or each.suffix in _LISTS:
            continue
        if each.name not in tops:
            yield each
        elif each.is_dir():
            yield from (below for below in each.rglob("*") if _is_strange(below, listed))


def _is_strange(path: Path, listed: set[Path]) -> bool:
    return path.is_file() and _COMPILED not in path.parts and path not in listed


def _who_else(folder: Path, user: int) -> Iterator[str]:
    for place in (folder, *folder.parents):
        try:
            found = place.stat()
        except OSError:
            continue
        if found.st_uid not in (0, user):
            yield f"{place} belongs to {user_name(found.st_uid)}"
        elif found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            yield f"everybody may write to {place}"
        elif found.st_mode & stat.S_IWGRP and found.st_gid != 0 and not found.st_mode & stat.S_ISVTX:
            yield f"a group may write to {place}"


def _named(found: list[str], text: str) -> str:
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return f"{', '.join(found[:_MOST_NAMED])}{more}: {text}"
