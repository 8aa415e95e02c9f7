# SPDX-License-Identifier: Apache-2.0
"""Runs inside a unit's sandbox on a kernel that has control groups for devices and memory, in the place of its program.

It opens devices that everybody may open, and then takes more memory than the unit allows, so that it is ended.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path

# A Pi's one-time keys are read through /dev/vcio; tpm_guest.py makes one that has no driver.
DEVICES = ("/dev/null", "/dev/vcio", "/dev/vda")
MORE_THAN_ANY_UNIT_MAY = 600


def opened(device: str) -> str:
    """Return "done", or the name of the error."""
    try:
        Path(device).open("rb").close()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def main() -> None:
    print(json.dumps({device: opened(device) for device in DEVICES}), flush=True)
    taken = []
    for _ in range(MORE_THAN_ANY_UNIT_MAY):
        taken.append(b"\xff" * (1 << 20))
    print(len(taken), flush=True)


if __name__ == "__main__":
    main()
