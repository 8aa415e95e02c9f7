# SPDX-License-Identifier: Apache-2.0
"""Where tests put their files, and what a test that was skipped means in CI.

Files lie in memory where there is room: what becomes of a disk is tried by the power cuts of tests/system.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure in CI of what is skipped elsewhere because a tool or a right is missing."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same where a whole file would be skipped."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longrepr}"
    return report
