# SPDX-License-Identifier: Apache-2.0
"""Embeddings: the bytes that leave the eye say the same as the network did."""

from __future__ import annotations

from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_gate.core.errors import ModelError
from edge_gate.eye.embed import Embedder, as_int8
from edge_gate.eye.pipeline import acquire
from edge_gate.eye.runtime import TfliteModel
from tests.support.eye_scenes import LIMITS, Picture, frame, models, sitter

ID = bytes(8)


def tensor(name: str, shape: tuple[int, ...], kind: int, quantized: tuple[float, int] | None, buffer: int) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name.encode(), list(shape), kind, buffer
    if quantized:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [quantized[0]], [quantized[1]]
    return made


def colour_model(
    quantized_in: tuple[float, int] | None = (1.0, 0),
    quantized_out: tuple[float, int] | None = (1.0, 0),
    shape: tuple[int, ...] = (1, 48, 112, 3),
    axes: tuple[int, ...] = (1, 2),
) -> TfliteModel:
    """A network whose whole skill is to name the picture's mean colour: one number each for blue, green and red."""
    kind = schema.TensorType.INT8 if quantized_in else schema.TensorType.FLOAT32
    model, graph, operator, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MEAN
    code.version = 2
    out = tuple(side for axis, side in enumerate(shape) if axis not in axes)
    graph.tensors = [
        tensor("in", shape, kind, quantized_in, 0),
        tensor("axes", (len(axes),), schema.TensorType.INT32, None, 1),
        tensor("out", out, kind, quantized_out if quantized_in else None, 0),
    ]
    operator.inputs, operator.outputs, operator.opcodeIndex = [0, 1], [2], 0
    operator.builtinOptionsType = schema.BuiltinOptions.ReducerOptions
    operator.builtinOptions = schema.ReducerOptionsT()
    graph.inputs, graph.outputs, graph.operators = [0], [2], [operator]
    empty, constant = schema.BufferT(), schema.BufferT()
    constant.data = list(np.array(axes, np.int32).tobytes())
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [empty, constant]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return TfliteModel("colour", bytes(builder.Output()))


def plain(blue: int, green: int, red: int) -> Picture:
    return np.broadcast_to(np.array([blue, green, red], np.uint8), (72, 160, 3)).copy()


@pytest.mark.parametrize("quantized_in", [(1.0, 0), (2.0, 5), None])
@pytest.mark.parametrize("quantized_out", [(1.0, 0), (1.5, -7)])
def test_the_network_gets_bgr_less_128_and_its_steps_are_taken_back(
    quantized_in: tuple[float, int] | None, quantized_out: tuple[float, int]
) -> None:
    embedder = Embedder("colour", colour_model(quantized_in, quantized_out), ID)
    found = embedder.embed_vector(plain(228, 128, 78))
    expected = np.array([100, 0, -50]) / np.hypot(100, 50)
    assert found == pytest.approx(expected, abs=0.02)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_the_bytes_have_exactly_the_networks_direction() -> None:
    embedder = models().embedder
    for who in ("P001", "P005", "P008"):
        seen = acquire(models(), frame(sitter(who), 60), LIMITS)
        assert seen is not None
        vector = embedder.embed_vector(seen.strip)
        packed = np.frombuffer(embedder.embed(seen.strip), np.int8).astype(np.float64)
        assert packed.size == embedder.dimensions
        assert packed @ vector / np.linalg.norm(packed) > 1 - 1e-6
        assert seen.embedding == embedder.embed(seen.strip)


def test_as_int8_never_wraps_around() -> None:
    assert np.frombuffer(as_int8(np.array([-3.0, 1.5, 3.0], np.float32)), np.int8).tolist() == [-127, 64, 127]


def test_the_same_person_is_alike_in_other_pictures_and_a_stranger_is_not() -> None:
    def seen(who: str, kind: str, masked: bool) -> Any:
        found = acquire(models(), frame(sitter(who, kind, masked), 60), LIMITS)
        assert found is not None
        return models().embedder.embed_vector(found.strip)

    for who, stranger in (("P001", "P005"), ("P005", "P008"), ("P008", "P001")):
        enrolled = seen(who, "studio_portrait", masked=False)
        genuine, impostor = (enrolled @ seen(each, "amateur_posture", masked=True) for each in (who, stranger))
        assert genuine > impostor + 0.2


def test_a_model_of_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match=r"\(1, 64, 112, 3\)"):
        Embedder("colour", colour_model(shape=(1, 64, 112, 3)), ID)


def test_a_model_with_more_numbers_than_a_sighting_holds_is_refused() -> None:
    with pytest.raises(ModelError, match="336"):
        Embedder("colour", colour_model(axes=(1,)), ID)


def test_a_network_that_gives_no_direction_is_told_and_not_taken_for_anybody() -> None:
    with pytest.raises(ModelError, match="no direction"):
        Embedder("colour", colour_model(), ID).embed(plain(128, 128, 128))
