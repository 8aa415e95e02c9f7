# SPDX-License-Identifier: Apache-2.0
"""The date of the machine is read in one place, and nobody decides by it but through the store's clock."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import edge_gate
from edge_gate.core.clock import RELEASED

PACKAGE = Path(__file__).parents[2] / "edge_gate"
READS = "core/clock.py"
# Who may ask a machine's clock for its date, and why it does not matter there that it may be wrong.
MAY_ASK = {
    "store/trusted_clock.py": "it judges it",
    "store/database.py": "it asks the trusted clock",
    "cli/enrol.py": "a last day is proposed to a person, and the gate judges it",
    "cli/checks/health.py": "it is shown, and compared with the software's own",
    "cli/relays.py": "a simulator's lines are dated for whoever looks on",
    "tools/demo/site.py": "a demo's consent, which the gate judges",
}
DATES = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
    ("time", "ctime"),
    ("time", "asctime"),
    ("time", "CLOCK_REALTIME"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
}


def readings(source: str) -> Iterator[str]:
    """Yield each place of a text that reads the machine's date, or asks a clock for it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if (owner, node.attr) in DATES:
                yield f"reads {owner}.{node.attr}"
            elif node.attr == "now" and not _of_the_store(node.value):
                yield "asks"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (f"reads time.{each.name}" for each in node.names if ("time", each.name) in DATES)


def _of_the_store(owner: ast.expr) -> bool:
    """Whether it is a store that is asked, or what else has a `now` and no date: a street that is played."""
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return name in {"store", "_store", "street", "schedule", "self"}


def test_the_date_is_read_in_one_place_and_asked_for_in_few() -> None:
    found = {
        str(path.relative_to(PACKAGE)): set(readings(path.read_text(encoding="utf-8")))
        for path in PACKAGE.rglob("*.py")
    }
    assert {name for name, each in found.items() if any(one.startswith("reads") for one in each)} == {READS}
    assert {name for name, each in found.items() if "asks" in each} - {READS} == set(MAY_ASK)


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.time()",
        "from time import time_ns\n",
        "import time\ntime.clock_gettime(time.CLOCK_REALTIME)",
        "x = datetime.now(UTC)",
        "x = datetime.datetime.utcnow()",
        "x = date.today()",
        "x = self._clock.now()",
        "x = store.clock.now()",
        "f = SystemClock().now",
    ],
)
def test_a_reading_would_be_seen(source: str) -> None:
    assert list(readings(source))


def test_the_software_has_a_date_which_is_past_and_no_older_than_its_newest_release() -> None:
    """Whoever makes a release sets it (docs/developer.md): a clock that shows an earlier date is wrong."""
    released = date.fromisoformat(edge_gate.RELEASED)
    assert RELEASED == datetime(released.year, released.month, released.day, tzinfo=UTC) < datetime.now(UTC)
    headings = (PACKAGE.parent / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    dated = [line.rpartition(" - ")[2] for line in headings if line.startswith("## [") and " - " in line]
    assert all(date.fromisoformat(day) <= released for day in dated)
