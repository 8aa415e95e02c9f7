# SPDX-License-Identifier: Apache-2.0
"""Who is known, and how sure the gate has to be: the gallery, the transform, the operating point and the policy."""

from __future__ import annotations

import logging
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import NoOperatingPoint, StoreError
from edge_gate.provenance import cards
from edge_gate.rules.agreed_policy import AgreedPolicy
from edge_gate.rules.comparison import Gallery
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.rules.policy import Policy
from edge_gate.rules.protection import SiteTransform, correct_threshold
from edge_gate.settings.config import DecisionSettings, ModelSettings
from edge_gate.store.database import Store
from edge_gate.store.templates import renewal, templates

REFRESH_NS: Final = 60_000_000_000
RETRY_NS: Final = 1_000_000_000
_log = logging.getLogger(__name__)
NO_OLD_POINT: Final = "decision.fmr was raised, and this model has no point at the old one"


class Recognition:
    """What a probe is compared with, and by what it is judged. It changes at run time, so it is asked each time."""

    plain_point: OperatingPoint
    """The card's operating point; ``point`` is the one for protected templates."""
    point: OperatingPoint
    policy: Policy
    transform: SiteTransform
    newly_protected: int
    """How many templates were vectors until this start."""
    gallery: Gallery

    def __init__(self, store: Store, models: ModelSettings, decision: DecisionSettings, clock: Clock) -> None:
        """Read the card; `adopt` and `prepare` come next. Raises ModelError."""
        self._store = store
        self._clock = clock
        self.fault: str | None = None
        """Why the gallery could not be read; None where it was."""
        self._decision = decision
        self.card = cards.read(models, models.eyes)
        self._opened: dict[bytes, templates.Template] = {}
        self._due_ns = 0

    def check(self, policy: AgreedPolicy) -> None:
        """Raise NoOperatingPoint for a policy for which the card has no point."""
        self.card.threshold("fused", policy.fmr)

    def prepare(self) -> None:
        """Read the transform from the store, after `adopt` and before anything is compared. Raises StoreError."""
        self.transform, self.newly_protected = renewal.prepare(self._store)
        # Drawing the axes takes a moment, in which an approach could be lost: now, not in the middle of an enrolment.
        if self.card.dimensions:
            self.transform.axes(self.card.dimensions)
        self.gallery = Gallery.of((), (), self.transform)

    def adopt(self, agreed: AgreedPolicy, wanted: AgreedPolicy) -> str:
        """Decide by the settings that were agreed to. Returns why nothing may be opened by them, or nothing.

        ``wanted``: what the file asks for. Raises NoOperatingPoint where the card has the point of neither.
        """
        held = ""
        try:
            self.plain_point = self.card.threshold("fused", agreed.fmr)
        except NoOperatingPoint:
            self.plain_point = self.card.threshold("fused", wanted.fmr)
            held = NO_OLD_POINT
        # The card's point is of two vectors; the scores of protected templates are less exact.
        self.point = correct_threshold(self.card.operating_points, self.plain_point)
        self.policy = Policy(self.point, agreed.decision(self._decision))
        return held

    def reload(self) -> None:
        """Read the gallery again. A store that fails leaves nobody in it: a template may have gone meanwhile."""
        try:
            self.load()
        except StoreError as error:
            self._opened, self.gallery = {}, Gallery.of((), (), self.transform)
            self._due_ns = self._clock.monotonic_ns() + RETRY_NS
            if self.fault is None:
                _log.error("the gallery cannot be read: %s", error)
            self.fault = str(error)

    def load(self) -> None:
        """Read the templates of everyone whose consent holds at this moment. Raises StoreError."""
        # A template whose seal was opened before is not opened again each minute.
        found = templates.gallery(self._store, self.card.model_id, self._clock.now(), self._opened.get)
        self._opened = {each.seal: each for each in found}
        self.gallery = Gallery.of([each.resident_id for each in found], [each.code for each in found], self.transform)
        self._due_ns = self._clock.monotonic_ns() + REFRESH_NS
        self.fault = None

    def renew(self, transform: SiteTransform) -> None:
        """Compare under another transform, under which the store's templates are now."""
        self.transform = transform
        self.reload()

    def tick(self, now_ns: int) -> None:
        """Read the gallery again now and then: consents end by themselves, and stores recover."""
        if now_ns >= self._due_ns:
            self.reload()
