# SPDX-License-Identifier: Apache-2.0
"""A whole Debian 13 with a real systemd, in a container, with edge-gate installed as docs/installer.md says.

pip fills /opt/edge-gate with what edge-gate needs, once (debian_root.py keeps the root). Each run installs this
checkout's wheel on an overlay.

By hand: python -m tests.system.systemd_root FOLDER [GUEST]    boots it, plays systemd_guest.py or another guest, and
leaves FOLDER/acts.json
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.system import debian_root
from tests.system.debian_root import CACHE, CHECKOUT

HERE: Final = Path(__file__).resolve().parent
SUITE: Final = "trixie"
PYTHON: Final = "3.13"
# What systemd loads when it seals to a TPM (tests/system/tpm_vm.py).
TPM: Final = ("libtss2-esys-3.0.2-0t64", "libtss2-mu-4.0.1-0t64", "libtss2-rc0t64", "libtss2-tcti-device0t64")
PACKAGES: Final = ("systemd", "systemd-sysv", "udev", "dbus", "python3", "python3-venv", *TPM)
INSTALL: Final = "exec /opt/edge-gate/bin/pip install -q --no-index --no-deps /mnt/*.whl"
BOOT_S: Final = 240


@dataclass(frozen=True, slots=True)
class Machine:
    """A root to boot. ``base`` is never written to."""

    base: Path

    def play(self, shared: Path, guest: str = "systemd_guest.py") -> str:
        """Install the checkout, boot, play a guest and power off. Return the console's text.

        ``shared`` is an empty folder, which the guest sees as /mnt; afterwards it holds what the guest wrote.
        """
        furnish(shared, guest)
        return debian_root.boot(self.base, shared, INSTALL, BOOT_S)


def prepare(cache: Path = CACHE) -> Machine:
    """Return a machine, from the cache where possible. Raises Unprepared naming what is missing."""
    wanted = debian_root.requirements()
    return Machine(debian_root.kept(cache, SUITE, (*PACKAGES, *wanted), partial(_fill, wanted=wanted)))


def furnish(shared: Path, guest: str) -> None:
    """Put into the folder that the guest will see all that it needs."""
    debian_root.run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(shared), str(CHECKOUT))
    shutil.copy(CHECKOUT / "docs/installer.md", shared)
    beside = (
        "systemd_guest.py",
        "systemd_probe.py",
        "kernel_probe.py",
        "../support/installer_page.py",
        "../support/terminal.py",
    )
    for name in {guest, *beside}:
        shutil.copy(HERE / name, shared)
    play = debian_root.PLAY.format(python="/opt/edge-gate/bin/python", guest=guest)
    (shared / "play.service").write_text(play)


def _fill(root: Path, wanted: list[str]) -> None:
    """Make /opt/edge-gate in a new root."""
    debian_root.bootstrap(root, SUITE, PACKAGES)
    wheels = root / "wheels"
    debian_root.download(wheels, PYTHON, wanted)
    debian_root.run("chroot", str(root), "python3", "-m", "venv", "/opt/edge-gate")
    pip = ("chroot", str(root), "/opt/edge-gate/bin/pip", "install", "-q", "--no-index", "--find-links", "/wheels")
    debian_root.run(*pip, *wanted)
    shutil.rmtree(wheels)


if __name__ == "__main__":
    print(prepare().play(Path(sys.argv[1]), *sys.argv[2:]))
