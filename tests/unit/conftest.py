# SPDX-License-Identifier: Apache-2.0
"""What most tests of a gate need."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_gate.relays.simulator import BoardSimulator


@pytest.fixture
def board() -> Iterator[BoardSimulator]:
    """A relay board of one channel on a pseudo-terminal."""
    with BoardSimulator("lcus1") as simulator:
        yield simulator


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """A folder outside /dev, for sealed processes: of what is in there a seal with a device lets them change anything.

    Where there is room for it, tests/conftest.py puts ``tmp_path`` below /dev/shm.
    """
    with tempfile.TemporaryDirectory(prefix="eg-") as folder:
        yield Path(folder)
