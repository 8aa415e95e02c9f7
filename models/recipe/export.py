# SPDX-License-Identifier: Apache-2.0
"""A checkpoint as int8 TFLite: `python -m recipe.export CONFIG --data FOLDER --run FOLDER --to MODEL.tflite`.

The input is int8, (1, 48, 112, 3), BGR, and its quantization is exactly pixel - 128 (scale 1, zero point 0). The
output is int8, (1, 128), zero point 0: comparing by cosine needs no scale.
"""

from __future__ import annotations

import argparse
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe

from recipe.config import Config, load
from recipe.fold import FoldedNet, MirroredNet
from recipe.sface import HEIGHT, WIDTH, EyeNet
from recipe.strips import Floats, Pictures, add_data, load_folders
from recipe.train import whole_pictures
from recipe.validation import Embed


def trained(run: Path, config: Config) -> EyeNet:
    """The weight average of a run's last checkpoint."""
    net = EyeNet(width=config.width)
    net.load_state_dict(torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["average"])
    return net.eval()


def float_model(net: EyeNet, mirrored: bool, path: Path) -> None:
    folded = MirroredNet(net) if mirrored else FoldedNet(net)
    folded = litert_torch.to_channel_last_io(folded.eval(), args=[0]).eval()
    example = (torch.zeros(1, HEIGHT, WIDTH, 3),)
    litert_torch.convert(folded, example).export(str(path))


def int8_model(float_path: Path, pictures: Pictures, path: Path) -> None:
    """Weights per channel, activations asymmetric, ranges from `pictures`; input and output ranges set so that both
    zero points are 0 and the input's scale is 1."""
    worker = quantizer.Quantizer(str(float_path), recipe.static_wi8_ai8())
    interpreter = Interpreter(str(float_path))
    ((signature, names),) = interpreter.get_signature_list().items()
    (first,), (last,) = interpreter.get_input_details(), interpreter.get_output_details()
    feed = [{names["inputs"][0]: p[None].astype(np.float32) - 128} for p in pictures]
    ranges = worker.calibrate({signature: feed}, num_threads=1)
    set_range(ranges[first["name"]], 1.0)
    set_range(ranges[last["name"]], max(float(np.abs(ranges[last["name"]][end]).max()) for end in ("min", "max")) / 127)
    path.unlink(missing_ok=True)
    worker.quantize(ranges).export_model(str(path))


def set_range(ends: MutableMapping[str, Any], scale: float) -> None:
    """-128 to 127 steps of `scale`: zero point 0."""
    for end, steps in (("min", -128), ("max", 127)):
        ends[end] = np.full_like(ends[end], steps * scale)


class LiteRt:
    """A TFLite model, float or int8, one thread."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.interpreter = Interpreter(str(path), num_threads=threads)
        self.interpreter.allocate_tensors()
        (self.input,), (self.output,) = self.interpreter.get_input_details(), self.interpreter.get_output_details()

    def __call__(self, picture: Pictures) -> Floats:
        """(48, 112, 3) uint8 to (128,): int8 steps from the zero point, or floats."""
        x = (picture.astype(np.int16) - 128).astype(self.input["dtype"])
        self.interpreter.set_tensor(self.input["index"], x[None])
        self.interpreter.invoke()
        y: Floats = self.interpreter.get_tensor(self.output["index"])[0].astype(np.float32)
        return y

    def embedder(self) -> Embed:
        return lambda pictures: np.stack([self(p) for p in pictures])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    add_data(parser)
    parser.add_argument("--run", type=Path, required=True, help="the trainer's --out folder")
    parser.add_argument(
        "--to", type=Path, required=True, help="the int8 model; the float one goes into the run's folder"
    )
    args = parser.parse_args()
    config = load(args.config)
    float_path = args.run / f"{config.name}.float.tflite"
    float_model(trained(args.run, config), config.mirrored, float_path)
    int8_model(float_path, np.concatenate(whole_pictures(load_folders(args.data), config, 8)), args.to)
    print(args.to, args.to.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
