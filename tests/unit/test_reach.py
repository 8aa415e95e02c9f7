# SPDX-License-Identifier: Apache-2.0
"""Why the gate cannot be asked, and what helps. tests/system/test_users.py has it with real users."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_gate.cli.reach import find_way_in
from edge_gate.core.errors import AlreadyRunning
from edge_gate.store.lock import find_holder, sole_use

NAMED = ("gate", "keepers", "readers")
NUMBERS = {"gate": 10, "keepers": 11, "readers": 12}


@pytest.mark.parametrize(
    ("listed", "held", "says"),
    [
        ((), (), "Have yourself added to the group of your role (gate, keepers, readers)"),
        ((), (11,), "Have yourself added"),  # by newgrp: the gate goes by the system's list
        (("keepers",), (), "began before the group keepers was given to it: log out and in again"),
        (("gate", "readers"), (10,), "began before the group readers"),
        (("keepers",), (11,), "sudo systemctl restart edge-gate"),
    ],
)
def test_who_is_kept_out_is_told_the_way_in(listed: tuple[str, ...], held: tuple[int, ...], says: str) -> None:
    assert says in find_way_in(NAMED, held, lambda group: NUMBERS[group] if group in listed else None)


def test_who_holds_a_store_can_be_seen(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    assert find_holder(store) is None and find_holder(tmp_path / "nowhere" / "a.db") is None
    with sole_use(store):
        assert find_holder(store) == os.getpid()
        with pytest.raises(AlreadyRunning, match=rf"\({os.getpid()}\).*At a desk"), sole_use(store):
            pass
    assert find_holder(store) is None
