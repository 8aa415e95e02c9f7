# SPDX-License-Identifier: Apache-2.0
"""Whether a device file is that of a serial line, without opening it: that alone makes some boards restart or click."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def is_serial(found: os.stat_result) -> bool:
    """Tell by what the kernel says of the device; one of which it says nothing, as of a pseudo-terminal, may be one."""
    if not stat.S_ISCHR(found.st_mode):
        return False
    kind = Path(f"/sys/dev/char/{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}/subsystem")
    try:
        return kind.readlink().name == "tty"
    except OSError:
        return True
