# SPDX-License-Identifier: Apache-2.0
"""What most tests of a gate need, and where their files lie.

Files lie in memory where there is room. What becomes of a disk is tried by the power cuts of tests/system.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_gate.relays.simulator import BoardSimulator

MEMORY = Path("/dev/shm")
# Several times of what all tests together leave there.
ROOM_BYTES = 2 * 1024**3


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose a folder in memory, unless one was named. Workers of xdist are told theirs by the first process."""
    if config.option.basetemp is not None or hasattr(config, "workerinput"):
        return
    try:
        if shutil.disk_usage(MEMORY).free < ROOM_BYTES:
            return
        folder = Path(tempfile.mkdtemp(prefix="eg-", dir=MEMORY))  # short: a socket's path has 107 bytes
    except OSError:
        return
    config.option.basetemp = folder / "t"
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture
def board() -> Iterator[BoardSimulator]:
    """A relay board of one channel on a pseudo-terminal."""
    with BoardSimulator("lcus1") as simulator:
        yield simulator


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """A folder outside /dev, for sealed processes: of what is in there a seal with a device lets them change anything.

    Where there is room for it, this module puts ``tmp_path`` below /dev/shm.
    """
    with tempfile.TemporaryDirectory(prefix="eg-") as folder:
        yield Path(folder)
