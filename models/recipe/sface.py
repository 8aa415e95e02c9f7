# SPDX-License-Identifier: Apache-2.0
"""SFace's trunk, cut to the strip of eyes and brows.

SFace (Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss", 2021; opencv_zoo, 2021dec) is a MobileNet with
PReLUs: 27 convolutions, a 7x7 full layer, 128 numbers. The strip fills rows 18 to 66 of its 112 x 112 template, so
the map before the full layer is 3 x 7, which stands where rows 1 to 3 of the face's 7 x 7 stood: of the full layer we
keep those. A narrower network keeps, layer by layer, the channels that the next layer listens to most.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from recipe.whole import packaged_sface

HEIGHT, WIDTH, DIMENSION = 48, 112, 128
MAP_ROWS, WHOLE_MAP = slice(1, 4), slice(0, 7)
NORM = ("gamma", "beta", "moving_mean", "moving_var")  # names in SFace's graph
# (output channels, stride) of the depthwise-separable blocks conv_2 to conv_14.
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


class Layer(nn.Module):
    """Convolution, batch norm, PReLU; `name` is the layer's name in SFace's graph."""

    def __init__(self, name: str, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.name = name
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.norm(self.conv(x)))
        return y


def scaled(channels: int, width: float) -> int:
    """A share of a layer's channels, in eights."""
    return max(8, round(channels * width / 8) * 8)


def layers(width: float = 1.0) -> Iterator[Layer]:
    channels = scaled(32, width)
    yield Layer("conv_1", 3, channels, 3)
    for index, (full, stride) in enumerate(BLOCKS, start=2):
        outputs = scaled(full, width)
        yield Layer(f"conv_{index}_dw", channels, channels, 3, stride, channels)
        yield Layer(f"conv_{index}", channels, outputs, 1)
        channels = outputs


class EyeNet(nn.Module):
    """Embeds strips: (n, 3, 48, 112) BGR less 128, -128 to 127, to (n, 128), not normalised. `width` is the share of
    SFace's channels; with `rows` of the map all 7 it is SFace itself, for faces of (n, 3, 112, 112)."""

    def __init__(self, dropout: float = 0.0, width: float = 1.0, rows: slice = MAP_ROWS) -> None:
        super().__init__()
        last = scaled(BLOCKS[-1][0], width)
        self.trunk = nn.Sequential(*layers(width))
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.BatchNorm2d(last, eps=2e-5)
        self.full = nn.Linear(last * (rows.stop - rows.start) * 7, DIMENSION)
        self.out = nn.BatchNorm1d(DIMENSION, eps=2e-5)

    def forward(self, x: Tensor) -> Tensor:
        x = (x + 0.5) / 128  # SFace's own (pixel - 127.5) / 128
        x = self.norm(self.trunk(x))
        y: Tensor = self.out(self.full(self.dropout(x.flatten(1))))
        return y


def layers_of(net: EyeNet) -> list[Layer]:
    """The trunk's layers, in order."""
    return [layer for layer in net.trunk if isinstance(layer, Layer)]


def freeze(net: EyeNet, count: int) -> None:
    """The first `count` layers of the trunk learn nothing and keep their norms' statistics, also in training mode."""
    for layer in layers_of(net)[:count]:
        layer.requires_grad_(False)
        layer.eval()


def sface_weights(path: Path) -> dict[str, np.ndarray]:
    """Every weight of SFace's graph by name, the int8 blocks multiplied out."""
    graph = onnx.load(str(path)).graph
    known = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for node in graph.node:
        if node.op_type in ("DequantizeLinear", "Reshape") and all(i in known for i in node.input):
            (value,) = ReferenceEvaluator(node).run(None, {i: known[i] for i in node.input})
            known[node.output[0]] = np.asarray(value)
    return known


def _load_norm(
    norm: nn.BatchNorm1d | nn.BatchNorm2d, weights: dict[str, np.ndarray], prefix: str, kept: np.ndarray
) -> None:
    for target, name in zip((norm.weight, norm.bias, norm.running_mean, norm.running_var), NORM, strict=True):
        assert target is not None
        target.copy_(torch.from_numpy(weights[f"{prefix}_{name}"][kept]))


def _listened_to(weights: dict[str, np.ndarray], block: int, count: int) -> np.ndarray:
    """Which `count` output channels of `conv_{block}` the next layer weighs most, in order."""
    if block <= len(BLOCKS):
        scale = weights[f"conv_{block + 1}_dw_batchnorm_gamma"]
        heard = np.linalg.norm(weights[f"conv_{block + 1}_conv2d_weight_reshaped"][:, :, 0, 0], axis=0)
    else:
        scale = weights["bn1_gamma"]
        heard = np.linalg.norm(weights["pre_fc1_weight_dequantized"].reshape(DIMENSION, len(scale), 49), axis=(0, 2))
    return np.sort(np.argsort(-np.abs(scale) * heard, kind="stable")[:count])


@torch.no_grad()
def cut_to_strip(path: Path, dropout: float = 0.0, width: float = 1.0, rows: slice = MAP_ROWS) -> EyeNet:
    """SFace at `path` as an EyeNet: channels turned from RGB to BGR, the full layer cut to the strip's rows."""
    weights, net = sface_weights(path), EyeNet(dropout, width, rows)
    kept = np.arange(3)
    for layer in layers_of(net):
        kernel = weights[f"{layer.name}_conv2d_weight_reshaped"]
        depthwise = layer.conv.groups > 1
        outputs = kept
        if not depthwise:
            outputs = _listened_to(weights, int(layer.name.removeprefix("conv_")), layer.conv.out_channels)
        kernel = kernel[outputs] if depthwise else kernel[np.ix_(outputs, kept)]
        tensor = torch.from_numpy(kernel)
        layer.conv.weight.copy_(tensor.flip(1) if layer.name == "conv_1" else tensor)
        _load_norm(layer.norm, weights, f"{layer.name}_batchnorm", outputs)
        layer.act.weight.copy_(torch.from_numpy(weights[f"{layer.name}_relu_gamma"].reshape(-1)[outputs]))
        kept = outputs
    _load_norm(net.norm, weights, "bn1", kept)
    full = weights["pre_fc1_weight_dequantized"].reshape(DIMENSION, -1, 7, 7)[:, kept, rows]
    net.full.weight.copy_(torch.from_numpy(full).flatten(1))
    net.full.bias.copy_(torch.from_numpy(weights["pre_fc1_bias_dequantized"].copy()))
    _load_norm(net.out, weights, "fc1", np.arange(DIMENSION))
    limit_slopes(net)
    return net


def whole_sface() -> EyeNet:
    """SFace itself, for faces of (n, 3, 112, 112), BGR less 128; it learns nothing."""
    return cut_to_strip(packaged_sface(), rows=WHOLE_MAP).requires_grad_(False).eval()


@torch.no_grad()
def limit_slopes(net: EyeNet) -> None:
    """PReLU slopes to at most 1, where maximum(x, a*x), its int8 form, is exact (three of SFace's are above)."""
    for layer in layers_of(net):
        layer.act.weight.clamp_(max=1.0)
