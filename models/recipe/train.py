# SPDX-License-Identifier: Apache-2.0
"""Trains one model: `python -m recipe.train CONFIG --data FOLDER --out FOLDER`. The same command resumes.

Loss: cross-entropy over the cosine to every training subject's fixed centroid of what the teacher says, with an
additive margin (CosFace, Wang et al. 2018), and the cosine to what the teacher says of the picture itself.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional

from recipe.config import Config, load
from recipe.released import released
from recipe.sface import HEIGHT, EyeNet, cut_to_strip, freeze, limit_slopes, whole_sface
from recipe.strips import Floats, Ints, Pictures, Strips, add_data, centroids, load_folders
from recipe.validation import Embed, watch
from recipe.weather import FIRST_ROW, erase, training_view
from recipe.whole import SIDE, packaged_sface


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures, the rows they come from, the rows blended into them, and the share of the first (1: not blended)."""

    pictures: Pictures
    rows: Ints
    others: Ints
    share: Floats


def make_batch(strips: Strips, rows: Ints, config: Config, step: int) -> Batch:
    """Step `step`'s pictures, the same each time they are asked for."""
    per_epoch = len(rows) // config.batch
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng((config.seed, 1, epoch)).permutation(len(rows))
    chosen = rows[order[place * config.batch : (place + 1) * config.batch]]
    rng = np.random.default_rng((config.seed, 2, step))
    views = [
        training_view(
            strips.bgr[i], strips.mask_edge[i], strips.masked_warp[i], rng, config.mask_share, config.warp_share
        )
        for i in chosen
    ]
    pictures = np.stack([erase(v, rng) if rng.random() < config.erase_share else v for v in views])
    mixed, partner = rng.random(len(chosen)) < config.mix_share, np.roll(np.arange(len(chosen)), 1)
    share = np.where(mixed, rng.beta(0.5, 0.5, len(chosen)), 1.0).astype(np.float32)
    keep = share[:, None, None, None]
    blended = (keep * pictures + (1 - keep) * pictures[partner] + 0.5).astype(np.uint8)
    return Batch(blended, chosen, chosen[partner], share)


def whole_pictures(strips: Strips, config: Config, batches: int) -> list[Pictures]:
    """Training pictures from steps that training never reached, neither blended nor erased: for counting statistics."""
    rows = config.split(strips).train
    plain = replace(config, mix_share=0.0, erase_share=0.0)
    return [make_batch(strips, rows, plain, config.steps + i).pictures for i in range(batches)]


def prefetched(strips: Strips, rows: Ints, config: Config, first: int) -> Iterator[Batch]:
    """Batches from step `first` on, made in a thread (OpenCV and torch both let the lock go)."""
    ready: queue.Queue[Batch | BaseException] = queue.Queue(4)

    def work() -> None:
        try:
            for step in range(first, config.steps):
                ready.put(make_batch(strips, rows, config, step))
        except BaseException as error:  # the training thread raises it
            ready.put(error)

    threading.Thread(target=work, daemon=True).start()
    for _ in range(first, config.steps):
        batch = ready.get()
        if isinstance(batch, BaseException):
            raise batch
        yield batch


def to_tensor(pictures: Pictures, device: torch.device) -> Tensor:
    """(n, 48, 112, 3) uint8 to (n, 3, 48, 112) float less 128, channels last in memory."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).to(device).permute(0, 3, 1, 2)
    return x.float().sub_(128).contiguous(memory_format=torch.channels_last)


def embedder(net: EyeNet, device: torch.device, batch: int = 128) -> Embed:
    """`net` in evaluation mode, float32, as a function from pictures to embeddings."""

    def embed(pictures: Pictures) -> Floats:
        net.eval()
        with torch.inference_mode():
            parts = [
                net(to_tensor(pictures[i : i + batch], device)).float().cpu() for i in range(0, len(pictures), batch)
            ]
        return torch.cat(parts).numpy()

    return embed


def learning_rate(step: int, config: Config) -> float:
    rise = min(1.0, (step + 1) / config.warmup)
    return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / config.steps))


def optimizer_for(net: EyeNet, config: Config) -> torch.optim.Optimizer:
    """AdamW; slopes, norms and biases do not decay."""
    learning = [p for p in net.parameters() if p.requires_grad]
    kernels, rest = [p for p in learning if p.ndim > 1], [p for p in learning if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": kernels, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    )


@torch.no_grad()
def follow(average: EyeNet, net: EyeNet, keep: float) -> None:
    """Moves the average a step towards `net`; early on it forgets faster."""
    ours, theirs = average.state_dict(), net.state_dict()
    for name, value in ours.items():
        if value.is_floating_point():
            value.lerp_(theirs[name], 1 - keep)
        else:
            value.copy_(theirs[name])


class Loss(nn.Module):
    """Identity among `centre` (subjects x 128) and likeness to the teacher, for embeddings in float32."""

    centre: Tensor

    def __init__(self, centre: Floats, config: Config) -> None:
        super().__init__()
        self.register_buffer("centre", torch.from_numpy(centre))
        self.config = config

    def forward(
        self, embedding: Tensor, teacher: Tensor, labels: tuple[Tensor, Tensor], share: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`labels` of the picture and of what was blended into it, `share` of the first, `teacher` blended likewise."""
        direction = functional.normalize(embedding.float())
        cosine = direction @ self.centre.T
        identity = torch.zeros((), device=cosine.device)
        for label, weight in zip(labels, (share, 1 - share), strict=True):
            margin = functional.one_hot(label, len(self.centre)) * self.config.margin
            entropy = functional.cross_entropy(self.config.scale * (cosine - margin), label, reduction="none")
            identity = identity + (weight * entropy).mean()
            if bool((share == 1).all()):
                break
        return identity, (1 - (direction * functional.normalize(teacher)).sum(1)).mean()


