# SPDX-License-Identifier: Apache-2.0
"""edge-gate: opens a gate by the eye region alone, without keeping or sending a picture."""

import os

__version__ = "0.1.0"
# The day on which this version was made ready, in UTC: a clock that shows an earlier one is wrong (core/clock.py).
RELEASED = "2026-11-25"

# Before numpy loads: its threads would fight the camera loop for the board's few cores, and they make the short
# products of a search slower, not faster (10,000 templates on two busy cores: 0.1 ms with one thread, 11 ms with two).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
