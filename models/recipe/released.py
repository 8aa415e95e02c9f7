# SPDX-License-Identifier: Apache-2.0
"""A released int8 model as a network that can learn on: for a release after it, or for a site's own consented pictures.

Folding (fold.py) and int8 are undone as far as they can be: kernels are dequantized, and each norm is put back with the
statistics of given pictures such that it changes nothing. What is left of a difference is int8's rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn

from edge_gate.tools.bench.float_form import float_form
from recipe.sface import EyeNet, layers_of

CONV, DEPTHWISE, FULL, SLOPE = (
    getattr(schema.BuiltinOperator, name) for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MUL")
)
CHANNELS_FIRST = {CONV: (0, 3, 1, 2), DEPTHWISE: (3, 0, 1, 2), FULL: (0, 1)}


def constants(path: Path) -> Iterator[tuple[int, list[Tensor]]]:
    """Each operator of a kind that carries weights, with its constants, in the order of the graph."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(float_form(path.read_bytes()), 0))
    (graph,) = model.subgraphs
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        if kind in (CONV, DEPTHWISE, FULL, SLOPE):
            tensors = [graph.tensors[i] for i in operator.inputs]
            buffers = [(t, model.buffers[t.buffer].data) for t in tensors]
            values = [np.frombuffer(bytes(d), "<f4").reshape(t.shape) for t, d in buffers if d is not None]
            yield kind, [torch.from_numpy(v.copy()) for v in values]


@torch.no_grad()
def folded_weights(path: Path) -> EyeNet:
    """The released weights; every norm takes x to x, and the biases stand in the norms' shifts."""
    parts = list(constants(path))
    kernels = [(kind, values) for kind, values in parts if kind in (CONV, DEPTHWISE)]
    slopes = [values[0] for kind, values in parts if kind == SLOPE]
    ((_, full),) = [part for part in parts if part[0] == FULL]
    net = EyeNet(width=len(kernels[0][1][1]) / 32)
    for layer, (kind, (kernel, bias)), slope in zip(layers_of(net), kernels, slopes, strict=True):
        layer.conv.weight.copy_(kernel.permute(CHANNELS_FIRST[kind]))
        plain(layer.norm, bias)
        layer.act.weight.copy_(slope.flatten())
    first = layers_of(net)[0]
    first.norm.bias -= first.conv.weight.sum((1, 2, 3)) * 0.5  # the network shifts and scales its input itself
    first.conv.weight *= 128
    net.full.weight.copy_(full[0])
    net.full.bias.copy_(full[1])
    plain(net.norm, torch.zeros_like(net.norm.bias))
    plain(net.out, torch.zeros_like(net.out.bias))
    return net.eval()


def plain(norm: nn.BatchNorm1d | nn.BatchNorm2d, shift: Tensor) -> None:
    """Makes a norm take x to x + shift."""
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.fill_((1.0 + norm.eps) ** 0.5)
    norm.bias.copy_(shift)


@torch.no_grad()
def released(path: Path, pictures: Tensor) -> EyeNet:
    """The network in `path`, ready to learn: its norms know the statistics of `pictures` ((n, 3, 48, 112), BGR less
    128) and change nothing else."""
    net = folded_weights(path)
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def look(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        channels = inputs[0].transpose(0, 1).flatten(1)
        seen[norm] = channels.mean(1), channels.var(1, unbiased=False)

    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(look) for norm in norms]
    net(pictures)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        assert norm.running_mean is not None and norm.running_var is not None
        mean, variance = seen[norm]
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(torch.sqrt(variance + norm.eps))
        norm.bias += mean
    return net
