# SPDX-License-Identifier: Apache-2.0
"""An installed package with camera drivers that do what a driver must not. ``camera.source`` says what."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DRIVER: Final = """
import errno, json, os, signal, socket, sys, time
import numpy as np
from edge_gate.core.errors import CameraError
from edge_gate.eye.cameras.base import Frame

class Camera:
    pins = True

    def identify(self):
        return self.what.removeprefix("i am ") if self.what.startswith("i am ") else ""

    def __init__(self, settings, clock):
        self.what = settings.source
        self.clock = clock

    def read(self, timeout_s):
        answer = int(sys.argv[2])
        match self.what.split():
            case ["raise"]:
                raise ValueError("numpy.dtype size changed")
            case ["crash"]:
                crash()
            case ["abort"]:
                os.abort()
            case ["leave"]:
                os._exit(3)
            case ["hang"]:
                time.sleep(3600)
            case ["nothing"]:
                return None
            case ["seven"]:
                return 7
            case ["eat"]:
                return bytearray(2 * 1024**3)
            case ["eat", "shared"]:
                return [shared_memory() for _ in range(64)]
            case ["eat", "files"]:
                return [memory_file() for _ in range(4096)]
            case ["answer", "itself"]:
                os.write(answer, b"{'width': 640}\\n")
                os._exit(0)
            case ["half", "an", "answer"]:
                os.write(answer, b'{"width": 640')
                os._exit(0)
            case ["flood", "the", "answer"]:
                while True:
                    os.write(answer, b"x" * 65536)
            case ["babble"]:
                for _ in range(20000):
                    print("VIDIOC_QBUF: no such device " * 4)
                    print("corrupt JPEG data " * 4, file=sys.stderr)
            case ["spy", folder]:
                raise CameraError("x", "spied: " + json.dumps(spied(folder)))
        return Frame(np.full((48, 64, 3), 51, np.uint8), self.clock.monotonic_ns())

    def close(self):
        pass

def crash():
    import ctypes
    ctypes.string_at(0)

def shared_memory():
    import ctypes
    if ctypes.CDLL(None, use_errno=True).shmget(0, 64 * 1024**2, 0o1600) == -1:
        raise OSError(ctypes.get_errno(), "shmget")

def memory_file():
    made = os.memfd_create("x")
    os.write(made, bytes(3 * 1024**2))
    try:
        os.ftruncate(made, 64 * 1024**2)
    except OSError as error:
        assert error.errno == errno.EFBIG
    return made

def tried(what):
    try:
        what()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"

def spied(folder):
    tries = {
        "store": lambda: open(folder + "/edge-gate.db", "rb"),
        "key": lambda: open(folder + "/store.key", "rb"),
        "write here": lambda: open(folder + "/picture", "wb"),
        "write in /tmp": lambda: open("/tmp/picture-of-the-doctor", "wb"),
        "network": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "program": lambda: os.execv("/bin/true", ["true"]),
    }
    return {
        "refused": {name: tried(what) for name, what in tries.items()},
        "environment": sorted(os.environ),
        "keys": sorted(name for name in sys.modules if name.startswith(("edge_gate.store", "sqlcipher3"))),
        "user": os.getresuid(), "groups": os.getgroups(),
    }
"""


def install(folder: Path) -> Path:
    """Install the package into a folder for PYTHONPATH, and return the folder."""
    information = folder / "strange_cameras-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-cameras\nVersion: 1\n")
    points = "[edge_gate.cameras]\nstrange = strange_cameras:Camera\nbroken = broken_cameras:Camera\n"
    (information / "entry_points.txt").write_text(points)
    (folder / "strange_cameras.py").write_text(DRIVER)
    (folder / "broken_cameras.py").write_text("raise ValueError('numpy.dtype size changed')\n")
    return folder
