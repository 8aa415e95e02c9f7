# SPDX-License-Identifier: Apache-2.0
"""Where tests put their files: in memory where there is room, since power cuts are tried by tests/system alone."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

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
