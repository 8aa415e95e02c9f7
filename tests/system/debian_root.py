# SPDX-License-Identifier: Apache-2.0
"""Debian in a folder, made once by mmdebstrap and kept, and a container of it with a real systemd.

Each boot puts an overlay on the folder and lets systemd-nspawn start it: no network, nothing kept. One program, the
guest, is run there and the container powers off.
"""

from __future__ import annotations

import configparser
import hashlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

NEEDED: Final = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "unshare": "util-linux"}
CACHE: Final = Path.home() / ".cache" / "edge-gate-ci"
CHECKOUT: Final = Path(__file__).resolve().parents[2]

# What is written lies in memory, where no busy disk makes it slow. systemd-nspawn wants a cgroup tree and a /run of its
# own where the machine's first process is not systemd. Old ones do not let Landlock through.
BOOT: Final = """
set -eu
mount -t tmpfs -o mode=0755,size=4g tmpfs "$FOLDER"
ROOT="$FOLDER/root"
mkdir "$FOLDER/upper" "$FOLDER/work" "$ROOT"
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$FOLDER/upper,workdir=$FOLDER/work" "$ROOT"
mount --bind "$SHARED" "$ROOT/mnt"
if [ -n "$FIRST" ]; then chroot "$ROOT" sh -c "$FIRST"; fi
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
ExecStart={python} /mnt/{guest} /mnt
ExecStopPost=/usr/bin/systemctl --no-block poweroff
StandardOutput=append:/mnt/play.log
StandardError=append:/mnt/play.log
"""


class Unprepared(Exception):
    """Something is missing on this machine; the message says what."""


def kept(cache: Path, suite: str, ingredients: Sequence[str], fill: Callable[[Path], None]) -> Path:
    """Return the root that these ingredients give, from the cache where it is there. It is never written to."""
    absent = sorted(package for program, package in NEEDED.items() if shutil.which(program) is None)
    if absent:
        raise Unprepared(f"this needs: apt-get install --no-install-recommends {' '.join(absent)}")
    digest = hashlib.sha256("\n".join((suite, *ingredients)).encode()).hexdigest()[:12]
    base = cache / f"{suite}-{digest}"
    if not base.exists():
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=cache, prefix="unfinished-"))
        try:
            draft.chmod(0o755)
            fill(draft)
            draft.rename(base)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return base


def bootstrap(root: Path, suite: str, packages: Sequence[str], *options: str) -> None:
    """Lay a Debian into an empty folder."""
    include = f"--include={','.join(packages)}"
    run("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", include, *options, suite, str(root))


def download(target: Path, python: str, wanted: Sequence[str]) -> None:
    """Fetch wheels for the root's Python, out here, where there is a network."""
    fetch = (sys.executable, "-m", "pip", "download", "-q", "-d", str(target), "--only-binary=:all:")
    run(*fetch, "--python-version", python, *wanted)


def requirements() -> list[str]:
    """Return what edge-gate needs to run."""
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    return ["".join(line.split()) for line in settings["options"]["install_requires"].split("\n") if line.strip()]


def build_requirements() -> list[str]:
    """Return what pip needs to build edge-gate."""
    needed: list[str] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["build-system"]["requires"]
    return needed


def boot(base: Path, shared: Path, first: str, seconds: int) -> str:
    """Boot, let the guest of ``shared/play.service`` play, and power off. Return the console's text.

    ``shared`` is what the guest sees as /mnt. ``first`` is run by a shell in the root before it boots.
    """
    with tempfile.TemporaryDirectory(prefix="edge-gate-root-") as folder:
        environment = {
            "BASE": str(base),
            "FOLDER": folder,
            "SHARED": str(shared),
            "FIRST": first,
            "SECONDS_LEFT": str(seconds),
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


def run(*command: str) -> None:
    """Run a command. Raises Unprepared with what it said where it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unprepared(f"{shlex.join(command)} failed: {(done.stderr or done.stdout).strip()}")
