# SPDX-License-Identifier: Apache-2.0
"""Blends runs in weight space: `python -m recipe.blend CONFIG --data FOLDER --run FOLDER=SHARE ... --out FOLDER`.

What the shares leave of 1 goes to what the runs began with. Runs that began at the same weights blend well (Wortsman et
al., "Model soups", 2022), and keeping some of the beginning undoes part of what was learned by heart (the same, "Robust
fine-tuning", 2022). The norms' statistics are counted again on training pictures. Prints the validation figures, by
which the shares are to be chosen.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import cv2
import torch
from torch import nn

from recipe.config import load
from recipe.export import trained
from recipe.sface import EyeNet
from recipe.strips import Pictures, add_data, load_folders
from recipe.train import beginning, embedder, to_tensor, whole_pictures
from recipe.validation import watch

CPU = torch.device("cpu")


@torch.no_grad()
def blended(nets: list[EyeNet], shares: list[float]) -> EyeNet:
    """The weighted mean of the nets' weights; statistics still to be counted."""
    out = copy.deepcopy(nets[0])
    states = [net.state_dict() for net in nets]
    for name, value in out.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.stack([share * state[name] for share, state in zip(shares, states, strict=True)]).sum(0))
    return out


@torch.no_grad()
def count_statistics(net: EyeNet, batches: list[Pictures]) -> None:
    """Means and variances of every norm over `batches`, as training would see them."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    net.train()
    for pictures in batches:
        net(to_tensor(pictures, CPU))
    net.eval()


def run_and_share(text: str) -> tuple[Path, float]:
    path, _, share = text.rpartition("=")
    return Path(path), float(share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    add_data(parser)
    parser.add_argument(
        "--run", type=run_and_share, action="append", required=True, help="a trainer's --out folder and its share"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the blend's checkpoint.pt")
    args = parser.parse_args()
    config = load(args.config)
    cv2.setNumThreads(1)
    shares = [share for _, share in args.run]
    strips = load_folders(args.data)
    runs = [trained(run, config) for run, _ in args.run]
    net = blended([*runs, beginning(strips, config)], [*shares, 1 - sum(shares)])
    count_statistics(net, whole_pictures(strips, config, 16))
    args.out.mkdir(parents=True, exist_ok=True)
    torch.save({"average": net.state_dict()}, args.out / "checkpoint.pt")
    rows = config.split(strips)
    print(
        json.dumps(
            {k: round(v, 5) for k, v in watch(strips, rows.people, config.seed).measure(embedder(net, CPU)).items()}
        )
    )


if __name__ == "__main__":
    main()
