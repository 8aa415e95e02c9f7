# SPDX-License-Identifier: Apache-2.0
"""The sections [camera] and [infrared]: a camera, and a second one with an infrared lamp."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final, Self

from edge_gate.settings.setting import anchor, setting

# Words that may stand before the path of a recording (edge_gate.eye.cameras.replay).
REPLAY_WORDS: Final = ("fast", "loop")


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Where pictures come from; they stay in the eye's memory for one iteration."""

    section: ClassVar[str] = "camera"

    driver: str = setting("v4l2", "an installed camera driver: v4l2, picamera2, replay")
    source: str = setting(
        "/dev/edge-gate-camera",
        "device or its number, libcamera's number, film or folder, as the driver understands it; of a driver that is"
        " not edge-gate's a path is whole",
    )
    pinned: str = setting(
        "",
        "which camera it has to be, as `edge-gate doctor` shows it, such as 'uvcvideo usb-0000:01:00.0-1.2 046d:0825';"
        " another one is refused; empty for any, but none whose pictures come from a program",
    )
    width: int = setting(640, "pixels", low=160, high=4096)
    height: int = setting(480, "pixels", low=120, high=4096)
    fps: int = setting(15, "pictures a second to ask for", low=1, high=60)
    rotate_deg: int = setting(0, "how far the camera is mounted turned, clockwise", one_of=(0, 90, 180, 270))
    stall_s: float = setting(2.0, "no picture for this long is a fault", low=0.5, high=60)

    @property
    def name(self) -> str:
        """Which camera this is, for whoever asks whether it was ever measured."""
        return f"{self.driver} {self.source} {self.width}x{self.height}"

    @property
    def recording(self) -> bool:
        """Whether its pictures are a film's or a folder's, so that there is no camera."""
        return self.driver == "replay"

    def anchored(self, folder: Path) -> Self:
        """Return the settings with ``source`` taken from a folder, where it is a relative path."""
        if self.recording:
            recording = parse_recording(self.source)
            return replace(self, source=":".join((*recording.words, anchor(recording.path, folder))))
        if self.driver == "v4l2" and not self.source.isdecimal():
            return replace(self, source=anchor(self.source, folder))
        return self


@dataclass(frozen=True, slots=True)
class InfraredSettings(CameraSettings):
    """A second camera beside the first, for the near infrared. Not proven: it was tried on simulated pictures alone."""

    section: ClassVar[str] = "infrared"

    driver: str = setting("", "an installed camera driver; empty where there is no infrared camera (not proven)")
    source: str = setting("/dev/edge-gate-infrared", "device or its number, or libcamera's number")
    lamp: str = setting(
        "steady", "whether its lamp is on all the time, or for every second picture", one_of=("steady", "strobes")
    )


@dataclass(frozen=True, slots=True)
class RecordingSource:
    """A film or a folder of pictures, and how it is played: ``words`` are some of REPLAY_WORDS."""

    words: tuple[str, ...]
    path: Path


def parse_recording(source: str) -> RecordingSource:
    """Split ``camera.source`` of a recording. Words end at the first part that is none: a path may have colons."""
    words: list[str] = []
    word, colon, rest = source.partition(":")
    while colon and word in REPLAY_WORDS:
        words.append(word)
        source = rest
        word, colon, rest = source.partition(":")
    return RecordingSource(tuple(words), Path(source))
