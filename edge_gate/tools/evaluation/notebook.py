# SPDX-License-Identifier: Apache-2.0
"""The figures of a report, each measured once: what is in the results file already is taken from there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge_gate.core.plain_files import read_plain

Results = dict[str, Any]
_LARGEST: Final = 1 << 26


class Notebook:
    """A results file that is written after each figure, so that an interrupted run goes on where it stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.results: Results = json.loads(read_plain(path, _LARGEST)) if path.is_file() else {}

    def note(self, section: str, name: str, figure: Callable[[], Any]) -> None:
        """Measure one figure unless it is there."""
        there = self.results.setdefault(section, {})
        if name not in there:
            sys.stderr.write(f"{section}: {name}\n")
            there[name] = figure()
            self._path.write_text(json.dumps(self.results, indent=1) + "\n")
