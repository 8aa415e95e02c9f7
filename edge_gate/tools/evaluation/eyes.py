# SPDX-License-Identifier: Apache-2.0
"""The gate's own pipeline, as an evaluation uses it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import CardError, ModelMissing
from edge_gate.eye.embed import Embedder
from edge_gate.eye.pipeline import Models, acquire, open_models
from edge_gate.eye.runtime import TfliteModel, verify_model
from edge_gate.rules.comparison import unit_vector
from edge_gate.settings.config import Config, LivenessSettings
from edge_gate.settings.liveness import OFF
from edge_gate.tools.evaluation.acquire import Seen
from edge_gate.tools.evaluation.data import Picture
from edge_gate.wire.eye import AcquisitionFailure


class PipelineEyes:
    """Models and quality limits of a configuration; ``model`` takes another eye-region model, whose card lies beside
    it. ``card`` is that of the model in use. Raises ModelError or one of its kinds.

    Embeddings make the same way as at the gate: through the int8 of a sighting. So a score here is a score there.
    """

    def __init__(self, settings: Config, model: Path | None = None) -> None:
        if model is not None and not model.is_file():
            raise ModelMissing(model)
        source, name = settings.models, settings.models.eyes
        if model is not None:
            source, name = replace(source, folder=model.parent.absolute()), model.stem
        self.card, content = verify_model(source, name)
        if model is not None and self.card.model_path.name != model.name:
            raise CardError(self.card.path, f"it describes {self.card.model_path.name}, not {model.name}")
        self._settings = settings
        self._embedder = Embedder(name, TfliteModel(name, content, settings.models.threads), self.card.model_id)

    @cached_property
    def _models(self) -> Models:
        """The rest of the pipeline, which strips do not need."""
        return replace(open_models(self._settings.models, LivenessSettings(OFF)), embedder=self._embedder)

    def of_picture(self, picture: Picture) -> Seen | None:
        """Find the largest face, cut its strip and embed it, good enough for the gate or not."""
        found = acquire(self._models, picture, self._settings.quality)
        if found is None:
            return None
        refusal = None if found.refusal is AcquisitionFailure.NONE else found.refusal.name.lower().replace("_", " ")
        return Seen(unit_vector(found.embedding or self._embedder.embed(found.strip)), refusal)

    def of_strip(self, strip: Picture) -> NDArray[np.float32]:
        """Embed a strip that was cut already."""
        return unit_vector(self._embedder.embed(strip))
