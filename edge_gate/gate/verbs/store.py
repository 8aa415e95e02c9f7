# SPDX-License-Identifier: Apache-2.0
"""`store-check`: whether the store is whole."""

from __future__ import annotations

from collections.abc import Mapping

from edge_gate.gate.control.requests import Handler
from edge_gate.store.database import Store


class StoreVerbs:
    """Serves it."""

    def __init__(self, store: Store) -> None:
        self.handlers: Mapping[str, Handler] = {"store-check": lambda request: request.answer({"store": store.check()})}
