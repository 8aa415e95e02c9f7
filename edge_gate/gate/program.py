# SPDX-License-Identifier: Apache-2.0
"""What the program `edge-gate-gate` does, which is also what `edge-gate run` becomes: settings, then the gate.

It loads nothing of the command line. What is heavy is imported where a failure is told in a sentence.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

from edge_gate.core.ending import end_well
from edge_gate.core.interrupts import ending_at_once

# Where zoneinfo looks by itself; to find that out it would load all that Python was built with, half a megabyte.
_ZONES: Final = "/usr/share/zoneinfo:/usr/lib/zoneinfo:/usr/share/lib/zoneinfo:/etc/zoneinfo"


def run(argv: Sequence[str] | None = None) -> int:
    """Run the gate until SIGTERM. Returns 0, or the exit code of the error that was told on stderr."""
    # Python's own hashes do. The system's OpenSSL would be the third here, beside those in SQLCipher and cryptography.
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]
    os.environ.setdefault("PYTHONTZPATH", _ZONES)
    return end_well("edge-gate-gate", partial(_serve, argv))


def _serve(argv: Sequence[str] | None) -> None:
    from edge_gate.settings.examination import read_arguments

    path, settings = read_arguments("edge-gate-gate", "Decides who is let in, and moves the door.", argv)
    with ending_at_once():
        from edge_gate.gate.main import serve
        from edge_gate.store.files import refuse_stranger

    refuse_stranger(settings.store.path)
    serve(settings, written_by=path.stat().st_uid)
