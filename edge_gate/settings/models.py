# SPDX-License-Identifier: Apache-2.0
"""The section [models], and the key that signs the models of edge-gate itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_gate.settings.setting import setting

# The key that signs the cards of the models that come with edge-gate (models/README.md).
RELEASE_KEY: Final = "RWSRmuZUU7l7NrREeaRWpL/AR8sKR7lnkqzHUOwB9wBe+c1c8b3JRB/s"

# The settings that name a model, the eye-region model first.
MODELS: Final = ("eyes", "detector", "mesh", "lids", "liveness")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which models the eye loads; each needs a provenance card beside it, and the card a signature."""

    folder: Path = setting(Path(), "where the models are; empty for those installed with edge-gate")
    eyes: str = setting("eyes-sface-48x112", "the eye-region model")
    detector: str = setting("face_detection_yunet_2023mar_int8", "finds a face")
    mesh: str = setting("face_landmark", "the 468-point face mesh")
    lids: str = setting("iris_landmark", "tells open eyes from closed ones")
    liveness: str = setting("liveness-minifasnet-80", "tells a person from a print or a screen")
    threads: int = setting(1, "threads for each model", low=1, high=4)
    trusted_keys: tuple[str, ...] = setting(
        (RELEASE_KEY,),
        "minisign public keys whose signature makes a card good; the default is edge-gate's own, which changes only"
        " with edge-gate",
    )
    allow_unsigned: tuple[str, ...] = setting(
        (), "names of models that load although no trusted key signed their card; told at every start"
    )

    @property
    def used(self) -> dict[str, str]:
        """The name of each model in use, by its setting."""
        return {each: getattr(self, each) for each in MODELS}
