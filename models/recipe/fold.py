# SPDX-License-Identifier: Apache-2.0
"""The trained network as the device runs it: norms folded into the layers before them, PReLU as maximum(x, a*x)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from recipe.sface import DIMENSION, EyeNet, Layer, layers_of


def affine(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A norm in evaluation mode as y = scale * x + shift."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


class FoldedLayer(nn.Module):
    """Convolution with bias, then maximum(x, a*x): PReLU for slopes of at most 1, and fast in XNNPACK's int8."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        scale, shift = affine(layer.norm)
        old = layer.conv
        self.conv = copy.deepcopy(old)
        self.conv.weight.copy_(old.weight * scale[:, None, None, None])
        self.conv.bias = nn.Parameter(shift.clone())
        self.slope = nn.Parameter(layer.act.weight.clone()[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return torch.maximum(y, self.slope * y)


class FoldedNet(nn.Module):
    """(n, 3, 48, 112) BGR less 128 to (n, 128): EyeNet in evaluation mode, without norms and without scaling the
    input."""

    def __init__(self, net: EyeNet) -> None:
        super().__init__()
        net = net.eval()
        with torch.no_grad():
            self.trunk = nn.Sequential(*(FoldedLayer(layer) for layer in layers_of(net)))
            first = self.trunk[0]
            assert isinstance(first, FoldedLayer) and first.conv.bias is not None
            # (x + 0.5) / 128 goes into the first kernel; padding with 128 instead of 127.5 is the only difference.
            first.conv.bias += first.conv.weight.sum((1, 2, 3)) * 0.5 / 128
            first.conv.weight /= 128
            self.full = nn.Linear(net.full.in_features, DIMENSION)
            before, after = affine(net.norm), affine(net.out)
            weight = net.full.weight.view(DIMENSION, len(before[0]), -1)
            bias = net.full.bias + (weight * before[1][None, :, None]).sum((1, 2))
            self.full.weight.copy_((weight * before[0][None, :, None] * after[0][:, None, None]).flatten(1))
            self.full.bias.copy_(bias * after[0] + after[1])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.full(self.trunk(x).flatten(1))
        return y


class MirroredNet(nn.Module):
    """FoldedNet of one picture and of its mirror image, added: (1, 3, 48, 112) to (1, 128). Twice the work, fewer
    errors; a picture and its mirror image have the same embedding."""

    def __init__(self, net: EyeNet) -> None:
        super().__init__()
        self.folded = FoldedNet(net)

    def forward(self, x: Tensor) -> Tensor:
        both = self.folded(torch.cat([x, torch.flip(x, [3])]))
        y: Tensor = both[0:1] + both[1:2]
        return y
