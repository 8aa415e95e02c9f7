# SPDX-License-Identifier: Apache-2.0
"""The demo's story: enrol three people who do not exist, let everybody come to the gate, and say truly who got in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import DemoFailed, EdgeGateError
from edge_gate.relays.simulator import Change
from edge_gate.spec.registry import EVENTS
from edge_gate.tools.demo.attack import Species
from edge_gate.tools.demo.scene import Scene, SceneKind
from edge_gate.tools.demo.schedule import Schedule, Slot
from edge_gate.tools.demo.site import DemoSite, DiskAudit
from edge_gate.tools.demo.street_server import Street

# What a decision may take after the person has left the picture: the gap after which the gate ends an approach.
GRACE_S: Final = 1.1
KILL_AT: Final = 0.45
# A gate that is killed in the middle of an opening calls it failed, and the board may have moved all the same.
OPENINGS: Final = ("opening", "opening failed", "opened")
# As what a gate writes that a picture was held up, or that it could not tell.
SUSPICIONS: Final = ("attack", "not acquired")


@dataclass(frozen=True, slots=True)
class Approach:
    """What came of one approach: who came, whether the relay moved meanwhile, and for whom the gate says it did.

    ``attack`` is the kind of picture that was held up (None: a person came); ``who`` is then that picture, which nobody
    enrolled. ``told`` is as what the gate wrote that it did not take it for a person, and ``reason`` why, if it did.
    """

    scene: str
    who: str
    enrolled: bool
    opened: bool
    recognised_as: str | None
    score: float | None
    attack: Species | None = None
    told: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Lookalike:
    """The scene that shows the limit: ``enrolled`` is known for a moment, ``came`` is another who resembles her."""

    enrolled: str
    came: str
    opened: bool
    score: float | None
    threshold: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo reports. ``latencies_ms``: from the capture of the deciding picture to the relay's movement."""

    approaches: tuple[Approach, ...]
    lookalike: Lookalike | None
    latencies_ms: tuple[float, ...]
    threshold: float
    fmr: float
    audit: DiskAudit
    kills: tuple[str, ...]

    @property
    def opened(self) -> list[str]:
        """Who was let in, one entry for each approach."""
        return [each.who for each in self.approaches if each.opened]

    @property
    def refused(self) -> list[str]:
        """Who was not let in, one entry for each approach (an empty street is ``nobody``)."""
        return [each.who for each in self.approaches if not each.opened]

    @property
    def false_opens(self) -> list[str]:
        """Who or what was let in without being enrolled, or as somebody else."""
        return [
            each.who
            for each in self.approaches
            if each.opened and not (each.enrolled and each.recognised_as == each.who)
        ]

    @property
    def attacks(self) -> tuple[Approach, ...]:
        """The simulated pictures that were held up."""
        return tuple(each for each in self.approaches if each.attack is not None)

    @property
    def missed(self) -> list[str]:
        """Enrolled people who were let in on none of their approaches."""
        came = {each.who for each in self.approaches if each.enrolled}
        return sorted(came - {each.who for each in self.approaches if each.opened})

    @property
    def passed(self) -> bool:
        """Whether nobody and no picture was wrongly let in and every enrolled person was let in at least once."""
        return not self.false_opens and not self.missed

    def latency_ms(self) -> dict[str, float | None]:
        """Return p50 and p95, None where nothing opened."""
        if not self.latencies_ms:
            return {"p50": None, "p95": None}
        return {f"p{q}": round(float(np.percentile(self.latencies_ms, q)), 1) for q in (50, 95)}


