# SPDX-License-Identifier: Apache-2.0
"""One look through the camera for `edge-gate doctor`, in a process that has no rights, no store and no key.

It is started with the configuration's path, which it does not open, the descriptor for its answer, the section of the
camera, and what is asked: a picture, or, where the eye has the camera, only which camera it is. Standard input is the
configuration's text. It seals itself as the eye does, before any library sees a byte of a camera. Its answer is a line
(edge_gate.wire.glance).
"""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from edge_gate.core.ending import understand
from edge_gate.settings import config
from edge_gate.settings.config import CameraSettings, Config
from edge_gate.wire.glance import PICTURE, Glance, encode

PATIENCE_S: Final = 5.0
# A driver that eats memory ends itself, and not the gate beside it. A file in memory is no data: there are at most so
# many, each so long. Camera libraries need some.
_LIMITS: Final = (
    (resource.RLIMIT_DATA, 1024 * 1024 * 1024),
    (resource.RLIMIT_FSIZE, 4 * 1024 * 1024),
    (resource.RLIMIT_NOFILE, 256),
)
_FIRST_TO_GO: Final = "1000"


def main() -> None:
    """Look, answer, and end at once: a driver's thread may hang."""
    path, answer, (section, asked) = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    try:
        os.set_inheritable(answer, False)
        glance = _look(config.parse(sys.stdin.buffer.read().decode("utf-8-sig"), path), section, asked)
    except Exception as error:  # whatever a camera's library raises
        glance = Glance(fault=str(understand(error)))
    os.write(answer, encode(glance))
    os._exit(0)


def _look(settings: Config, section: str, asked: str) -> Glance:
    from edge_gate.seal import enforce, policy

    _stay_small()
    enforce(policy.eye(settings), settings.seal.required)
    return _through(settings.infrared if section == settings.infrared.section else settings.camera, asked)


def _stay_small() -> None:
    """Bound what a driver may use, and where memory is short all the same, be what the kernel ends first."""
    for limit, most in _LIMITS:
        allowed = resource.getrlimit(limit)[1]
        bound = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(limit, (bound, bound))
    with suppress(OSError):  # a sandbox may have no such file
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def _through(settings: CameraSettings, asked: str) -> Glance:
    from edge_gate.eye.cameras import open_camera  # inside the walls, with the libraries that it loads

    camera = open_camera(settings)
    identity = camera.identify()
    frame = camera.read(PATIENCE_S) if asked == PICTURE else None
    if frame is None:
        return Glance(identity=identity)
    height, width = frame.bgr.shape[:2]
    return Glance(width, height, float(frame.bgr.mean() / 255), identity=identity)


if __name__ == "__main__":
    main()
