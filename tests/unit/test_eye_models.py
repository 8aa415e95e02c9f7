# SPDX-License-Identifier: Apache-2.0
"""No model is run that its card does not answer for, and none keeps the picture it was shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_gate.core.errors import CardError, ModelAltered, ModelError, ModelMissing
from edge_gate.eye.face.detect import Detector
from edge_gate.eye.face.lids import EyeLids
from edge_gate.eye.face.mesh import TEMPLATE, FaceMesh
from edge_gate.eye.pipeline import open_models
from edge_gate.eye.runtime import TfliteModel, verify_model
from edge_gate.provenance import cards
from edge_gate.settings.config import ModelSettings
from tests.support.eye_scenes import MODELS_FOLDER

NAME = "face_landmark"
USED = (ModelSettings().eyes, ModelSettings().detector, ModelSettings().mesh, ModelSettings().lids)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in MODELS_FOLDER.iterdir():
        if file.suffix in (".toml", ".minisig", ".tflite", ".onnx"):
            shutil.copy(file, tmp_path)
    return tmp_path


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_shipped_models_open() -> None:
    models = open_models(ModelSettings())
    assert models.embedder.dimensions <= 256
    assert len(models.embedder.model_id) == 8


@pytest.mark.parametrize("name", USED)
def test_a_model_without_its_card_is_not_opened(folder: Path, name: str) -> None:
    (folder / f"{name}.toml").unlink()
    with pytest.raises(CardError):
        open_models(ModelSettings(folder=folder))


@pytest.mark.parametrize("name", USED)
def test_a_model_with_one_bit_changed_is_not_opened(folder: Path, name: str) -> None:
    alter(cards.read(ModelSettings(folder=folder), name).model_path)
    with pytest.raises(ModelAltered):
        open_models(ModelSettings(folder=folder))


def test_a_card_without_a_model_is_told(folder: Path) -> None:
    (folder / f"{NAME}.tflite").unlink()
    with pytest.raises(ModelMissing):
        verify_model(ModelSettings(folder=folder), NAME)


def test_a_file_exchanged_behind_the_check_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = cards.read

    def read_then_exchange(settings: ModelSettings, name: str) -> cards.Card:
        card = read(settings, name)
        alter(card.model_path)
        return card

    monkeypatch.setattr(cards, "read", read_then_exchange)
    with pytest.raises(ModelAltered):
        verify_model(ModelSettings(folder=folder), NAME)


def test_a_file_that_is_no_network_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="nonsense"):
        TfliteModel("nonsense", b"not a network" * 100)
    with pytest.raises(ModelError, match="nonsense"):
        Detector("nonsense", b"not a network" * 100)


def test_a_model_in_the_place_of_another_is_refused() -> None:
    mesh = TfliteModel(NAME, verify_model(ModelSettings(), NAME)[1])
    iris = TfliteModel("iris_landmark", verify_model(ModelSettings(), "iris_landmark")[1])
    with pytest.raises(ModelError, match="not the 468-point mesh"):
        FaceMesh("iris_landmark", iris)
    with pytest.raises(ModelError, match="not the iris model"):
        EyeLids(NAME, mesh)


class Watched(TfliteModel):
    """A model that shows what it was given last."""

    shown: NDArray[Any]

    def __call__(self, value: NDArray[Any]) -> list[NDArray[Any]]:
        self.shown = value.copy()
        return super().__call__(value)


@pytest.mark.parametrize("name,look", [
    (NAME, lambda net, bgr: FaceMesh(NAME, net).acquire(bgr, TEMPLATE * 2)),
    ("iris_landmark", lambda net, bgr: EyeLids("iris_landmark", net).openness(bgr[:72, :160])),
])  # fmt: skip
def test_the_networks_see_red_as_red_though_cameras_say_blue_first(name: str, look: Callable[..., object]) -> None:
    net = Watched(name, verify_model(ModelSettings(), name)[1])
    look(net, np.broadcast_to(np.array([20, 100, 200], np.uint8), (240, 240, 3)).copy())
    middle = net.shown.shape[1] // 2
    assert net.shown.dtype == np.float32
    assert net.shown[0, middle, middle] == pytest.approx(np.array([200, 100, 20]) / 255, abs=0.01)


def test_the_picture_is_wiped_from_a_network_after_each_run() -> None:
    model = TfliteModel(NAME, verify_model(ModelSettings(), NAME)[1])
    picture = np.random.default_rng(0).random(model.input.shape, np.float32)
    first = model(picture)
    assert not model._interpreter.get_tensor(model.input.index).any()
    assert all(np.array_equal(a, b) for a, b in zip(first, model(picture), strict=True))
