# SPDX-License-Identifier: Apache-2.0
"""A quantized .tflite in float32: the same operators and the same numbers, without the rounding.

What int8 is worth in time can only be told beside the same network in float32. It is written here from the shipped
bytes, so that nobody has to keep or fetch four times as many: each quantized tensor becomes float32, each constant
``(stored - zero_point) * scale`` (per channel where the tensor says so), and what only changes the scale is left out.
For measuring; the eye never runs it.
"""

from __future__ import annotations

from typing import Any, Final

import flatbuffers  # type: ignore[import-untyped]  # ai-edge-litert installs it, and has the schema
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edge_gate.core.errors import ModelError

# How each type that stands for real numbers is stored (little-endian, whatever the machine).
_STORED: Final = {
    schema.TensorType.INT8: "<i1",
    schema.TensorType.UINT8: "<u1",
    schema.TensorType.INT16: "<i2",
    schema.TensorType.INT32: "<i4",
    schema.TensorType.INT64: "<i8",
}
_RESCALING: Final = (schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE)
_FILE_IDENTIFIER: Final = b"TFL3"


def float_form(content: bytes) -> bytes:
    """Return the float32 form of a model (.tflite). One that is not quantized comes back the same in effect.

    Raises ModelError for quantized tensors of a type that is not known here.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    stored = [_bytes_of(buffer, content) for buffer in model.buffers]
    model.buffers = [schema.BufferT()]  # number 0 is by convention the empty one
    model.metadata = model.metadataBuffer = None  # how the original was made; it points into its buffers
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = stored[tensor.buffer]
            if is_quantized(tensor):
                data = _make_float(tensor, data)
            tensor.buffer = _add(model, data)
    for number, graph in enumerate(model.subgraphs):
        signatures = [each for each in model.signatureDefs or [] if each.subgraphIndex == number]
        _leave_out_rescaling(model, graph, signatures)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def is_quantized(tensor: Any) -> bool:
    """Return whether a tensor's integers stand for real numbers (a shape's, for one, do not)."""
    how = tensor.quantization
    return how is not None and how.scale is not None and len(how.scale) > 0


def dequantized(tensor: Any, data: bytes) -> NDArray[np.float32]:
    """Return the real numbers, float32 in the tensor's shape, that the bytes of a quantized constant stand for."""
    how = tensor.quantization
    values = np.frombuffer(data, _STORED[tensor.type]).reshape(tensor.shape)
    along = [1] * values.ndim
    if len(how.scale) > 1:
        along[how.quantizedDimension] = len(how.scale)
    scale = np.asarray(how.scale, np.float64).reshape(along if values.ndim else ())
    zero = 0 if how.zeroPoint is None else np.asarray(how.zeroPoint, np.float64).reshape(scale.shape)
    return np.asarray((values - zero) * scale, np.float32)


def _bytes_of(buffer: Any, content: bytes) -> bytes:
    """Return a buffer's bytes, which lie inside the table or, in newer files, behind it in the same file."""
    if buffer.offset > 1:  # 0 and 1 say that there is none (schema.fbs)
        return content[buffer.offset : buffer.offset + buffer.size]
    return b"" if buffer.data is None else bytes(buffer.data)


def _add(model: Any, data: bytes) -> int:
    """Give the model a buffer and return its number; 0 for what is no constant."""
    if not data:
        return 0
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _make_float(tensor: Any, data: bytes) -> bytes:
    if tensor.type not in _STORED:
        raise ModelError(tensor.name.decode(), f"quantized tensors of type {tensor.type} have no float form here")
    floats = dequantized(tensor, data).astype("<f4").tobytes() if data else b""
    tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    return floats


def _leave_out_rescaling(model: Any, graph: Any, signatures: list[Any]) -> None:
    """Take out what turned one scale into another, and let its readers read what it read: both are float32 now."""
    stands_for: dict[int, int] = {}
    kept = []
    for operator in graph.operators:
        operator.inputs = [stands_for.get(each, each) for each in operator.inputs]
        if _is_rescaling(model, graph, operator):
            stands_for[operator.outputs[0]] = operator.inputs[0]
        else:
            kept.append(operator)
    graph.operators = kept
    graph.outputs = [stands_for.get(each, each) for each in graph.outputs]
    for output in (each for signature in signatures for each in signature.outputs or []):
        output.tensorIndex = stands_for.get(output.tensorIndex, output.tensorIndex)


def _is_rescaling(model: Any, graph: Any, operator: Any) -> bool:
    code = model.operatorCodes[operator.opcodeIndex]
    # The older, smaller of the two fields is all that older files fill in.
    if max(code.builtinCode, code.deprecatedBuiltinCode) not in _RESCALING:
        return False
    ends = (operator.inputs[0], operator.outputs[0])
    return all(graph.tensors[each].type == schema.TensorType.FLOAT32 for each in ends)
