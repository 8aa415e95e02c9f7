# SPDX-License-Identifier: Apache-2.0
"""What was tried at a gate's own camera (`edge-gate pad record`), counted, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from edge_gate.rules.liveness import Liveness
from edge_gate.store.pad_trials import LIVE
from edge_gate.tools.pad.rates import bound

WANTED_PEOPLE: Final = 10
WANTED_PRESENTATIONS: Final = 30
"""Of each species, of which none may pass: 9.5 % is the bound then."""
TO_TRY: Final = ("print", "phone", "tablet", "mask")
HOW: Final[Mapping[str, str]] = {
    LIVE: "The person comes from two metres away, stops before the camera, and looks at it, as to get in.",
    "print": "Come from two metres away with the print before the face. Try nearer, farther, tilted and bent.",
    "phone": "Hold the phone before the camera, bright. Begin far away, end where the face is as large as a face.",
    "tablet": "Hold the tablet before the face, then so near that it fills the camera's view.",
    "monitor": "Bring the monitor so near that it fills the camera's view, if it can be done.",
    "mask": "Wear the mask, or hold a print with a real mask over it. Let the eyes be seen well.",
    "film": "Play the film in the camera's place.",
    "other": "Try to get in with it, in every way that may work.",
}


@dataclass(frozen=True, slots=True)
class Tried:
    """What was tried of one species. ``wrong``: people who were not found live, attacks that were; ``bound`` the 95 %
    bound of its rate over presentations, ``over_sources`` over people or things."""

    species: str
    sources: int
    presentations: int
    wrong: int
    bound: float | None
    over_sources: float | None


@dataclass(frozen=True, slots=True)
class Field:
    """What was tried at one camera with one network."""

    camera: str
    model: str
    threshold: float
    mode: str
    measured: bool
    people: int
    tried: tuple[Tried, ...]
    advice: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def summarise(report: Mapping[str, Any]) -> Field:
    """Count what the gate answers to `pad-report`."""
    tried = tuple(_tried(each) for each in report["tried"])
    people = sum(each.sources for each in tried if each.species == LIVE)
    advice = tuple(_advice({each.species: each for each in tried}, people))
    return Field(
        str(report["camera"]),
        str(report["model"]),
        float(report["threshold"]),
        str(report["mode"]),
        people > 0,
        people,
        tried,
        advice,
    )


def result(species: str, answer: Mapping[str, Any]) -> str:
    """Return in words what one presentation came to."""
    alive = answer["verdict"] == Liveness.LIVE.value
    if species == LIVE:
        told = "found live: right" if alive else "NOT found live. Better light, nearer, longer; then again"
    else:
        told = "TAKEN FOR A PERSON. It would have passed" if alive else "not taken for a person: right"
    return f"{told} ({answer['looks']} looks). No picture was kept."


def rows(field: Field) -> Iterator[tuple[str, ...]]:
    """Yield a row of text for each species."""
    for each in field.tried:
        wrong = "not found live" if each.species == LIVE else "passed"
        yield (
            each.species,
            str(each.sources),
            str(each.presentations),
            f"{each.wrong} {wrong}",
            _at_most(each.bound),
            _at_most(each.over_sources),
        )


def _tried(counted: Mapping[str, Any]) -> Tried:
    sources, presentations, wrong = (int(counted[name]) for name in ("sources", "presentations", "wrong"))
    over, over_sources = bound(wrong, presentations), bound(int(counted["sources_wrong"]), sources)
    return Tried(str(counted["species"]), sources, presentations, wrong, over["upper95"], over_sources["upper95"])


def _advice(tried: Mapping[str, Tried], people: int) -> Iterator[str]:
    if not people:
        yield "This camera was never measured: eyes alone do not open. Begin with people: edge-gate pad record live p1"
    elif people < WANTED_PEOPLE:
        yield f"{people} of {WANTED_PEOPLE} people were measured. Measure others: other ages, skin, glasses, masks."
    if (live := tried.get(LIVE)) and live.wrong:
        yield "People were not found live. Look for sun on the lens, a dark entrance, a dirty glass; measure again."
    for species, each in tried.items():
        if species != LIVE and each.wrong:
            yield f"An attack passed ({species}). Do not rely on eyes alone at this door; see docs/pad-field-test.md."
    for species in TO_TRY:
        done = tried[species].presentations if species in tried else 0
        if done < WANTED_PRESENTATIONS:
            yield f"{species}: {done} of {WANTED_PRESENTATIONS} presentations."


def _at_most(rate: float | None) -> str:
    return "-" if rate is None else f"≤ {100 * rate:.0f} %"
