# SPDX-License-Identifier: Apache-2.0
"""Debian as somebody finds it who has just written the card, in a container, and a checkout in a home folder.

It has what Raspberry Pi OS Lite has of what matters here: systemd, sudo, Python without venv. What docs/installer.md
lets apt and pip fetch lies in it already, in apt's cache and a folder of wheels, because the container has no network.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2

from tests.support import installer_page, walks
from tests.system import debian_root
from tests.system.debian_root import CACHE, CHECKOUT

HERE: Final = Path(__file__).resolve().parent
PAGE: Final = CHECKOUT / "docs/installer.md"
PACKAGES: Final = ("systemd", "systemd-sysv", "udev", "dbus", "sudo", "python3", "procps")
PIP: Final = "[global]\nno-index = true\nfind-links = /srv/wheels\ndisable-pip-version-check = true\n"
APT: Final = 'Acquire::Retries "0";\n'
BOOT_S: Final = 540
FPS: Final = 15


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Debian and its Python."""

    suite: str
    python: str


def furnish(shared: Path, plan: dict[str, Any], pictures: Path) -> None:
    """Put all that the guest needs into the folder that it sees: two checkouts, pictures, the page and the plan."""
    ignored = [Path(line).name for line in (CHECKOUT / ".gitignore").read_text().splitlines()]
    for name in ("old", "new"):
        shutil.copytree(CHECKOUT, shared / name, ignore=shutil.ignore_patterns(".git", *ignored))
    _age(shared / "old", shared / "new")
    shutil.copytree(pictures, shared / "pictures")
    (shared / "plan.json").write_text(json.dumps(plan))
    beside = ("installer_guest.py", "../support/installer_page.py", "../support/terminal.py")
    for file in (PAGE, *(HERE / name for name in beside)):
        shutil.copy(file, shared)
    service = debian_root.PLAY.format(python="/usr/bin/python3", guest="installer_guest.py")
    (shared / "play.service").write_text(service)


def play(release: Release, shared: Path) -> str:
    """Boot and let installer_guest.py paste the page as the plan says. Return the console's text."""
    return debian_root.boot(prepare(release), shared, "", BOOT_S)


def take_pictures(folder: Path) -> None:
    """Write a film of a resident who does not exist."""
    for number, picture in enumerate(walks.film("P008", FPS)):
        cv2.imwrite(str(folder / f"{number:03}.jpg"), picture)


def prepare(release: Release, cache: Path = CACHE) -> Path:
    """Return the root, from the cache where possible."""
    named = installer_page.packages(PAGE.read_text())
    wanted = [*debian_root.requirements(), *debian_root.build_requirements()]
    fill = partial(_fill, release=release, named=named, wanted=wanted)
    return debian_root.kept(cache, f"clean-{release.suite}", (*PACKAGES, *named, *wanted, PIP, APT), fill)


def _fill(root: Path, release: Release, named: list[str], wanted: list[str]) -> None:
    fetch = f'chroot "$1" apt-get -q install --yes --download-only {" ".join(named)}'
    debian_root.bootstrap(root, release.suite, PACKAGES, "--skip=cleanup/apt", f"--customize-hook={fetch}")
    (root / "etc/apt/apt.conf.d/90no-network").write_text(APT)
    (root / "etc/pip.conf").write_text(PIP)
    debian_root.download(root / "srv/wheels", release.python, wanted)


def _age(old: Path, new: Path) -> None:
    """Make an earlier and a later version. A module and what a build left go; a module and a unit's line come."""
    (old / "edge_gate/core/soon_deleted.py").write_text("")
    ghost = old / "build/lib/edge_gate/deleted_long_ago.py"
    ghost.parent.mkdir(parents=True)
    ghost.write_text("")
    (new / "edge_gate/core/just_added.py").write_text("")
    unit = new / "systemd/edge-gate.service"
    unit.write_text(unit.read_text().replace("Description=edge-gate:", "Description=edge-gate, updated:"))
