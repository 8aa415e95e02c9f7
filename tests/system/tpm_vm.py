# SPDX-License-Identifier: Apache-2.0
"""A virtual machine with a TPM: the Debian of systemd_root.py, a disk that lasts, and swtpm.

qemu (pure emulation) boots Debian's kernel. What systemd_root.py keeps in its cache is the lower layer of the root, and
a small ext4 disk, with this checkout installed on it, is the upper one: what the guest writes is on that disk alone.
Each machine has the TPM whose state folder it is given; an empty folder is a TPM as it comes from the factory.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NEEDED: Final = {"swtpm": "swtpm", "mke2fs": "e2fsprogs", "unshare": "util-linux"}
MODULES: Final = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "crc32c_generic", "ext4", "overlay")
DISK: Final = "400M"
BOOT_S: Final = 300

# To be given to vivid_vm.bootable.
INIT: Final = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read module; do insmod "$module" || echo "insmod $module failed"; done < /modules
mkdir -p /base /disk /root
share=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o $share,cache=loose,ro base /base || poweroff -f
mount -t ext4 /dev/vda /disk || poweroff -f
mount -t overlay overlay -o lowerdir=/base,upperdir=/disk/upper,workdir=/disk/work /root || poweroff -f
mount -t 9p -o $share,rw shared /root/mnt || poweroff -f
for each in proc sys dev; do mount --move /$each /root/$each; done
exec switch_root /root /sbin/init
"""

FURNISH: Final = """
set -eu
mkdir -p "$FOLDER/upper" "$FOLDER/work" "$FOLDER/root"
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$FOLDER/upper,workdir=$FOLDER/work" "$FOLDER/root"
mount --bind "$SHARED" "$FOLDER/root/mnt"
chroot "$FOLDER/root" sh -c 'exec /opt/edge-gate/bin/pip install -q --no-index --no-deps /mnt/*.whl'
cp "$SHARED/play.service" "$FOLDER/root/etc/systemd/system/play.service"
mkdir -p "$FOLDER/root/etc/systemd/system/multi-user.target.wants"
ln -s ../play.service "$FOLDER/root/etc/systemd/system/multi-user.target.wants/play.service"
umount "$FOLDER/root/mnt" "$FOLDER/root"
rm -r "$FOLDER/work" "$FOLDER/root"
mkdir "$FOLDER/work"
"""


class Unprepared(Exception):
    """Something is missing on this machine; the message says what."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A computer: its kernel and the root that its disks lie upon."""

    kernel: Path
    initrd: Path
    base: Path

    def disk(self, shared: Path, target: Path) -> None:
        """Make a disk with the checkout installed, from a folder that systemd_root.furnish has filled."""
        absent = sorted(package for program, package in NEEDED.items() if shutil.which(program) is None)
        if absent:
            raise Unprepared(f"this needs: apt-get install --no-install-recommends {' '.join(absent)}")
        with tempfile.TemporaryDirectory(prefix="edge-gate-disk-") as folder:
            names = {"BASE": str(self.base), "SHARED": str(shared), "FOLDER": folder}
            path = "/usr/sbin:/usr/bin:/sbin:/bin"
            subprocess.run(
                ["unshare", "-m", "--propagation", "private", "bash", "-c", FURNISH],
                env=names | {"PATH": path}, stdin=subprocess.DEVNULL, check=True,
            )  # fmt: skip
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", folder, str(target), DISK], check=True)

    def boot(self, disk: Path, tpm: Path, shared: Path) -> str:
        """Boot with this disk and the TPM whose state is in that folder; return the console's text at power-off."""
        with tempfile.TemporaryDirectory(prefix="edge-gate-tpm-") as folder, _swtpm(tpm, Path(folder, "tpm")) as socket:
            share = "security_model=none,multidevs=remap"
            machine = "-accel tcg -machine q35 -cpu Nehalem -smp 1 -m 1024 -nic none -no-reboot -nographic"
            done = subprocess.run(
                ["qemu-system-x86_64", *machine.split(), "-kernel", str(self.kernel), "-initrd", str(self.initrd),
                 "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
                 "-drive", f"file={disk},if=virtio,format=raw,cache=unsafe",
                 "-virtfs", f"local,path={self.base},mount_tag=base,readonly=on,{share}",
                 "-virtfs", f"local,path={shared},mount_tag=shared,{share}",
                 "-chardev", f"socket,id=chip,path={socket}", "-tpmdev", "emulator,id=tpm,chardev=chip",
                 "-device", "tpm-tis,tpmdev=tpm"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BOOT_S, check=False,
            )  # fmt: skip
        return done.stdout.decode(errors="replace")


@contextlib.contextmanager
def _swtpm(state: Path, socket: Path) -> Iterator[Path]:
    """Yield the socket of a running TPM."""
    chip = subprocess.Popen(
        [
            "swtpm",
            "socket",
            "--tpm2",
            "--tpmstate",
            f"dir={state}",
            "--ctrl",
            f"type=unixio,path={socket}",
            "--terminate",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 10
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield socket
    finally:
        chip.terminate()
        chip.wait()
