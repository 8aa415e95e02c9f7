# SPDX-License-Identifier: Apache-2.0
"""A virtual machine with a real V4L2 camera, for machines whose kernel has none.

qemu (pure emulation, no KVM) boots Debian's own kernel, whose `vivid` driver is a V4L2 camera made of software. The
guest has this machine's file system, read-only, as its own, so that it runs the very interpreter, libraries and
checkout that the tests run with; nothing is installed in it and no image is built. From cold it takes about 10 s to
fetch and unpack the kernel package (kept in ``cache``), and about 12 s to boot.

By hand: python tests/system/vivid_vm.py COMMAND...    runs a command in the guest and prints what it printed.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NEEDED: Final = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
}
CACHE: Final = Path.home() / ".cache" / "edge-gate-ci"
BOOT_S: Final = 120
MODULES: Final = ("virtio_pci", "9pnet_virtio", "9p", "vivid")
# 640 x 480 at 15 and more a second is the only thing that is asked of this camera; one capture node and nothing else.
VIVID: Final = "n_devs=1 node_types=0x1"
CONSOLE: Final = "console=ttyS0 quiet panic=-1 mitigations=off"
ENVIRONMENT: Final = """export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 OPENBLAS_NUM_THREADS=1"""

INIT: Final = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
while read module; do
    options=
    case "$module" in */vivid.ko) options="@VIVID@";; esac
    insmod "$module" $options || echo "insmod $module failed"
done < /modules
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /host || poweroff -f
mount -t proc proc /host/proc
mount -t sysfs sys /host/sys
mount -t devtmpfs dev /host/dev
mount -t tmpfs run /host/run
job=$(sed -n 's/.*edge_gate_job=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
chroot /host /bin/sh "$job" > /host/dev/ttyS1 2> /host/dev/ttyS0
echo "exit $?" > /host/dev/ttyS1
poweroff -f
"""


class Unprepared(Exception):
    """Something is missing on this machine; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A kernel and an initial RAM disk, ready to boot."""

    kernel: Path
    initrd: Path

    def run(self, command: list[str], timeout_s: float) -> tuple[int, str, str]:
        """Boot, run the command, power off. Return its exit status, standard output, and the guest's console."""
        with tempfile.TemporaryDirectory(prefix="edge-gate-vm-") as folder:
            job, output = Path(folder, "job"), Path(folder, "output")
            job.write_text(f"{ENVIRONMENT}\ncd {shlex.quote(str(Path.cwd()))}\nexec {shlex.join(command)}\n")
            console = subprocess.run(
                [*self._machine(), "-serial", f"file:{output}", "-append", f"{CONSOLE} edge_gate_job={job}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=BOOT_S + timeout_s,
                check=False,
            ).stdout.decode(errors="replace")
            text = output.read_text(errors="replace").replace("\r\n", "\n")
        printed, _, status = text.rpartition("exit ")
        return int(status) if status.strip().isdecimal() else -1, printed, console

    def _machine(self) -> list[str]:
        # One processor: qemu's threads for several are not stable in emulation. Nehalem: no AVX, which is slow there.
        machine = "-accel tcg -machine q35 -cpu Nehalem -smp 1 -m 1024 -nic none -no-reboot"
        share = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
        return [
            *("qemu-system-x86_64", *machine.split(), "-display", "none", "-monitor", "none", "-serial", "stdio"),
            *("-kernel", str(self.kernel), "-initrd", str(self.initrd), "-virtfs", share),
        ]


def prepare(cache: Path = CACHE) -> Guest:
    """Return a guest with a camera, from the cache where possible. Raises Unprepared naming what to install."""
    return Guest(*bootable(MODULES, INIT.replace("@VIVID@", VIVID), cache))


def bootable(modules: tuple[str, ...], init: str, cache: Path = CACHE) -> tuple[Path, Path]:
    """Return Debian's kernel and an initial RAM disk with these modules and this first program. Raises Unprepared."""
    absent = sorted(package for program, package in NEEDED.items() if shutil.which(program) is None)
    if absent:
        raise Unprepared(f"this needs: apt-get install --no-install-recommends {' '.join(absent)}")
    package = _kernel_package()
    kind = hashlib.sha256(repr((modules, init)).encode()).hexdigest()[:12]
    kernel, initrd = cache / f"{package}-{kind}.vmlinuz", cache / f"{package}-{kind}.initrd"
    if not (kernel.exists() and initrd.exists()):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _build(package, Path(folder), modules, init)
            shutil.move(Path(folder, "initrd"), initrd)
            shutil.move(Path(folder, "vmlinuz"), kernel)
    return kernel, initrd


def _kernel_package() -> str:
    depends = _output(["apt-cache", "depends", "linux-image-amd64"], Path("/"))
    found = re.search(r"Depends: (linux-image-[\w.+-]+)", depends)
    if found is None:
        raise Unprepared("apt knows no linux-image-amd64: run apt-get update")
    return found[1]


def _build(package: str, folder: Path, modules: tuple[str, ...], init: str) -> None:
    """Leave ``vmlinuz`` and ``initrd`` in the folder."""
    _output(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package], folder)
    (archive,) = folder.glob("*.deb")
    unpacked, disk = folder / "package", folder / "disk"
    _output(["dpkg-deb", "-x", str(archive), str(unpacked)], folder)
    for name in ("bin", "proc", "sys", "host", "dev"):
        (disk / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, disk / "bin" / "busybox")
    files = _in_order_of_need(unpacked, modules)
    for file in files:
        shutil.copy(file, disk / file.name)
    (disk / "modules").write_text("".join(f"/{file.name}\n" for file in files))
    (disk / "init").write_text(init)
    (disk / "init").chmod(0o755)
    _output(["sh", "-c", "find . | cpio --quiet -o -H newc > ../initrd"], disk)
    (kernel,) = (unpacked / "boot").glob("vmlinuz-*")
    shutil.move(kernel, folder / "vmlinuz")


def _in_order_of_need(package: Path, modules: tuple[str, ...]) -> list[Path]:
    """Return the files of these modules and all that they need, each after those it needs, as their `depends` say."""
    files = {file.stem.replace("-", "_"): file for file in package.rglob("*.ko")}
    ordered: list[Path] = []

    def add(name: str) -> None:
        if name not in files:
            raise Unprepared(f"the kernel package has no module {name}")
        found = re.search(rb"\0depends=([^\0]*)\0", files[name].read_bytes())
        for needed in found[1].decode().split(",") if found else []:
            if needed:
                add(needed.replace("-", "_"))
        if files[name] not in ordered:
            ordered.append(files[name])

    for name in modules:
        add(name)
    return ordered


def _output(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unprepared(f"{shlex.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    status, printed, console = prepare().run(sys.argv[1:], 600)
    print(console, printed, sep="\n", end="")
    sys.exit(status)
