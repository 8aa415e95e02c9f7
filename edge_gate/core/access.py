# SPDX-License-Identifier: Apache-2.0
"""What is at a path, told apart from what this user may not see.

`Path.exists` and its kin do not do that: by the version of Python they raise, or say that a file behind a closed
folder is not there. Whoever believes that makes a second store beside the first.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import Final

from edge_gate.core.errors import AccessDenied

# The kernel follows no more in one path.
_MOST_LINKS: Final = 40
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def find(path: Path) -> os.stat_result | None:
    """Return what the path leads to; None where nothing is there. Raises AccessDenied where this user may not look."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise denied(path) from error


def is_there(path: Path) -> bool:
    """Tell whether the path leads to something. Raises AccessDenied."""
    return find(path) is not None


def is_taken(path: Path) -> bool:
    """Tell whether the name is in use, if only by a link that leads nowhere. Raises AccessDenied."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise denied(path) from error
    return True


def denied(path: Path) -> AccessDenied:
    """Return the error that says who this is, and whose the place is that is closed to them."""
    return AccessDenied(own_name(), why_closed(path))


def why_closed(path: Path) -> str:
    """Return the path with whose it is, or whose the nearest folder is that this user can see, and its mode."""
    if (seen := nearest(path)) is None:
        return f"{path}: this user may not enter the current folder"
    place, found = seen
    whose = "it" if place == path else str(place)
    return f"{path}: {whose} belongs to {user_name(found.st_uid)} (mode {stat.S_IMODE(found.st_mode):04o})"


def nearest(path: Path) -> tuple[Path, os.stat_result] | None:
    """Return what is at the path, or the nearest folder above it that this user can see."""
    for place in (path, *path.parents):
        try:
            return place, place.stat()
        except OSError:
            continue
    return None


def who_may_exchange(path: Path) -> str:
    """Return which place on the way to a path somebody other than root may lead elsewhere, and who; "" for none.

    That is a folder or link of another user, or a folder that others may write to. A sticky one, as /tmp, may lead to
    what root makes in it, but is no place to work in. Where the path ends before its last name, root makes the rest.
    """
    names = [*reversed(path.absolute().parts)]
    place = Path()
    links = 0
    while names and links < _MOST_LINKS:
        name = names.pop()
        if name == "..":
            place, name = place.parent.parent, place.parent.name  # what it stands in has no link in it any more
        place /= name
        try:
            found = place.lstat()
        except FileNotFoundError:
            return ""
        if found.st_uid != 0:
            return f"{place} belongs to {user_name(found.st_uid)}"
        if stat.S_ISLNK(found.st_mode):
            links += 1
            names += reversed(place.readlink().parts)
            place = place.parent
        elif found.st_mode & _OTHERS_WRITE and not (names and found.st_mode & stat.S_ISVTX):
            return f"others may write to {place} (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""


def own_name() -> str:
    """Return the login name of this process's user."""
    return user_name(os.geteuid())


def user_name(uid: int) -> str:
    """Return the login name of a user, or ``uid 1234`` where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
