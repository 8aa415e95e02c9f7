# SPDX-License-Identifier: Apache-2.0
"""What is played in front of the gate, and when: a row of scenes with the empty street before, between and after them.

Times are seconds from whenever the schedule is begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge_gate.tools.demo.attack import Attack, Species
from edge_gate.tools.demo.cast import COMING_DOUBLE, ENROLLED_DOUBLE, RESIDENTS, Kind
from edge_gate.tools.demo.light import BACKLIT, DAY, DUSK, LAMP, MORNING, OVERCAST, Light
from edge_gate.tools.demo.mask import BLACK, SURGICAL, WHITE, MaskStyle
from edge_gate.tools.demo.scene import Scene, SceneKind

# Longer than decision.gap_s, after which the gate takes whoever comes for another.
GAP_S: Final = 1.1
ENROLMENT_S: Final = 4.2
APPROACH_S: Final = 3.1
EMPTY_S: Final = 1.0

_Dye = tuple[int, int, int] | None
_NAVY: Final = (110, 66, 48)
_MOSS: Final = (84, 112, 88)
_STONE: Final = (120, 126, 130)


@dataclass(frozen=True, slots=True)
class Slot:
    """A scene and when it is played."""

    start_s: float
    scene: Scene

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.start_s + self.scene.duration_s


@dataclass(frozen=True, slots=True)
class Moment:
    """What a schedule shows at one time: a scene and the time in it, or, where ``scene`` is None, the empty street
    while the light goes ``part`` of the way from ``before`` to ``after``."""

    scene: Scene | None
    t_s: float
    before: Light
    after: Light
    part: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """Scenes in the order in which they are played."""

    slots: tuple[Slot, ...]

    @classmethod
    def of(cls, scenes: Sequence[Scene], gap_s: float = GAP_S) -> Schedule:
        """Return the scenes one after the other, with the empty street for ``gap_s`` before each and after the last."""
        slots, start_s = [], gap_s
        for scene in scenes:
            slots.append(Slot(start_s, scene))
            start_s += scene.duration_s + gap_s
        return cls(tuple(slots))

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The scenes alone."""
        return tuple(slot.scene for slot in self.slots)

    @property
    def duration_s(self) -> float:
        """How long it takes, the empty street after the last scene included."""
        return self.slots[-1].end_s + self.slots[0].start_s if self.slots else 0.0

    def now(self, t_s: float) -> Scene | None:
        """Return the scene that is on, or None between scenes."""
        return self.at(t_s).scene

    def at(self, t_s: float) -> Moment:
        """Return what is to be seen; before the first and after the last scene that is the empty street."""
        before = [slot for slot in self.slots if slot.start_s <= t_s]
        after = [slot for slot in self.slots if slot.start_s > t_s]
        if before and t_s < before[-1].end_s:
            light = before[-1].scene.light
            return Moment(before[-1].scene, t_s - before[-1].start_s, light, light, 0.0)
        if not before or not after:
            light = (before[-1:] + after)[0].scene.light if self.slots else DAY
            return Moment(None, t_s, light, light, 0.0)
        gone_s = before[-1].end_s
        part = (t_s - gone_s) / (after[0].start_s - gone_s)
        return Moment(None, t_s, before[-1].scene.light, after[0].scene.light, part)


def standard_schedule() -> Schedule:
    """Return the demo's day: the residents enrol, then each of them comes twice, each stranger once, and once nobody.

    Two more come with a picture of the first resident, a print and a phone, each after she was let in. Nobody, and no
    picture of them, comes within decision.hold_off_s of the time before, so that it is not this which refuses them; the
    light goes from morning to lamp.
    """
    return Schedule.of((*_enrolments(), *_approaches()))


def lookalike_schedule() -> Schedule:
    """Return the scene that shows the limit: one of two who are nearly doubles is enrolled, and the other comes."""
    came = COMING_DOUBLE
    return Schedule.of(
        (
            _enrol(ENROLLED_DOUBLE, BLACK, DAY, 41),
            _comes(came, f"{came}, who resembles {ENROLLED_DOUBLE}", Kind.PORTRAIT, SURGICAL, DUSK, 42, _MOSS),
        )
    )


def _enrol(who: str, mask: MaskStyle, light: Light, seed: int) -> Scene:
    name = f"{who} is enrolled"
    return Scene(name, who, SceneKind.ENROLMENT, ENROLMENT_S, Kind.EMOTIONS, mask, None, light, seed)


def _comes(who: str, name: str, picture: Kind, mask: MaskStyle, light: Light, seed: int, clothes: _Dye) -> Scene:
    return Scene(name, who, SceneKind.APPROACH, APPROACH_S, picture, mask, clothes, light, seed)


def _enrolments() -> tuple[Scene, ...]:
    masks, lights = (SURGICAL, WHITE, BLACK), (MORNING, DAY, OVERCAST)
    return tuple(_enrol(*each) for each in zip(RESIDENTS, masks, lights, (1, 2, 3), strict=True))


def _approaches() -> tuple[Scene, ...]:
    one, two, three = RESIDENTS

    def resident(who: str, picture: Kind, mask: MaskStyle, light: Light, seed: int, clothes: _Dye = None) -> Scene:
        name = f"{who}, resident, {picture.replace('_', ' ')}, {mask.name} mask, {light.name}"
        return _comes(who, name, picture, mask, light, seed, clothes)

    def stranger(who: str, picture: Kind, mask: MaskStyle, light: Light, seed: int, clothes: _Dye = None) -> Scene:
        return _comes(who, f"{who}, stranger, {mask.name} mask, {light.name}", picture, mask, light, seed, clothes)

    def attack(holder: str, shown: Attack, light: Light, seed: int, clothes: _Dye = None) -> Scene:
        worn = f"{shown.mask.name} mask" if shown.mask else "no mask"
        name = f"{shown.species} of {shown.of} (simulated), {worn}, held by {holder}, {light.name}"
        kind, picture = SceneKind.ATTACK, Kind.STUDIO
        return Scene(name, holder, kind, APPROACH_S, picture, None, clothes, light, seed, attack=shown)

    return (
        resident(one, Kind.PORTRAIT, BLACK, MORNING, 11, _NAVY),
        stranger("P002", Kind.PORTRAIT, SURGICAL, MORNING, 12),
        resident(two, Kind.OUTDOORS, SURGICAL, DAY, 13),
        stranger("P006", Kind.OUTDOORS, WHITE, DAY, 14),
        attack("P007", Attack(Species.PRINT, one, Kind.PORTRAIT, SURGICAL), DAY, 23),
        resident(three, Kind.PORTRAIT, WHITE, OVERCAST, 15, _STONE),
        Scene("nobody, empty street", None, SceneKind.EMPTY, EMPTY_S, light=OVERCAST, seed=16),
        stranger("P004", Kind.PORTRAIT, BLACK, OVERCAST, 17, _MOSS),
        resident(one, Kind.STUDIO, SURGICAL, OVERCAST, 18),
        stranger("P007", Kind.OUTDOORS, SURGICAL, BACKLIT, 19),
        attack("P002", Attack(Species.PHONE, one, Kind.SELFIE), OVERCAST, 24, _NAVY),
        resident(three, Kind.STUDIO, SURGICAL, DUSK, 20),
        stranger("P010", Kind.PORTRAIT, WHITE, DUSK, 21, _NAVY),
        resident(two, Kind.PORTRAIT, BLACK, LAMP, 22, _STONE),
    )
