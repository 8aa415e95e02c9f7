# SPDX-License-Identifier: Apache-2.0
"""Is it a person who stands there? The gate's side of presentation attack detection: scores in, a verdict out."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import StoreError
from edge_gate.gate.services import Journal
from edge_gate.provenance import cards
from edge_gate.rules.fusion import Approach
from edge_gate.rules.liveness import Liveness, LivenessPoint, Look, judge, measured, suspicion
from edge_gate.settings.config import Config
from edge_gate.settings.liveness import OFF, REQUIRE
from edge_gate.store import pad_trials
from edge_gate.store.database import Store
from edge_gate.store.pad_trials import LIVE, PadTrial

# After an attack twice as many looks are wanted for so long.
WARY_NS: Final = 10_000_000_000
UNMEASURED: Final = (
    "this camera was never measured, so eyes alone do not open: enrol somebody at it, or have somebody stand before it"
    " during `edge-gate pad record live`"
)
_log = logging.getLogger(__name__)


class AttackWatch:
    """One for each run of the gate. ``mode()``: off, watch or require, as it was agreed to."""

    def __init__(self, config: Config, store: Store, journal: Journal, clock: Clock) -> None:
        """Read the card. Raises ModelError."""
        card = cards.read(config.models, config.models.liveness)
        self.name = card.name
        self.point: LivenessPoint = card.liveness_point
        self.mode = config.liveness.mode
        self.camera = config.camera.name
        self.attacks = 0
        """How many attacks were told since the start."""
        self._model_id = card.model_id
        self._store = store
        self._journal = journal
        self._clock = clock
        self._attacked_ns: int | None = None
        self._people = 0
        self.count_people()

    @property
    def people(self) -> int:
        """How many people this camera was measured on."""
        return self._people

    @property
    def wanted(self) -> LivenessPoint | None:
        """By what an enrolment is judged; None where pictures are let pass."""
        return self.point if self.mode == REQUIRE else None

    @property
    def fault(self) -> str | None:
        """Why eyes alone do not open, or None."""
        return UNMEASURED if self.mode == REQUIRE and not self._people else None

    def count_people(self) -> None:
        """Look up how many people were measured. A store that fails leaves the camera as it was."""
        try:
            self._people = pad_trials.people_measured(self._store, self.camera, self._model_id)
        except StoreError as error:
            self._journal.note_fault(error)

    def may_open(self, approach: Approach) -> bool:
        """Tell whether what was seen of an approach is enough to open by it."""
        if self.mode != REQUIRE:
            return True
        return self._people > 0 and self.verdict(approach) is Liveness.LIVE

    def verdict(self, approach: Approach) -> Liveness:
        """Judge the approach as it stands."""
        return judge(approach.looks, self.point, twice=self.attacked_within(WARY_NS))

    def attacked_within(self, ns: int) -> bool:
        """Tell whether an attack was told so short a time ago."""
        return self._attacked_ns is not None and self._clock.monotonic_ns() - self._attacked_ns < ns

    def is_attack(self, approach: Approach) -> bool:
        """Tell whether an approach is one, where attacks are looked for."""
        return self.mode != OFF and self.verdict(approach) is Liveness.ATTACK

    def note_attack(self, approach: Approach) -> None:
        """Write that an attack was seen, once for an approach: what spoke against a person, and no score that could be
        climbed by."""
        if approach.attack_told:
            return
        approach.attack_told = True
        self.attacks += 1
        self._attacked_ns = self._clock.monotonic_ns()
        reason = suspicion(approach.looks).name.lower()
        detail = {"reason": reason, "looks": len(approach.looks), "captured_ns": approach.last.captured_ns}
        self._journal.record_seen("attack", detail=detail)
        _log.warning("an attack: %s", reason)

    def note_unsure(self, approach: Approach) -> None:
        """Write that it could not be told whether a known person stood there."""
        reason = "camera never measured" if self.fault else "not seen to be alive"
        detail = {"accepted": approach.accepted, "reason": reason, "captured_ns": approach.last.captured_ns}
        self._journal.record_seen("not acquired", detail=detail)

    def trial(self, species: str, source: str, looks: Sequence[Look], *, live: bool) -> PadTrial:
        """Return what was measured of one presentation; ``live``: it was found live at some moment, as a door would
        have opened."""
        scores = measured(looks)
        mean = sum(scores) / len(scores) if scores else None
        found = judge(looks, self.point)
        verdict = (Liveness.LIVE if live else Liveness.UNSURE if found is Liveness.LIVE else found).value
        return PadTrial(self.camera, self._model_id, species, source, len(scores), mean, verdict)

    def keep(self, trial: PadTrial) -> None:
        """Write a trial, in the transaction that is open. Raises StoreError."""
        pad_trials.append(self._store, trial)

    def keep_enrolled(self, looks: Sequence[Look]) -> None:
        """Write that somebody was measured as they were enrolled: the day and that, so that it leads to nobody."""
        live = judge(looks, self.point) is Liveness.LIVE
        trial = self.trial(LIVE, f"enrolled-{secrets.token_hex(4)}", looks, live=live)
        pad_trials.append(self._store, replace(trial, mean=None), dated=True)

    def trials(self) -> list[PadTrial]:
        """Return what was measured at this camera with this network. Raises StoreError."""
        return pad_trials.listed(self._store, self.camera, self._model_id)
