# SPDX-License-Identifier: Apache-2.0
"""Opens models: none without a card that answers for exactly the bytes that are run.

The only place that knows which TFLite runtime is installed.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import ModelAltered, ModelError, ModelMissing
from edge_gate.core.plain_files import read_plain
from edge_gate.eye.quiet_stderr import quiet_stderr
from edge_gate.provenance import cards
from edge_gate.settings.config import ModelSettings

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:  # boards for which there is only the older runtime
    from tflite_runtime.interpreter import Interpreter

_log = logging.getLogger(__name__)


def verify_model(settings: ModelSettings, name: str) -> tuple[cards.Card, bytes]:
    """Read a model that its card answers for. Raises what `cards.read` raises.

    The bytes returned are hashed again: the file could be another by the time it is read a second time. A model that
    loads without a trusted signature is told in the log, every time.
    """
    card = cards.read(settings, name)
    if card.waived:
        _log.warning("the model %s is %s; it is loaded because models.allow_unsigned names it", name, card.waived)
    try:
        content = read_plain(card.model_path, cards.MOST_BYTES)
    except (OSError, ValueError) as error:
        raise ModelMissing(card.model_path) from error
    found, expected = hashlib.sha256(content).hexdigest(), card.fields["sha256"]
    if found != expected:
        raise ModelAltered(name, found, expected)
    return card, content


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output: its place in the interpreter, and how its integers stand for real numbers."""

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


class TfliteModel:
    """One network with one input, run with XNNPACK on ``threads`` threads. Raises ModelError where it is no such."""

    def __init__(self, name: str, content: bytes, threads: int = 1) -> None:
        try:
            with quiet_stderr():
                self._interpreter = Interpreter(model_content=content, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(name, f"the runtime refuses it ({error})") from error
        inputs = [_tensor(each) for each in self._interpreter.get_input_details()]
        if len(inputs) != 1:
            raise ModelError(name, f"it has {len(inputs)} inputs, not one")
        self.input = inputs[0]
        self.outputs = [_tensor(each) for each in self._interpreter.get_output_details()]

    def __call__(self, value: NDArray[Any]) -> list[NDArray[Any]]:
        """Run once and return copies of the outputs. The input is wiped, so no picture waits there for the next."""
        self._interpreter.set_tensor(self.input.index, value)
        self._interpreter.invoke()
        found = [self._interpreter.get_tensor(each.index) for each in self.outputs]
        self._interpreter.tensor(self.input.index)().fill(0)
        return found


def _tensor(details: dict[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    shape = tuple(int(side) for side in details["shape"])
    return Tensor(int(details["index"]), shape, np.dtype(details["dtype"]), float(scale), int(zero_point))
