# SPDX-License-Identifier: Apache-2.0
"""Runs as root in a mount namespace of its own: the doctor looks through a camera whose driver was taken over.

In the namespace other users reach the interpreter and the checkout, wherever they lie. Prints JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_gate.cli.checks.camera import check_camera
from edge_gate.cli.checks.findings import Finding, Patient
from edge_gate.settings import config
from tests.support.strange_cameras import install

CHECKOUT = Path(__file__).parents[2]
EYE_USER = "games"


def open_up(needed: list[Path]) -> None:
    """Let everybody reach these folders: one above them that is closed is replaced by one that has nothing else."""
    closed: dict[Path, list[Path]] = {}
    for each in needed:
        for above in reversed(each.parents):
            if not above.stat().st_mode & 0o001:
                closed.setdefault(above, []).append(each)
                break
    for above, folders in closed.items():
        with tempfile.TemporaryDirectory(dir="/var/tmp") as aside:
            kept = [(folder, Path(aside, str(number))) for number, folder in enumerate(folders)]
            for folder, place in kept:
                place.mkdir()
                mount("--bind", folder, place)
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", above)
            for folder, place in kept:
                folder.mkdir(parents=True, mode=0o755)
                mount("--move", place, folder)


def mount(*words: object) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def patient(folder: Path, source: str, driver: str = "strange", eye_user: str = EYE_USER) -> Patient:
    path = folder / "edge-gate.toml"
    camera = {"driver": driver, "source": source}
    text = config.example({"camera": camera, "sockets": {"eye_user": eye_user}})
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o600)  # root's: who looks is given its text
    return Patient(path, config.load(path), None, text=text)


def exchanged(folder: Path) -> Patient:
    """Return one whose configuration leads to another file by now, as the user could do who wrote it."""
    which = patient(folder, str(folder / "open"), "replay")
    which.path.unlink()
    which.path.symlink_to(folder / "store.key")
    return which


def look(which: Patient, patience_s: float = 60.0) -> dict[str, Any]:
    (found,) = check_camera(which, patience_s)
    return asdict(found)


def seen_from_outside(which: Patient) -> dict[str, str]:
    """Return what the kernel says of the process that looks, once it is sealed."""
    looked: list[Finding] = []
    looking = threading.Thread(target=lambda: looked.extend(check_camera(which, 20.0)))
    looking.start()
    try:
        for fields in watched(which.path):
            if fields.get("Seccomp") == "2":
                return fields
        return {}
    finally:
        looking.join()


def watched(path: Path) -> Iterator[dict[str, str]]:
    for _ in range(400):
        for each in Path("/proc").glob("[0-9]*"):
            try:
                words = (each / "cmdline").read_bytes().split(b"\0")
                lines = (each / "status").read_text().splitlines()
            except OSError:  # it has ended
                continue
            if b"edge_gate.eye.glance" in words and os.fsencode(path) in words:
                yield {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        time.sleep(0.05)


def main() -> None:
    """Look in each way, and tell."""
    open_up([CHECKOUT, Path(sys.prefix), Path(sys.base_prefix)])
    # The packages lie where the eye's policy lets it read, which a real installation's do by themselves.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made, tempfile.TemporaryDirectory(dir="/dev/shm") as packages:
        folder = Path(made)
        folder.chmod(0o755)
        Path(packages).chmod(0o755)
        os.environ["PYTHONPATH"] = str(install(Path(packages, "python")))
        (folder / "closed").mkdir(mode=0o700)
        for name in ("edge-gate.db", "store.key"):
            (folder / name).write_bytes(b"x")
            (folder / name).chmod(0o600)
        for place in ("open", "closed"):
            (folder / place).mkdir(exist_ok=True)
            cv2.imwrite(str(folder / place / "one.png"), np.full((48, 64, 3), 51, np.uint8))
        told = {
            "spy": look(patient(folder, f"spy {folder}")),
            "outside": seen_from_outside(patient(folder, "hang")),
            "crash": look(patient(folder, "crash")),
            "picture": look(patient(folder, str(folder / "open"), "replay")),
            "closed": look(patient(folder, str(folder / "closed"), "replay")),
            "unnamed": look(patient(folder, str(folder / "closed"), "replay", "")),
            "unnamed spy": look(patient(folder, f"spy {folder}", eye_user="")),
            "exchanged": look(exchanged(folder)),
            "root named": look(patient(folder, f"spy {folder}", eye_user="root")),
        }
        sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
