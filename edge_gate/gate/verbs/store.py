# SPDX-License-Identifier: Apache-2.0
"""`store-check`: whether the store is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.jobs import Jobs, Slices
from edge_gate.store.database import Store
from edge_gate.store.integrity import IntegrityCheck

# How often the check's thread is asked whether it is done.
PAUSE_S: Final = 0.05


class StoreVerbs:
    """Serves it."""

    def __init__(self, store: Store, check: IntegrityCheck, jobs: Jobs) -> None:
        self._store = store
        self._check = check
        self._jobs = jobs
        self.handlers: Mapping[str, Handler] = {"store-check": self._begin}

    def _begin(self, request: Request) -> None:
        """Begin a check. It is a job, so it never reads while another one writes tables anew."""
        self._jobs.read(request, self._checked(request))

    def _checked(self, request: Request) -> Slices:
        self._store.empty_log(wait=False)
        self._check.begin()
        try:
            while not self._check.over:
                yield PAUSE_S
        finally:
            self._check.stop()
        request.answer({"store": [*self._store.unsafe_files(), *self._check.found]})