def beginning(strips: Strips, config: Config) -> EyeNet:
    """What training begins with, and what blending keeps some of: SFace cut to the strip, or a released model."""
    if not config.begin:
        return cut_to_strip(packaged_sface(), config.dropout, config.width)
    name, _, digits = config.begin.partition("@")
    path = Path(__file__).parent.parent / name
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(digits):
        raise SystemExit(f"{path} is another release than {config.begin}: take that one from the history")
    pictures = np.concatenate(whole_pictures(strips, config, 8))
    net = released(path, to_tensor(pictures, torch.device("cpu")))
    net.dropout.p = config.dropout
    return net


class Viewer(nn.Module):
    """SFace itself on views of (n, 3, 48, 112), BGR less 128: at their place in its template, the rest grey 127."""

    def __init__(self) -> None:
        super().__init__()
        self.sface = whole_sface()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.sface(functional.pad(x, (0, 0, FIRST_ROW, SIDE - FIRST_ROW - HEIGHT), value=-1.0))
        return y


class Trainer:
    """The state of a run: network, average, optimiser, step; saved to and restored from `out`/checkpoint.pt."""

    def __init__(self, config: Config, strips: Strips, out: Path, compiled: bool) -> None:
        self.config, self.strips, self.out = config, strips, out
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.rows = config.split(strips)
        _, label = np.unique(strips.subject[self.rows.train], return_inverse=True)
        self.label = np.zeros(len(strips), np.int64)
        self.label[self.rows.train] = label
        self.target = np.zeros((len(strips), strips.teacher.shape[1]), np.float32)
        self.target[self.rows.train] = config.target(strips.take(self.rows.train))
        self.loss = Loss(centroids(self.target[self.rows.train], label), config).to(self.device)
        self.net = beginning(strips, config).to(self.device)
        freeze(self.net, config.frozen)
        self.viewer = Viewer().to(self.device) if config.view_weight else None
        self.forward = torch.compile(self.net) if compiled else self.net
        if compiled and self.viewer:
            self.viewer.compile()
        self.average = copy.deepcopy(self.net)
        self.optimizer, self.step = optimizer_for(self.net, config), 0
        if (out / "checkpoint.pt").exists():
            self.restore()
        self.watch = watch(strips, self.rows.people, config.seed)

    def restore(self) -> None:
        saved = torch.load(self.out / "checkpoint.pt", map_location=self.device, weights_only=True)
        self.net.load_state_dict(saved["net"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step = int(saved["step"])

    def save(self) -> None:
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        torch.save(state, self.out / "checkpoint.new")
        (self.out / "checkpoint.new").replace(self.out / "checkpoint.pt")

    def log(self, **entry: float) -> None:
        with (self.out / "log.jsonl").open("a") as f:
            f.write(json.dumps({"step": self.step, **{k: round(v, 5) for k, v in entry.items()}}) + "\n")

    def validate(self) -> None:
        self.log(**self.watch.measure(embedder(self.average, self.device)))

    def on_device(self, *arrays: Floats | Ints) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(a).to(self.device) for a in arrays)

    def update(self, batch: Batch) -> tuple[float, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        self.net.train()
        freeze(self.net, self.config.frozen)
        views = to_tensor(batch.pictures, self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            embedding = self.forward(views)
        share = batch.share[:, None]
        blend = share * self.target[batch.rows] + (1 - share) * self.target[batch.others]
        identity, likeness = self.loss(
            embedding,
            *self.on_device(blend),
            self.on_device(self.label[batch.rows], self.label[batch.others]),
            *self.on_device(batch.share),
        )
        loss = self.config.identity_weight * identity + self.config.teacher_weight * likeness
        if self.viewer:
            with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16):
                seen = self.viewer(views)
            loss = loss + self.config.view_weight * (1 - functional.cosine_similarity(embedding, seen)).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        limit_slopes(self.net)
        self.step += 1
        follow(self.average, self.net, min(self.config.average, self.step / (self.step + 10)))
        return float(identity.detach()), float(likeness.detach())

    def run(self, progress: Progress) -> None:
        config, start = self.config, time.monotonic()
        task, first = progress.add_task(config.name, total=config.steps, completed=self.step, note=""), self.step
        recent: list[tuple[float, float]] = []
        if first == 0:
            self.validate()
        for batch in prefetched(self.strips, self.rows.train, config, first):
            recent.append(self.update(batch))
            identity, likeness = np.mean(recent[-50:], axis=0)
            rate = (self.step - first) * config.batch / (time.monotonic() - start)
            progress.update(
                task, completed=self.step, note=f"identity {identity:.3f} teacher {likeness:.3f} {rate:.0f}/s"
            )
            last = self.step == config.steps
            if self.step % config.checkpoint_every == 0 or last:
                self.save()
                self.log(identity=identity, teacher=likeness, pictures_per_s=rate)
            if self.step % config.validate_every == 0 or last:
                self.validate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    add_data(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the log; made if missing")
    parser.add_argument("--compile", action="store_true", help="torch.compile: 1.7 x faster here, needs a C++ compiler")
    args = parser.parse_args()
    config = load(args.config)
    args.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    torch.manual_seed(config.seed)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    trainer = Trainer(config, load_folders(args.data), args.out, args.compile)
    with Progress(*columns, refresh_per_second=0.2) as progress:
        trainer.run(progress)


if __name__ == "__main__":
    main()
