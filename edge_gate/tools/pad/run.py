# SPDX-License-Identifier: Apache-2.0
"""One evaluation of attack detection, from what is asked to the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_gate.rules.policy import Policy
from edge_gate.rules.protection import correct_threshold
from edge_gate.settings.config import Config
from edge_gate.tools.pad.controls import controls
from edge_gate.tools.pad.data import Presentation, open_presentations
from edge_gate.tools.pad.judging import Residents
from edge_gate.tools.pad.masking import style
from edge_gate.tools.pad.rates import Rate
from edge_gate.tools.pad.report import Report, Rules, Split, find
from edge_gate.tools.pad.seeing import Eyes, Seen
from edge_gate.tools.pad.simulated import count, films

# Asked for the number of presentations, returns what is called after each of them.
Progress = Callable[[int], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure. ``mask``: with painted masks too; ``controls``: what explains the result as well."""

    data: Path
    label: str | None = None
    mask: bool = False
    controls: bool = False


def evaluate(ask: Request, settings: Config, progress: Progress) -> Report:
    """Look at every presentation, judge it, and compute all figures. Raises BadEvaluationData, and ModelError."""
    shown = open_presentations(ask.data, ask.label)
    eyes = Eyes(settings)
    tick = progress(len(shown) * (1 + ask.mask))
    plain = look(eyes, shown, tick, closely=ask.controls)
    masked = look(eyes, shown, tick, worn=True) if ask.mask else None
    explained = controls(plain, eyes.network) if ask.controls else None
    seen = {"unmasked": plain} if masked is None else {"unmasked": plain, "masked": masked}
    return reported(ask.data.name or str(ask.data), eyes, settings, Split.MASKED, seen, explained)


def simulate(people: int, settings: Config, progress: Progress) -> Report:
    """Play simulated presentations of so many people to the eye, which knows the scene, and which does not."""
    eyes = Eyes(settings)
    tick = progress(count(people))
    known: list[Seen] = []
    unknown: list[Seen] = []
    for film in films(people):
        for scene_known, seen in ((True, known), (False, unknown)):
            pictures = film.pictures(scene_known=scene_known)
            seen.append(eyes.watch(film.origin, pictures, begins_ns=film.begins_ns))
        tick()
    return reported("people who do not exist", eyes, settings, Split.SCENE, {"known": known, "unknown": unknown})


def reported(
    data: str,
    eyes: Eyes,
    settings: Config,
    split: Split,
    seen: Mapping[str, Sequence[Seen]],
    explained: Mapping[str, Rate] | None = None,
) -> Report:
    """Return the report on what was seen in each state of ``split``; templates are of the first."""
    rules, residents = rules_of(eyes, settings), Residents.of(next(iter(seen.values())))
    card = eyes.liveness_card
    return Report(
        data=data,
        simulated=split is Split.SCENE,
        model=card.name,
        model_sha256=str(card.fields["sha256"]),
        rules=rules,
        split=split,
        found={state: find(each, residents, rules) for state, each in seen.items()},
        controls=explained,
    )


def rules_of(eyes: Eyes, settings: Config) -> Rules:
    """Return what a gate of this configuration decides by: protected templates, and their threshold."""
    plain = eyes.card.threshold("fused", settings.decision.fmr)
    point = correct_threshold(eyes.card.operating_points, plain)
    return Rules(eyes.point, Policy(point, settings.decision), settings.decision.gap_s)


def look(
    eyes: Eyes, shown: Sequence[Presentation], tick: Callable[[], None], *, worn: bool = False, closely: bool = False
) -> list[Seen]:
    """Look at presentations one after the other; ``worn``: with a mask painted on each."""
    seen = []
    for number, each in enumerate(shown):
        seen.append(eyes.see(each, style(number) if worn else None, closely=closely))
        tick()
    return seen
