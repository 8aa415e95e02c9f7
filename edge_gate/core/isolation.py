# SPDX-License-Identifier: Apache-2.0
"""Python's isolated mode: no module from the current folder or the user's own, and no PYTHON* of the environment.

The units name it. A script that pip made starts without it, and begins again with it. `python -m` is the caller's
choice, and what is started from there goes the same way.
"""

import os
import sys


def begin_again_isolated(module: str) -> None:
    """Put this module, in isolated mode, in the place of this process; return where it is in that mode already."""
    if not sys.flags.isolated:
        os.execv(sys.executable, [sys.executable, "-I", "-m", module, *sys.argv[1:]])  # noqa: S606 - ourselves


def module_command(module: str) -> list[str]:
    """Return the command line that runs a module of ours, isolated as this process is.

    Without -I there is -P all the same: no module comes from the folder where somebody stands.
    """
    return [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", module]
