# SPDX-License-Identifier: Apache-2.0
"""Paints a whole face from a strip of eyes and brows, to be compared by SFace: `python -m recipe.paint CONFIG --people
FOLDER --out FOLDER`. The same command resumes; at the end it writes `painter.float.tflite`.

This is the other way to use what is known of faces behind masks ("reconstruct, then compare"). It is made to be
measured beside the shipped way and is never shipped: a terminal that paints faces is what edge-gate is not. It learns
from people who do not exist. A U-Net (Ronneberger et al., 2015); loss: the picture, and SFace's embedding of it.
"""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import litert_torch
import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional

from recipe.sface import HEIGHT, WIDTH, whole_sface
from recipe.strips import Ints, Pictures, Strips, decode, load_file
from recipe.train import to_tensor
from recipe.weather import FIRST_ROW, training_view
from recipe.whole import SIDE


@dataclass(frozen=True, slots=True)
class PaintConfig:
    """`steps` batches of `batch`; `channels` of the U-Net's levels; `teacher_weight` of SFace's view beside the
    picture's mean absolute error in units of 128 grey levels."""

    seed: int
    steps: int
    batch: int
    learning_rate: float
    channels: tuple[int, ...]
    teacher_weight: float
    mask_share: float
    warp_share: float
    checkpoint_every: int


class Step(nn.Sequential):
    """Convolution, norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        )


class Painter(nn.Module):
    """(n, 3, 48, 112) BGR less 128 to faces (n, 3, 112, 112), BGR, 0 to 255. The strip stands at its place in the
    template, beside a plane that says where it is."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.first = Step(4, channels[0])
        pairs = list(pairwise(channels))
        self.down = nn.ModuleList(nn.Sequential(Step(a, b, 2), Step(b, b)) for a, b in pairs)
        self.up = nn.ModuleList(Step(a + b, a) for a, b in reversed(pairs))
        self.last = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        place = (0, 0, FIRST_ROW, SIDE - FIRST_ROW - HEIGHT)
        seen = functional.pad(torch.cat([x / 128, torch.ones_like(x[:, :1])], 1), place)
        levels = [self.first(seen)]
        for down in self.down:
            levels.append(down(levels[-1]))
        y = levels.pop()
        for up in self.up:
            skip = levels.pop()
            y = up(torch.cat([functional.interpolate(y, scale_factor=2.0, mode="nearest"), skip], 1))
        picture: Tensor = (self.last(y) + 1) * 128
        return picture


def load_people(folder: Path) -> tuple[Strips, Pictures]:
    """Strips of people who do not exist, and their whole faces."""
    paths = sorted(folder.glob("people-*.npz"))
    parts = [load_file(p) for p in paths]
    faces = [decode(p, "face_webp", "face_offset", (SIDE, SIDE)) for p in paths]
    return Strips.joined(parts), np.concatenate(faces)


def batch_at(strips: Strips, config: PaintConfig, step: int, faces: Pictures) -> tuple[Pictures, Pictures, Ints]:
    """What the gate saw, the face that it belongs to, and its row: the same each time that `step` is asked for."""
    rng = np.random.default_rng((config.seed, step))
    rows = rng.choice(len(strips), config.batch, replace=False)
    mirrored = rng.random(config.batch) < 0.5
    shares = (config.mask_share, config.warp_share)
    views = [
        training_view(strips.bgr[i], strips.mask_edge[i], strips.masked_warp[i], rng, *shares, bool(m))
        for i, m in zip(rows, mirrored, strict=True)
    ]
    wanted = [faces[i][:, ::-1] if m else faces[i] for i, m in zip(rows, mirrored, strict=True)]
    return np.stack(views), np.stack(wanted), rows


class Training:
    """A run's state, in `out`/checkpoint.pt."""

    def __init__(self, config: PaintConfig, people: Path, out: Path) -> None:
        self.config, self.out, self.step = config, out, 0
        self.strips, self.faces = load_people(people)
        self.net, self.judge = Painter(config.channels), torch.compile(whole_sface())
        self.compiled = torch.compile(self.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=config.learning_rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.1
        )
        if (out / "checkpoint.pt").exists():
            saved = torch.load(out / "checkpoint.pt", weights_only=True)
            self.step = saved.pop("step")
            for name, state in saved.items():
                getattr(self, name).load_state_dict(state)

    def save(self) -> None:
        parts = {name: getattr(self, name).state_dict() for name in ("net", "optimizer", "schedule")}
        torch.save(parts | {"step": self.step}, self.out / "checkpoint.new")
        (self.out / "checkpoint.new").replace(self.out / "checkpoint.pt")

    def update(self) -> tuple[float, float]:
        """One step; the picture's and SFace's part of the loss."""
        views, wanted, rows = batch_at(self.strips, self.config, self.step, self.faces)
        target, teacher = to_tensor(wanted, torch.device("cpu")), torch.from_numpy(self.strips.teacher[rows])
        with torch.autocast("cpu", torch.bfloat16):
            painted = self.compiled(to_tensor(views, torch.device("cpu"))) - 128
            seen = self.judge(painted.clamp(-128, 127))
        picture = (painted.float() - target).abs().mean() / 128
        likeness = (1 - functional.cosine_similarity(seen.float(), teacher)).mean()
        self.optimizer.zero_grad(set_to_none=True)
        (picture + self.config.teacher_weight * likeness).backward()
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        return float(picture.detach()), float(likeness.detach())

    def run(self) -> None:
        recent: list[tuple[float, float]] = []
        with Progress(refresh_per_second=0.2) as progress:
            task = progress.add_task("painter", total=self.config.steps, completed=self.step)
            while self.step < self.config.steps:
                recent.append(self.update())
                picture, likeness = np.mean(recent[-50:], axis=0)
                note = f"picture {picture:.3f} SFace {likeness:.3f}"
                progress.update(task, completed=self.step, description=note)
                if self.step % self.config.checkpoint_every == 0 or self.step == self.config.steps:
                    self.save()
                    with (self.out / "log.txt").open("a") as log:
                        log.write(f"{self.step} {note}\n")


def export(net: Painter, path: Path) -> None:
    """The painter as float TFLite: (1, 48, 112, 3) pixels less 128 to (1, 112, 112, 3) pixels."""
    last = litert_torch.to_channel_last_io(net.eval(), args=[0], outputs=[0]).eval()
    litert_torch.convert(last, (torch.zeros(1, HEIGHT, WIDTH, 3),)).export(str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--people", type=Path, required=True, help="the folder that recipe.people wrote")
    parser.add_argument("--out", type=Path, required=True, help="for the checkpoint and painter.float.tflite")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    fields = tomllib.loads(args.config.read_text(encoding="utf-8"))
    config = PaintConfig(**fields | {"channels": tuple(fields["channels"])})
    cv2.setNumThreads(1)
    torch.manual_seed(config.seed)
    training = Training(config, args.people, args.out)
    training.run()
    export(training.net, args.out / "painter.float.tflite")


if __name__ == "__main__":
    main()
