# SPDX-License-Identifier: Apache-2.0
"""The eye with leaks in it, without the walls that would stop some of them: the control that the canary must catch.

python -m tests.canary.leaky LEAKS --config FILE
"""

from __future__ import annotations

import base64
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from edge_gate.eye import program, service
from edge_gate.eye.face.geometry import Picture
from edge_gate.eye.pipeline import Observation, Perception
from edge_gate.seal import Hardening, Sealed

LEAKS = ("frame", "small", "jpeg", "zlib", "float", "file", "stderr", "sightings")


class LeakyPerception(Perception):
    """Keeps or tells what it sees, once, by each of the leaks that are asked for."""

    leaks: tuple[str, ...] = ()
    folder = Path()

    def see(self, picture: Picture, captured_ns: int) -> Observation | None:
        """See as the eye does, and leak."""
        seen = super().see(picture, captured_ns)
        if seen is None or not seen.embedding:
            return seen
        state = self.__dict__
        small = cv2.resize(picture, (64, 48), interpolation=cv2.INTER_AREA)
        if "kept" not in state:
            state["kept"] = [self._leak(name, picture, small) for name in self.leaks]
            state["rest"] = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).tobytes()
        if "sightings" in self.leaks and state["rest"]:
            part, state["rest"] = state["rest"][:128], state["rest"][128:]
            seen = replace(seen, embedding=part)
        return seen

    def _leak(self, name: str, picture: Picture, small: Any) -> object:
        match name:
            case "frame":
                return picture.copy()
            case "small":
                return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
            case "jpeg":
                return cv2.imencode(".jpg", picture)[1].tobytes()
            case "zlib":
                return zlib.compress(small.tobytes())
            case "float":
                return (cv2.resize(picture, (160, 120), interpolation=cv2.INTER_AREA) / 255).astype("float32")
            case "file":
                cv2.imwrite(str(self.folder / "harmless.bin.png"), small)
            case "stderr":
                print("DEBUG", base64.b64encode(small.tobytes()).decode(), file=sys.stderr, flush=True)
        return None


def main() -> None:
    """Run the eye with the leaks that the first argument names, separated by commas."""
    leaks, *arguments = sys.argv[1:]
    LeakyPerception.leaks = tuple(leaks.split(","))
    LeakyPerception.folder = Path(arguments[-1]).parent
    service.__dict__["Perception"] = LeakyPerception
    service.__dict__["enforce"] = lambda *_: Sealed(Hardening(0))
    sys.exit(program.run(arguments))


if __name__ == "__main__":
    main()
