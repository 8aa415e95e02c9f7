# SPDX-License-Identifier: Apache-2.0
"""Who is known, and how sure the gate has to be: the gallery, the transform, the operating point and the policy."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import NoOperatingPoint, StoreError
from edge_gate.provenance import cards
from edge_gate.rules.comparison import Gallery
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.rules.policy import Policy
from edge_gate.rules.protection import SiteTransform, correct_threshold
from edge_gate.settings.config import DecisionSettings, ModelSettings
from edge_gate.store.database import Store
from edge_gate.store.people import vouching
from edge_gate.store.templates import renewal, templates

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

    def __init__(self, store: Store, models: ModelSettings, clock: Clock) -> None:
        """Read the card; `adopt` and `prepare` come next. Raises ModelError."""
        self._store = store
        self._clock = clock
        self.fault: str | None = None
        """Why the gallery could not be read; None where it was."""
        self.doubtful: frozenset[str] = frozenset()
        """Those whose name or consents are not as was vouched for. They are not compared."""
        self.card = cards.read(models, models.eyes)
        # When the consent of each resident in the gallery ends, and the first of these moments.
        self._until: dict[str, datetime] = {}
        self._soonest: datetime | None = None
        self._gallery: Gallery
        # Whether somebody's consent has ended since that was written down, and when that is tried next.
        self._ended, self._keep_ns = False, 0
        self._retry_ns: int | None = None

    @property
    def gallery(self) -> Gallery:
        """Everybody whose consent holds at this moment, and nobody else."""
        self._let_go()
        return self._gallery

    def check(self, decision: DecisionSettings) -> None:
        """Raise NoOperatingPoint for settings for which the card has no point."""
        self.card.threshold("fused", decision.fmr)

    def prepare(self) -> None:
        """Read the transform from the store, after `adopt` and before anything is compared. Raises StoreError."""
        self.transform, self.newly_protected = renewal.prepare(self._store)
        # Drawing the axes takes a moment, in which an approach could be lost: now, not in the middle of an enrolment.
        if self.card.dimensions:
            self.transform.axes(self.card.dimensions)
        self._gallery = Gallery.of((), (), self.transform)

    def adopt(self, agreed: DecisionSettings, wanted: DecisionSettings) -> str:
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
        self.policy = Policy(self.point, agreed)
        return held

    def load(self) -> None:
        """Read the templates of everyone whose consent holds at this moment. Raises StoreError."""
        doubtful = frozenset(vouching.doubtful(self._store))
        known = templates.references(self._store, self.card.model_id, self._store.now())
        found = [each for each in known if each.template.resident_id not in doubtful]
        self._until = {each.template.resident_id: each.until for each in found}
        codes = [each.template.code for each in found]
        self._show(Gallery.of([each.template.resident_id for each in found], codes, self.transform))
        self.fault, self._retry_ns, self.doubtful = None, None, doubtful

    def refresh(self, resident_id: str) -> None:
        """Read one resident's template again, after it was stored or removed. An unreadable one is not compared."""
        try:
            found = templates.references(self._store, self.card.model_id, self._store.now(), resident_id)
            if vouching.doubtful(self._store, [resident_id]):
                found = []
                self.doubtful |= {resident_id}
            else:
                self.doubtful -= {resident_id}
        except StoreError as error:
            found = []
            self._note_fault(error)
        gallery = self.gallery.without({resident_id})
        self._until.pop(resident_id, None)
        for each in found:
            gallery = gallery.including(resident_id, each.template.code)
            self._until[resident_id] = each.until
        self._show(gallery)

    def renew(self, transform: SiteTransform, codes: Mapping[str, bytes]) -> None:
        """Compare under another transform, under which the store's templates are now: one code for each resident."""
        self.transform = transform
        ids = [each for each in self.gallery.ids if each in codes]
        self._show(Gallery.of(ids, [codes[each] for each in ids], transform))

    def tick(self, now_ns: int) -> None:
        """Let go of those whose consent has ended, and write down that they did: they never hold again, though the date
        be set back and the gate started anew. Read all again where the store had failed. Raises StoreError."""
        if self._retry_ns is not None and now_ns >= self._retry_ns:
            self.reload()
        self._let_go()
        if self._ended and now_ns >= self._keep_ns:
            self._keep_ns = now_ns + RETRY_NS
            self._store.keep_time()
            self._ended = False

    def reload(self) -> None:
        """Read the gallery again. A store that fails leaves nobody in it: a template may have gone meanwhile."""
        try:
            self.load()
        except StoreError as error:
            self._until = {}
            self._show(Gallery.of((), (), self.transform))
            self._note_fault(error)

    def _let_go(self) -> None:
        """Take out those whose consent has ended."""
        now = self._store.now()
        if self._soonest is not None and now >= self._soonest:
            ended = {each for each, until in self._until.items() if now >= until}
            self._until = {each: until for each, until in self._until.items() if each not in ended}
            self._show(self._gallery.without(ended))
            self._ended = True

    def _show(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._soonest = min(self._until.values(), default=None)

    def _note_fault(self, error: StoreError) -> None:
        self._retry_ns = self._clock.monotonic_ns() + RETRY_NS
        if self.fault is None:
            _log.error("the gallery cannot be read: %s", error)
        self.fault = str(error)