@dataclass(slots=True, eq=False)
class Demo:
    """Plays a schedule in front of a site.

    ``tell`` gets a line for people; ``kill`` names the processes to kill in the middle of approaches, in turn.
    """

    site: DemoSite
    street: Street
    tell: Callable[[str], None]
    kill: tuple[str, ...] = ()
    _kills: list[str] = field(default_factory=list)
    _enrolled: set[str] = field(default_factory=set)

    def play(self, schedule: Schedule, lookalike: Schedule | None) -> Summary:
        """Enrol, watch everybody come, and sum up. Raises DemoFailed where the machinery itself fails."""
        self.site.rehearse()
        point = self.site.status().threshold
        approaches = tuple(self._played(schedule))
        limit = None
        if lookalike is not None:
            (came,) = self._played(lookalike)
            enrolled = next(slot.scene.who for slot in lookalike.slots if slot.scene.kind is SceneKind.ENROLMENT)
            limit = Lookalike(str(enrolled), came.who, came.opened, came.score, point.comparison_score)
        return Summary(
            approaches,
            limit,
            tuple(self._latencies()),
            point.comparison_score,
            point.fmr,
            self.site.audit(),
            tuple(self._kills),
        )

    def _played(self, schedule: Schedule) -> Iterator[Approach]:
        began_ns = self.street.play(schedule)
        for slot in schedule.slots:
            begins, ends = (began_ns + round(s * 1e9) for s in (slot.start_s, slot.end_s))
            _sleep_until(begins)
            if slot.scene.kind is SceneKind.ENROLMENT:
                self._enrol(slot)
                _sleep_until(ends)
            else:
                self._maybe_kill(slot, begins)
                _sleep_until(ends + round(GRACE_S * 1e9))
                approach = self._outcome(slot.scene, begins, ends + round(GRACE_S * 1e9))
                self._tell(approach)
                yield approach

    def _enrol(self, slot: Slot) -> None:
        who = str(slot.scene.who)
        try:
            answer = self.site.ask("enrol", name=who, consent=self.site.consent())
        except EdgeGateError as error:
            raise DemoFailed(f"{who} could not be enrolled: {error}", self.site.log()) from error
        self._enrolled.add(who)
        self.tell(f"{who} is enrolled from {answer['views']} views; no picture was stored")

    def _maybe_kill(self, slot: Slot, begins_ns: int) -> None:
        if not self.kill or slot.scene.kind not in (SceneKind.APPROACH, SceneKind.ATTACK):
            return
        which = self.kill[len(self._kills) % len(self.kill)]
        _sleep_until(begins_ns + round((slot.end_s - slot.start_s) * KILL_AT * 1e9))
        self.site.kill(which)
        self._kills.append(which)
        self.tell(f"the {which} was killed in the middle of an approach")

    def _outcome(self, scene: Scene, begins_ns: int, ends_ns: int) -> Approach:
        """Take the relay board's word for whether it opened, and the gate's log only for who it says it was."""
        opened = any(begins_ns <= each.at_ns <= ends_ns for each in self._openings())
        said = [event for event in self._events() if begins_ns <= event["detail"]["captured_ns"] <= ends_ns]
        newest = said[0] if said else None
        score = newest["score"] if newest else None
        name = newest["resident"] if newest else None
        attack = scene.attack.species if scene.attack else None
        told, reason = self._suspicion(begins_ns, ends_ns) if attack else (None, None)
        return Approach(
            scene.name, scene.comes, scene.comes in self._enrolled, opened, name, score, attack, told, reason
        )

    def _suspicion(self, begins_ns: int, ends_ns: int) -> tuple[str | None, str | None]:
        """Return as what the gate wrote that it took nobody for alive in this time, and why; None where it did not."""
        for kind in (each for each in SUSPICIONS if each in EVENTS):
            for event in self._ask_patiently("events", kind=kind, limit=50):
                detail = event["detail"]
                if begins_ns <= detail.get("captured_ns", -1) <= ends_ns:
                    return kind, detail.get("reason")
        return None, None

    def _openings(self) -> list[Change]:
        return [change for change in self.site.board.history if change.on]

    def _events(self) -> list[dict[str, Any]]:
        """Return what the gate wrote before it moved the door, newest first, whatever it says became of that."""
        found = {each["seq"]: each for kind in OPENINGS for each in self._ask_patiently("events", kind=kind, limit=200)}
        return [found[seq] for seq in sorted(found, reverse=True)]

    def _ask_patiently(self, verb: str, **request: Any) -> Any:
        """Ask again while the gate is being restarted."""
        for _ in range(100):
            try:
                return self.site.ask(verb, **request)
            except EdgeGateError:
                time.sleep(0.1)
        raise DemoFailed("the gate did not come back", self.site.log())

    def _latencies(self) -> Iterator[float]:
        """Pair each opening in the gate's log with the movement of the relay that follows the deciding picture."""
        for event in self._events():
            captured = event["detail"]["captured_ns"]
            after = [each.at_ns - captured for each in self._openings() if each.at_ns >= captured]
            if after:
                yield min(after) / 1e6

    def _tell(self, approach: Approach) -> None:
        verdict = "the gate OPENED" if approach.opened else "the gate stayed shut"
        score = None if approach.score is None else f"comparison score {approach.score:.1f}"
        why = ", ".join(each for each in (score, approach.told, approach.reason) if each)
        self.tell(f"{approach.scene}: {verdict}{f' ({why})' if why else ''}")


def _sleep_until(monotonic_ns: int) -> None:
    remaining = monotonic_ns - SystemClock().monotonic_ns()
    if remaining > 0:
        time.sleep(remaining / 1e9)
