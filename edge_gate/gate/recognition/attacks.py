# SPDX-License-Identifier: Apache-2.0
"""Is it a person who stands there? The gate's side of presentation attack detection: scores in, a verdict out."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import Final

from edge_gate.core.errors import StoreError
from edge_gate.gate.recognition.limiter import Limiter
from edge_gate.gate.services import Journal
from edge_gate.provenance import cards
from edge_gate.rules.fusion import Approach
from edge_gate.rules.liveness import Liveness, LivenessPoint, Look, judge, measured, suspicion
from edge_gate.settings.config import Config
from edge_gate.settings.liveness import OFF, REQUIRE
from edge_gate.store import pad_trials
from edge_gate.store.database import Store
from edge_gate.store.pad_trials import LIVE, PadTrial

UNMEASURED: Final = (
    "this camera was never measured, so eyes alone do not open: enrol somebody at it, or have somebody stand before it"
    " during `edge-gate pad record live`"
)
_log = logging.getLogger(__name__)


class AttackWatch:
    """One for each run of the gate. ``mode``: off, watch or require, as it was agreed to."""

    def __init__(self, config: Config, store: Store, journal: Journal, limiter: Limiter) -> None:
        """Read the card. Raises ModelError."""
        card = cards.read(config.models, config.models.liveness)
        self.name = card.name
        self.point: LivenessPoint = card.liveness_point
        self.mode = config.liveness.mode
        self.camera = config.camera.name
        self.attacks = 0
        """How many attacks were told since the start."""
        self.attacked_ns: int | None = None
        """When the last of them was seen."""
        self._model_id = card.model_id
        self._store = store
        self._journal = journal
        self._limiter = limiter
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
    def refuses(self) -> bool:
        """Whether what is not seen to be a person is refused, and not only told."""
        return self.mode == REQUIRE

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
        return judge(approach.looks, self.point, twice=self._limiter.strict)

    def is_attack(self, approach: Approach) -> bool:
        """Tell whether an approach is one, where attacks are looked for."""
        return self.mode != OFF and self.verdict(approach) is Liveness.ATTACK

    def unproven(self, approach: Approach) -> str:
        """Return why it was not seen that a person stands there, where that is asked for; empty where it was."""
        if self.may_open(approach):
            return ""
        return "camera never measured" if self.fault else "not seen to be alive"

    def found(self, looks: Sequence[Look], captured_ns: int) -> None:
        """Count an attack that was not seen at the door, and write that it was seen."""
        self._limiter.refused(attack=True)
        self.tell(looks, captured_ns)

    def tell(self, looks: Sequence[Look], captured_ns: int, *, anew: bool = True) -> None:
        """Note that an attack was seen. Write it, unless one of the same visit was told.

        It says what spoke against a person, and has no score that could be climbed by.
        """
        self.attacked_ns = captured_ns
        if not anew:
            return
        self.attacks += 1
        reason = suspicion(looks).name.lower()
        self._journal.record_seen("attack", detail={"reason": reason, "looks": len(looks), "captured_ns": captured_ns})
        _log.warning("an attack: %s", reason)

    def trial(self, species: str, source: str, looks: Sequence[Look], *, live: bool) -> PadTrial:
        """Return what was measured of one presentation; ``live``: it was found live at some moment, as a door would
        have opened."""
        found = judge(looks, self.point)
        verdict = (Liveness.LIVE if live else Liveness.UNSURE if found is Liveness.LIVE else found).value
        return PadTrial(self.camera, self._model_id, species, source, len(measured(looks)), verdict)

    def keep(self, trial: PadTrial) -> None:
        """Write a trial, in the transaction that is open. Raises StoreError."""
        pad_trials.append(self._store, trial)

    def keep_enrolled(self, looks: Sequence[Look]) -> None:
        """Write that somebody was measured as they were enrolled: the day and that, so that it leads to nobody."""
        live = judge(looks, self.point) is Liveness.LIVE
        pad_trials.append(
            self._store, self.trial(LIVE, f"enrolled-{secrets.token_hex(4)}", looks, live=live), dated=True
        )

    def trials(self) -> list[PadTrial]:
        """Return what was measured at this camera with this network. Raises StoreError."""
        return pad_trials.listed(self._store, self.camera, self._model_id)
