# SPDX-License-Identifier: Apache-2.0
"""Inside the virtual machine: /mnt/phase says whether to set up a site and seal its key to the TPM, or to start the one
that is on the disk. What was seen goes into /mnt/acts.json; test_tpm.py judges it."""

from __future__ import annotations

import errno
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

# It lies beside this file in the guest.
from systemd_guest import BIN, SETTINGS, UNITS, in_sandbox, install, sh, show, status, tried  # type: ignore[import-not-found]

from edge_gate.cli.keys import place as keyplace
from edge_gate.cli.keys.unlock import SEALED_CREDENTIAL, open_credential
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings.config import StoreSettings
from edge_gate.store.keys.locked import lock, unlock
from edge_gate.store.keys.pending import opens_database
from edge_gate.store.keys.source import plain_key

BY_HOST = SEALED_CREDENTIAL.with_name("by-host.cred")
BY_TPM = SEALED_CREDENTIAL.with_name("by-tpm.cred")
BY_BOTH = SEALED_CREDENTIAL.with_name("by-both.cred")
BY_TPM_LOCKED = SEALED_CREDENTIAL.with_name("by-tpm-locked.cred")
PASSPHRASE = "a gate, a lamp and seven geese"
PATIENT = "[Service]\nTimeoutStartSec=120\nWatchdogSec=60\nRestart=no\n"


def set_up(shared: Path, board: BoardSimulator) -> None:
    """A site, and its key sealed to the host's key, to the TPM, to both, and, locked with a passphrase, to the TPM."""
    install(shared, board)
    digits = open_credential(SEALED_CREDENTIAL.read_bytes())
    shutil.move(SEALED_CREDENTIAL, BY_HOST)
    locked = lock(plain_key(digits, BY_HOST), PASSPHRASE)
    in_memory = Path("/run/store.key")
    for content, how, place in (
        (digits, "tpm2", BY_TPM), (digits, "host+tpm2", BY_BOTH), (locked, "tpm2", BY_TPM_LOCKED),
    ):  # fmt: skip
        in_memory.write_bytes(content)
        sh("systemd-creds", "encrypt", f"--with-key={how}", "--name=store-key", in_memory, place)
    in_memory.unlink()
    drop_in = UNITS / "edge-gate.service.d"
    drop_in.mkdir()
    (drop_in / "emulated.conf").write_text(PATIENT)  # a processor that is emulated takes its time
    sh("systemctl", "daemon-reload")


def wire_up(board: BoardSimulator) -> None:
    relay = Path("/dev/edge-gate-relay")
    relay.symlink_to(os.path.realpath(board.path))
    os.chown(relay, pwd.getpwnam("edge-gate").pw_uid, 0)
    relay.chmod(0o600)


def eyes_sandbox(shared: Path) -> dict[str, Any]:
    """Try, in the eye's sandbox, devices that are no camera and more memory than it may take."""
    devices = Path("/dev/vcio"), Path("/dev/vda")
    os.mknod(devices[0], 0o666 | stat.S_IFCHR, os.makedev(100, 0))
    for each in devices:
        each.chmod(0o666)
    try:
        devices[0].open("rb").close()
    except OSError as error:
        outside = errno.errorcode[error.errno or 0]
    _, said = in_sandbox("edge-gate-eye", shared, shared / "kernel_probe.py")
    shown = sh("systemctl", "show", "edge-gate-eye-probe", "--property=Result", "--value").strip()
    return {"outside": outside, "said": said.splitlines(), "result": shown}


def started_with(credential: Path) -> dict[str, Any]:
    """Start the real gate with one of the sealed keys, and stop it again."""
    shutil.copy(credential, SEALED_CREDENTIAL)
    started = tried("systemctl", "start", "edge-gate")
    seen = {
        "started": started,
        "gate": show("edge-gate"),
        "door": status().get("door"),
        "keys": tried(BIN / "edge-gate", "keys", "status", "--config", SETTINGS),
        "opened by hand": tried("systemd-creds", "decrypt", "--name=store-key", SEALED_CREDENTIAL, "/dev/null")[
            "status"
        ],
    }
    tried("systemctl", "stop", "edge-gate")
    return seen


def own_tpm() -> str:
    """Seal something to the TPM of this machine, and open it."""
    with tempfile.TemporaryDirectory() as folder:
        plain, sealed, back = (Path(folder, name) for name in ("plain", "sealed", "back"))
        plain.write_text("something")
        sh("systemd-creds", "encrypt", "--with-key=tpm2", "--name=x", plain, sealed)
        sh("systemd-creds", "decrypt", "--name=x", sealed, back)
        return "gives back" if back.read_text() == "something" else "gives something else"


def opened_with_passphrase() -> dict[str, Any]:
    """Open the key that is locked and sealed to the TPM, by TPM and passphrase, and try it on the store."""
    try:
        content = open_credential(BY_TPM_LOCKED.read_bytes())
    except subprocess.CalledProcessError:
        return {"sealed": "stays shut"}
    place = keyplace.find(StoreSettings(), BY_TPM_LOCKED)
    opens = opens_database(StoreSettings().path, unlock(content, PASSPHRASE, BY_TPM_LOCKED))
    return {"sealed": "opens", "locked": place.locked, "limits": place.limits, "opens the store": opens}


def main() -> None:
    shared = Path(sys.argv[1])
    acts: dict[str, Any] = {}
    try:
        with BoardSimulator("lcus1") as board:
            if (shared / "phase").read_text() == "set up":
                set_up(shared, board)
                acts["eye's sandbox"] = eyes_sandbox(shared)
                tries: tuple[Path, ...] = (BY_BOTH,)
            else:
                wire_up(board)
                tries = (BY_TPM, BY_BOTH, BY_HOST)
                acts["own tpm"] = own_tpm()
                acts["with passphrase"] = opened_with_passphrase()
            for credential in tries:
                acts[credential.stem] = started_with(credential)
    except Exception:
        acts["failed"] = traceback.format_exc()
    acts["journal"] = sh("journalctl", "-b", "--no-pager", check=False)[-20_000:]
    (shared / "acts.json").write_text(json.dumps(acts, indent=1))
    os.sync()


if __name__ == "__main__":
    main()
