# SPDX-License-Identifier: Apache-2.0
"""What most tests of a gate need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge_gate.relays.simulator import BoardSimulator


@pytest.fixture
def board() -> Iterator[BoardSimulator]:
    """A relay board of one channel on a pseudo-terminal."""
    with BoardSimulator("lcus1") as simulator:
        yield simulator
