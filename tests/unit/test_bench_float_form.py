# SPDX-License-Identifier: Apache-2.0
"""The float32 form of a quantized network computes the same numbers, without the rounding."""

from __future__ import annotations

from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_gate.core.errors import ModelError
from edge_gate.eye.runtime import TfliteModel, verify_model
from edge_gate.settings import config
from edge_gate.tools.bench.float_form import dequantized, float_form, is_quantized

FLOAT32, INT8, INT32 = schema.TensorType.FLOAT32, schema.TensorType.INT8, schema.TensorType.INT32
WEIGHTS = np.array([[1, 2], [3, -4], [-5, 127]], np.int8)
SCALES = [0.5, 0.25, 2.0]  # one for each output
BIAS = np.array([10, -20, 30], np.int32)
INPUT_SCALE = 0.125


def tensor(
    shape: tuple[int, ...], kind: int, scale: list[float], zero: list[int], dimension: int = 0, buffer: int = 0
) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = b"made by hand", list(shape), kind, buffer
    if scale:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = scale, zero
        made.quantization.quantizedDimension = dimension
    return made


def operator(code: int, inputs: list[int], output: int) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, inputs, [output]
    return made


def dense_model() -> bytes:
    """Float in, quantized, one full layer with a scale for each output, scaled anew, and float out again."""
    biases = [INPUT_SCALE * scale for scale in SCALES]
    model, graph = schema.ModelT(), schema.SubGraphT()
    graph.tensors = [
        tensor((1, 2), FLOAT32, [], []),
        tensor((1, 2), INT8, [INPUT_SCALE], [3]),
        tensor((3, 2), INT8, SCALES, [0, 0, 0], 0, buffer=1),
        tensor((3,), INT32, biases, [0, 0, 0], 0, buffer=2),
        tensor((1, 3), INT8, [4.0], [-7]),
        tensor((1, 3), INT8, [5.0], [2]),
        tensor((1, 3), FLOAT32, [], []),
    ]
    full = operator(1, [1, 2, 3], 4)
    full.builtinOptionsType, full.builtinOptions = (
        schema.BuiltinOptions.FullyConnectedOptions,
        schema.FullyConnectedOptionsT(),
    )
    graph.operators = [operator(0, [0], 1), full, operator(0, [4], 5), operator(2, [5], 6)]
    graph.inputs, graph.outputs = [0], [6]
    kinds = schema.BuiltinOperator
    for kind, version in ((kinds.QUANTIZE, 2), (kinds.FULLY_CONNECTED, 5), (kinds.DEQUANTIZE, 2)):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = version
        model.operatorCodes = [*(model.operatorCodes or []), code]
    buffers = [schema.BufferT() for _ in range(3)]
    buffers[1].data, buffers[2].data = list(WEIGHTS.tobytes()), list(BIAS.astype("<i4").tobytes())
    model.version, model.subgraphs, model.buffers = 3, [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_constants_are_multiplied_out_along_the_dimension_that_has_the_scales() -> None:
    stored = np.arange(-6, 6, dtype=np.int8).reshape(1, 2, 2, 3)
    made = tensor((1, 2, 2, 3), INT8, [1.0, 10.0, 100.0], [0, 1, 2], dimension=3)
    expected = np.stack([stored[..., 0], (stored[..., 1] - 1.0) * 10, (stored[..., 2] - 2.0) * 100], axis=-1)
    assert dequantized(made, stored.tobytes()).tolist() == expected.tolist()


def test_a_single_scale_and_zero_point_hold_for_the_whole_constant() -> None:
    made = tensor((2, 2), INT8, [0.5], [-8])
    assert dequantized(made, bytes([0, 1, 248, 128])).tolist() == [[4.0, 4.5], [0.0, -60.0]]


def test_a_layer_made_by_hand_gives_exactly_what_a_calculation_by_hand_gives() -> None:
    taken = np.array([[0.3, -0.7]], np.float32)  # not on the input's grid of eighths
    (found,) = TfliteModel("dense", float_form(dense_model()))(taken)
    scales = np.array(SCALES)
    expected = (WEIGHTS * scales[:, None]) @ taken[0] + BIAS * scales * INPUT_SCALE
    assert found[0] == pytest.approx(expected, rel=1e-6)
    (rounded,) = TfliteModel("dense", dense_model())(taken)
    assert 0 < np.abs(rounded[0] - expected).max() < 2 * 5.0 + 2 * 0.0625 * 254  # steps of the outputs and the input


def test_only_what_changed_the_scale_is_left_out() -> None:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(float_form(dense_model()), 0))
    (only,) = model.subgraphs[0].operators
    assert model.operatorCodes[only.opcodeIndex].builtinCode == schema.BuiltinOperator.FULLY_CONNECTED


def test_the_shipped_model_keeps_its_operators_and_loses_every_scale() -> None:
    name = config.ModelSettings().eyes
    content = verify_model(config.ModelSettings(), name)[1]
    before, after = (
        schema.ModelT.InitFromObj(schema.Model.GetRootAs(each, 0)) for each in (content, float_form(content))
    )
    rescaling = (schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE)
    kinds = [
        [model.operatorCodes[each.opcodeIndex].builtinCode for each in model.subgraphs[0].operators]
        for model in (before, after)
    ]
    assert kinds[1] == [kind for kind in kinds[0] if kind not in rescaling]
    assert not any(is_quantized(each) or each.type == INT8 for each in after.subgraphs[0].tensors)
    assert TfliteModel(name, float_form(content)).input.dtype == np.float32


def test_a_float_model_stays_the_same_in_effect() -> None:
    once = float_form(dense_model())
    taken = np.array([[0.3, -0.7]], np.float32)
    answers = [TfliteModel("dense", each)(taken)[0].tolist() for each in (once, float_form(once))]
    assert answers[0] == answers[1]


def test_a_quantized_type_that_is_not_known_is_named() -> None:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(dense_model(), 0))
    model.subgraphs[0].tensors[2].type = schema.TensorType.INT4
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(ModelError, match=r"made by hand.*no float form"):
        float_form(bytes(builder.Output()))
