# SPDX-License-Identifier: Apache-2.0
"""The pipeline that face_recognition and howdy use, on the same frames: dlib's HOG face detector (one upsampling, as
both ask for by default), its five-point shape predictor, and its ResNet face descriptor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import cv2

from edge_gate.core.errors import ExtraMissing
from edge_gate.tools.bench.frames import Picture
from edge_gate.tools.bench.timing import Stopwatch, Timing


@dataclass(frozen=True, slots=True)
class PeerTimes:
    """Times per frame, and in how many frames the peer found a face at all."""

    detect: Timing
    embed: Timing
    whole: Timing
    found: int


class DlibPipeline:
    """The peer. Raises ExtraMissing('bench') where it is not installed."""

    def __init__(self) -> None:
        try:
            dlib: Any = import_module("dlib")
            weights: Any = import_module("face_recognition_models")
        except ImportError as error:
            raise ExtraMissing("bench") from error
        self._detect: Callable[..., Any] = dlib.get_frontal_face_detector()
        self._points: Callable[..., Any] = dlib.shape_predictor(weights.pose_predictor_five_point_model_location())
        self._embed: Any = dlib.face_recognition_model_v1(weights.face_recognition_model_location())

    def times(self, frames: list[Picture], warm_up: int = 1) -> PeerTimes:
        """Run the whole pipeline on each frame and time it."""
        detect, embed, whole = Stopwatch(), Stopwatch(), Stopwatch()
        found = sum(whole.call(partial(self._one, frame, detect, embed)) for frame in frames)
        return PeerTimes(detect.timing(warm_up), embed.timing(warm_up), whole.timing(warm_up), found)

    def _one(self, frame: Picture, detect: Stopwatch, embed: Stopwatch) -> bool:
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        faces = detect.call(lambda: self._detect(rgb, 1))
        for face in faces:
            embed.call(partial(self._describe, rgb, face))
        return len(faces) > 0

    def _describe(self, rgb: Any, face: Any) -> Any:
        return self._embed.compute_face_descriptor(rgb, self._points(rgb, face))
