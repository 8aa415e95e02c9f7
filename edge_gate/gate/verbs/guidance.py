# SPDX-License-Identifier: Apache-2.0
"""`guidance`: what the person at the gate is told, line by line, for a display that shows or says it to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import Busy
from edge_gate.documents import guidance
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.recognition.approaches import Approaches
from edge_gate.gate.recognition.attacks import AttackWatch
from edge_gate.gate.recognition.limiter import Limiter

MOST_DISPLAYS: Final = 4
# A display that hears nothing for long takes the gate for dead (edge_gate.wire.client.PATIENCE_S).
AGAIN_NS: Final = 20_000_000_000


class GuidanceVerbs:
    """Serves it, until the display hangs up. It says nothing of who somebody is."""

    def __init__(self, approaches: Approaches, attacks: AttackWatch, limiter: Limiter, clock: Clock) -> None:
        self._approaches = approaches
        self._attacks = attacks
        self._limiter = limiter
        self._clock = clock
        self._displays: list[Request] = []
        self._told: dict[str, Any] = {}
        self._told_ns = 0
        self.handlers: Mapping[str, Handler] = {"guidance": self._begin}

    @property
    def heard(self) -> bool:
        """Whether a display is there."""
        return any(not each.gone for each in self._displays)

    def sentence(self, language: str) -> str | None:
        """Return what the person in front of the camera is told, in ``zh`` or ``en``; None where nobody is there."""
        approach = self._approaches.current
        if approach is None:
            return None
        if self._limiter.asks_for_token:
            return guidance.otherwise(language)
        asked = approach.challenge
        if asked is not None and asked.running:
            return guidance.asked(asked.asked, language)
        if approach.failed_at and asked is None:  # they are asked once more, or not any more
            return guidance.otherwise(language) if approach.settled else guidance.asked(None, language)
        if approach.attempt > 1 and self._attacks.is_attack(approach):
            return guidance.otherwise(language)  # kindly: it may be the sun on the lens
        return guidance.text(approach.last.refusal, language)

    def tick(self, now_ns: int) -> None:
        """Tell each display what is new, and forget those that have gone."""
        if not self._displays:
            return
        self._displays = [each for each in self._displays if not each.gone]
        told = self._line()
        if told == self._told and now_ns - self._told_ns < AGAIN_NS:
            return
        self._told, self._told_ns = told, now_ns
        for each in self._displays:
            each.progress(told)

    def _begin(self, request: Request) -> None:
        if len([each for each in self._displays if not each.gone]) >= MOST_DISPLAYS:
            raise Busy(f"the guidance on {MOST_DISPLAYS} displays")
        self._displays.append(request)
        request.progress(self._line())

    def _line(self) -> dict[str, Any]:
        return {"guidance": self.sentence("zh"), "guidance_en": self.sentence("en")}
