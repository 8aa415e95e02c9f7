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
from edge_gate.tools.pad.report import Findings, Report, Rules, find
from edge_gate.tools.pad.seeing import Eyes, Seen

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
    plain = _look(eyes, shown, tick, closely=ask.controls)
    masked = _look(eyes, shown, tick, worn=True) if ask.mask else None
    found = controls(plain, eyes.network) if ask.controls else None
    return reported(ask.data.name or str(ask.data), eyes, settings, plain, masked, found)


def reported(
    data: str,
    eyes: Eyes,
    settings: Config,
    plain: Sequence[Seen],
    masked: Sequence[Seen] | None = None,
    found: Mapping[str, float | None] | None = None,
    *,
    simulated: bool = False,
) -> Report:
    """Return the report on presentations that were seen. Templates are of the faces without painted masks."""
    rules, residents = rules_of(eyes, settings), Residents.of(plain)

    def judged(seen: Sequence[Seen]) -> Findings:
        return find(seen, residents, rules)

    card = eyes.liveness_card
    return Report(
        data=data,
        simulated=simulated,
        model=card.name,
        model_sha256=str(card.fields["sha256"]),
        rules=rules,
        unmasked=judged(plain),
        masked=None if masked is None else judged(masked),
        controls=found,
    )


def rules_of(eyes: Eyes, settings: Config) -> Rules:
    """Return what a gate of this configuration decides by: protected templates, and their threshold."""
    plain = eyes.card.threshold("fused", settings.decision.fmr)
    point = correct_threshold(eyes.card.operating_points, plain)
    return Rules(eyes.point, Policy(point, settings.decision), settings.decision.gap_s)


def _look(
    eyes: Eyes, shown: Sequence[Presentation], tick: Callable[[], None], *, worn: bool = False, closely: bool = False
) -> list[Seen]:
    seen = []
    for number, each in enumerate(shown):
        seen.append(eyes.see(each, style(number) if worn else None, closely=closely))
        tick()
    return seen
