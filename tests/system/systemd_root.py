# SPDX-License-Identifier: Apache-2.0
"""A whole Debian 13 with a real systemd, in a container, with edge-gate installed as docs/installer.md says.

mmdebstrap makes the root once and pip fills /opt/edge-gate with what edge-gate needs (both kept in ``cache``). Each run
puts an overlay on it, installs this checkout, and boots it with systemd-nspawn: no network, nothing kept.

By hand: python tests/system/systemd_root.py FOLDER [GUEST]    boots it, plays systemd_guest.py or another guest, and
leaves FOLDER/acts.json
"""

from __future__ import annotations

import configparser
import hashlib
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NEEDED: Final = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "unshare": "util-linux"}
CACHE: Final = Path.home() / ".cache" / "edge-gate-ci"
HERE: Final = Path(__file__).resolve().parent
CHECKOUT: Final = HERE.parents[1]
SUITE: Final = "trixie"
PYTHON: Final = "3.13"
# What systemd loads when it seals to a TPM (tests/system/tpm_vm.py).
TPM: Final = ("libtss2-esys-3.0.2-0t64", "libtss2-mu-4.0.1-0t64", "libtss2-rc0t64", "libtss2-tcti-device0t64")
PACKAGES: Final = ("systemd", "systemd-sysv", "udev", "dbus", "python3", "python3-venv", *TPM)
BOOT_S: Final = 240

# systemd-nspawn wants a cgroup tree and a /run of its own where the machine's first process is not systemd. Old ones
# do not let Landlock through.
BOOT: Final = """
set -eu
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$UPPER,workdir=$WORK" "$ROOT"
mount --bind "$SHARED" "$ROOT/mnt"
chroot "$ROOT" sh -c 'exec /opt/edge-gate/bin/pip install -q --no-index --no-deps /mnt/*.whl'
cp "$ROOT/mnt/play.service" "$ROOT/etc/systemd/system/play.service"
mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants"
ln -s ../play.service "$ROOT/etc/systemd/system/multi-user.target.wants/play.service"
umount "$ROOT/mnt"
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd
umount -R -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/edge-gate.$$"
echo $$ > "/sys/fs/cgroup/edge-gate.$$/cgroup.procs"
exec timeout "$SECONDS_LEFT" systemd-nspawn -q -b -D "$ROOT" --register=no --keep-unit --private-network \
    --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
    --console=pipe --bind="$SHARED:/mnt"
"""

PLAY: Final = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/opt/edge-gate/bin/python /mnt/@GUEST@ /mnt
ExecStopPost=/usr/bin/systemctl --no-block poweroff
StandardOutput=append:/mnt/play.log
StandardError=append:/mnt/play.log
"""


class Unprepared(Exception):
    """Something is missing on this machine; the message says what."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A root to boot. ``base`` is never written to."""

    base: Path

    def play(self, shared: Path, guest: str = "systemd_guest.py") -> str:
        """Install the checkout, boot, play a guest and power off. Return the console's text.

        ``shared`` is an empty folder, which the guest sees as /mnt; afterwards it holds what the guest wrote.
        """
        furnish(shared, guest)
        with tempfile.TemporaryDirectory(prefix="edge-gate-root-") as folder:
            places = {name: Path(folder, name.lower()) for name in ("UPPER", "WORK", "ROOT")}
            for place in places.values():
                place.mkdir()
            environment = {name: str(place) for name, place in places.items()} | {
                "BASE": str(self.base),
                "SHARED": str(shared),
                "SECONDS_LEFT": str(BOOT_S),
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            }
            done = subprocess.run(
                ["unshare", "-m", "--propagation", "private", "bash", "-c", BOOT],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        return done.stdout.decode(errors="replace")


def prepare(cache: Path = CACHE) -> Machine:
    """Return a machine, from the cache where possible. Raises Unprepared naming what is missing."""
    absent = sorted(package for program, package in NEEDED.items() if shutil.which(program) is None)
    if absent:
        raise Unprepared(f"this needs: apt-get install --no-install-recommends {' '.join(absent)}")
    wanted = _requirements()
    digest = hashlib.sha256("\n".join((SUITE, *PACKAGES, *wanted)).encode()).hexdigest()[:12]
    base = cache / f"{SUITE}-{digest}"
    if not base.exists():
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=cache, prefix="unfinished-"))
        try:
            draft.chmod(0o755)
            include = f"--include={','.join(PACKAGES)}"
            _run("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", include, SUITE, str(draft))
            _fill(draft, wanted)
            draft.rename(base)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return Machine(base)


def furnish(shared: Path, guest: str) -> None:
    """Put into the folder that the guest will see all that it needs."""
    _wheel(CHECKOUT, shared)
    shutil.copytree(CHECKOUT / "systemd", shared / "systemd")
    shutil.copy(CHECKOUT / "docs/installer.md", shared)
    for name in {guest, "systemd_guest.py", "systemd_probe.py", "kernel_probe.py", "../support/terminal.py"}:
        shutil.copy(HERE / name, shared)
    (shared / "play.service").write_text(PLAY.replace("@GUEST@", guest))


def _requirements() -> list[str]:
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    return ["".join(line.split()) for line in settings["options"]["install_requires"].split("\n") if line.strip()]


def _fill(root: Path, wanted: list[str]) -> None:
    """Make /opt/edge-gate in the root: packages are fetched out here, for its Python, and installed in there."""
    wheels = root / "wheels"
    fetch = (sys.executable, "-m", "pip", "download", "-q", "-d", str(wheels))
    _run(*fetch, "--only-binary=:all:", "--python-version", PYTHON, *wanted)
    _run("chroot", str(root), "python3", "-m", "venv", "/opt/edge-gate")
    _run(
        "chroot", str(root), "/opt/edge-gate/bin/pip", "install", "-q", "--no-index", "--find-links", "/wheels", *wanted
    )
    shutil.rmtree(wheels)


def _wheel(checkout: Path, target: Path) -> None:
    """Build this checkout's wheel from a copy, so that the checkout stays as it is."""
    with tempfile.TemporaryDirectory(prefix="edge-gate-source-") as folder:
        for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(checkout / name, folder)
        ignored = shutil.ignore_patterns("__pycache__", "recipe", ".*_cache")
        for name in ("edge_gate", "models"):
            shutil.copytree(checkout / name, Path(folder, name), ignore=ignored)
        _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(target), folder)


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unprepared(f"{shlex.join(command)} failed: {(done.stderr or done.stdout).strip()}")


if __name__ == "__main__":
    print(prepare().play(Path(sys.argv[1]), *sys.argv[2:]))
