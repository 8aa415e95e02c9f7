# SPDX-License-Identifier: Apache-2.0
"""What the gate runs with: software, models and configuration, for the audit row of each start.

A card that was once signed stays good (edge_gate/provenance/cards.py), so an older release's model can be put back with
its card and signature. That is not refused. It is seen: each start has every model's name and hash, and where one is
another than before, a row of its own has both. Models are looked at again when an eye joins, for that is when it loads
them; what an eye has in its memory is its own word all the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import edge_gate
from edge_gate.core.errors import ModelError
from edge_gate.provenance import cards
from edge_gate.settings.config import Config, ModelSettings
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.chain import STARTED
from edge_gate.store.database import Store

_DIGITS: Final = 16
_LONGEST_NAME: Final = 100


class SoftwareInventory:
    """What is run with now, compared with the last start. ``note(verb, detail=...)`` writes an audit row."""

    def __init__(self, config: Config, store: Store, note: Callable[..., None]) -> None:
        self._config = config
        self._note = note
        self._before = _last(store)
        self._now: dict[str, Any] = {
            "software": edge_gate.__version__,
            "models": models(config.models),
            "configuration": configuration(config),
        }

    def written(self) -> dict[str, Any]:
        """Return what stands in the row of a start."""
        return dict(self._now)

    def start(self) -> None:
        """Write down what is another than at the last start that told it."""
        for part in self._now:
            if part in self._before:
                self._compare(part, self._before[part])

    def look(self) -> None:
        """Look at the models again and write down which are others than before."""
        before, self._now["models"] = self._now["models"], models(self._config.models)
        self._compare("models", before)

    def _compare(self, part: str, before: Any) -> None:
        now = self._now[part]
        if now == before:
            return
        if isinstance(before, dict):
            changed = [role for role in now if before.get(role) != now[role]]
            before, now = ({role: each.get(role) for role in changed} for each in (before, now))
        self._note(f"{part} changed", detail={"from": before, "to": now})


def _last(store: Store) -> dict[str, Any]:
    """Return what the last start wrote down, with the models that the eye may have loaded after it."""
    started, changed = audit_log.latest(store, STARTED), audit_log.latest(store, "models changed")
    said = started.said if started else {}
    if started and changed and changed.seq > started.seq and "models" in said:
        said["models"] |= changed.said.get("to", {})
    return said


def models(settings: ModelSettings) -> dict[str, str]:
    """Return each role's model by name and the beginning of its SHA-256, or why it does not load."""
    return {role: _model(settings, name) for role, name in settings.used.items()}


def configuration(config: Config) -> str:
    """Return the beginning of a SHA-256 over every setting that holds, whether the file has it or a default."""
    settings = json.dumps(asdict(config), default=str, sort_keys=True)
    return hashlib.sha256(settings.encode()).hexdigest()[:_DIGITS]


def _model(settings: ModelSettings, name: str) -> str:
    try:
        known = str(cards.read(settings, name).fields["sha256"])[:_DIGITS]
    except ModelError as error:
        known = type(error).__name__
    return f"{name[:_LONGEST_NAME]} {known}"
