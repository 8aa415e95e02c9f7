# SPDX-License-Identifier: Apache-2.0
"""The eye-region model alone, beside its own float32 form and whole-face SFace in float32: one call each, in turn.

In turn, so that other work on the machine is as unfair to one as to the other, and none finds the caches as it left
them. Only the networks are timed; each is handed its input ready made.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import EdgeGateError, ExtraMissing
from edge_gate.eye.face.align import network_input
from edge_gate.eye.face.geometry import cut, fit
from edge_gate.eye.face.mesh import TEMPLATE
from edge_gate.eye.pipeline import acquire, open_models
from edge_gate.eye.runtime import TfliteModel, verify_model
from edge_gate.settings.config import LivenessSettings, ModelSettings, QualityLimits
from edge_gate.tools.bench import sface
from edge_gate.tools.bench.float_form import float_form
from edge_gate.tools.bench.frames import Picture
from edge_gate.tools.bench.timing import Stopwatch, Timing, one_thread

SHOWN: Final = 8  # different pictures of the face
WARM_UP: Final = 3
_MIDDLE: Final = 128


@dataclass(frozen=True, slots=True)
class AloneTimes:
    """``model`` as it is shipped, in numbers of type ``form``; ``float_form`` the same network in float32, and
    ``cosine`` how alike the two are on the same strips (mean cosine of their outputs, 1 for the same); ``sface`` the
    whole face in float32, None where the extra `bench` is not installed."""

    form: str
    model: Timing
    float_form: Timing
    cosine: float
    sface: Timing | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with the ratios of all that was measured."""
        others = {"float_form": self.float_form, "sface": self.sface}
        return {**asdict(self), "ratio": {name: self.ratio(other) for name, other in others.items() if other}}

    def ratio(self, other: Timing) -> dict[str, float]:
        """Return how many times longer the other takes, by the medians, in processor time and in wall time."""
        model = self.model
        return {"cpu": other.cpu_p50_ms / model.cpu_p50_ms, "wall": other.wall_p50_ms / model.wall_p50_ms}


@dataclass(frozen=True, slots=True)
class Contender:
    """A network, the inputs that it is shown, and the number in its output that stands for 0."""

    run: Callable[[Any], NDArray[Any]]
    inputs: list[NDArray[Any]]
    zero_point: int = 0

    def embeddings(self) -> NDArray[np.float64]:
        """Return unit vectors, one a row, of all inputs."""
        found = np.array([self.run(each).ravel() for each in self.inputs], np.float64) - self.zero_point
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float64)


def measure_alone(settings: ModelSettings, frames: list[Picture], rounds: int, peer: bool = True) -> AloneTimes:
    """Run all contenders ``rounds`` times, in turn and in one thread, on a face from these frames.

    Raises EdgeGateError where no face was found in a frame.
    """
    with one_thread():
        field = contenders(settings, frames[:: max(1, len(frames) // SHOWN)], peer)
        watches = {name: Stopwatch() for name in field}
        for k in range(WARM_UP + rounds):
            for name, each in field.items():
                watches[name].call(partial(each.run, each.inputs[k % len(each.inputs)]))
        times = {name: watch.timing(WARM_UP) for name, watch in watches.items()}
        form = field["model"].inputs[0].dtype.name
        alike = (field["model"].embeddings() * field["float_form"].embeddings()).sum(axis=1).mean()
        return AloneTimes(form, times["model"], times["float_form"], float(alike), times.get("sface"))


def contenders(settings: ModelSettings, frames: list[Picture], peer: bool) -> dict[str, Contender]:
    """Return all that are to be measured, with the same face for each. SFace only if it is wanted and installed."""
    settings = replace(settings, threads=1)
    eyes, faces = _seen(settings, frames)
    content = verify_model(settings, settings.eyes)[1]
    field = {}
    for name, form in (("model", content), ("float_form", float_form(content))):
        model = TfliteModel(settings.eyes, form, threads=1)
        inputs = [_taken(model, each) for each in eyes]
        field[name] = Contender(partial(_embed, model), inputs, model.outputs[0].zero_point)
    if peer:
        with suppress(ExtraMissing):
            field["sface"] = Contender(sface.SFace(), [sface.taken(each) for each in faces])
    return field


def _seen(settings: ModelSettings, frames: list[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Return what the eye-region model is shown of each frame (48 x 112), and the whole face (112 x 112), BGR."""
    models, limits = open_models(settings, LivenessSettings()), QualityLimits()
    eyes, faces = [], []
    for frame in frames:
        found = acquire(models, frame, limits)
        if found is None:
            raise EdgeGateError("The benchmark cannot run: no face in its own pictures.")
        eyes.append(network_input(found.strip))
        faces.append(cut(frame, fit(found.mesh.five, TEMPLATE), sface.SIDE, sface.SIDE))
    return eyes, faces


def _taken(model: TfliteModel, eyes: Picture) -> NDArray[Any]:
    """Return pixels less 128 as the model takes them: as they are, or in the integers that stand for them."""
    values = eyes[None].astype(np.float32) - _MIDDLE
    wanted = model.input
    if wanted.scale > 0:
        limits = np.iinfo(wanted.dtype)
        values = np.clip(np.rint(values / wanted.scale) + wanted.zero_point, limits.min, limits.max)
    return values.astype(wanted.dtype)


def _embed(model: TfliteModel, value: NDArray[Any]) -> NDArray[Any]:
    return model(value)[0]
