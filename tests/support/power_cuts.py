# SPDX-License-Identifier: Apache-2.0
"""A power cut before any one step that changes the disk, for tests of what must survive it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from edge_gate.store import files
from edge_gate.store.database import Store

# All by which forgetting and enrolling change the disk: the keyring's file and the database.
STORE_STEPS = (
    *((files, "_create"), (files, "sync"), (files, "_overwrite"), (files.Draft, "write"), (files.Draft, "sync")),
    *((Path, "rename"), (Store, "run"), (Store, "empty_log")),
)


class PowerCut(BaseException):
    """Everything stops here, and nothing tidies up."""


def stop(*_: object) -> None:
    raise PowerCut


def cut_before(patch: pytest.MonkeyPatch, number: int, steps: Iterable[tuple[object, str]]) -> Callable[[], int]:
    """Cut the power before the n-th of these ``steps`` (owner, name); return how many steps were begun."""
    begun = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **named: object) -> object:
            nonlocal begun
            begun += 1
            if begun > number:
                raise PowerCut
            return real(*arguments, **named)

        return step

    for owner, name in steps:
        patch.setattr(owner, name, counted(getattr(owner, name)))
    return lambda: begun
