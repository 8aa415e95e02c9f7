# SPDX-License-Identifier: Apache-2.0
"""How the gate's work grows with its residents: how long each verb takes, and how long it keeps the door waiting.

A whole gate runs in a thread, with a simulated board and without an eye, and is asked over its control socket. What a
turn of its loop takes is timed from the end of the wait to the end of the turn.
"""

from __future__ import annotations

import os
import selectors
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from edge_gate.gate.gate import Gate
from edge_gate.gate.main import open_gate
from edge_gate.provenance import cards
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules.protection import BITS
from edge_gate.settings import config
from edge_gate.settings.config import Config
from edge_gate.store.audit.chain import Checkpoint, End, Row, examine
from edge_gate.store.keys.source import load_key
from edge_gate.store.people import consent, residents
from edge_gate.store.templates import templates
from edge_gate.tools.bench.crowd import fill
from edge_gate.tools.bench.processes import MakeSite
from edge_gate.wire.client import ask

COUNTS: Final = (100, 1_000, 10_000, 100_000)
PATIENCE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds until the answer, and of the longest turn of the gate's loop meanwhile: with waiting for the disk
    and for a processor, and in processor time alone."""

    whole_ms: float
    turn_ms: float
    turn_cpu_ms: float


@dataclass(frozen=True, slots=True)
class Growth:
    """What one size of a site costs. ``start_ms`` is the opening of the gate, with everybody in its gallery."""

    residents: int
    store_mb: float
    start_ms: float
    verbs: Mapping[str, Took]


@dataclass(slots=True)
class Stopwatch(selectors.BaseSelector):
    """A selector that notes when each wait ended, for `turned` to take the time of the turn."""

    inner: selectors.BaseSelector
    longest_ns: int = 0
    longest_cpu_ns: int = 0
    _began_ns: int = field(default_factory=time.perf_counter_ns)
    _began_cpu_ns: int = 0

    def register(self, *of: Any, **named: Any) -> selectors.SelectorKey:
        """As the inner one."""
        return self.inner.register(*of, **named)

    def unregister(self, *of: Any) -> selectors.SelectorKey:
        """As the inner one."""
        return self.inner.unregister(*of)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """As the inner one."""
        return self.inner.get_map()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As the inner one; the turn begins when it returns."""
        ready = self.inner.select(timeout)
        self._began_ns, self._began_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        return ready

    def turned(self) -> None:
        """Note that the turn is over."""
        self.longest_ns = max(self.longest_ns, time.perf_counter_ns() - self._began_ns)
        self.longest_cpu_ns = max(self.longest_cpu_ns, time.thread_time_ns() - self._began_cpu_ns)


def measure_growth(make_site: MakeSite, say: Callable[[str], None], counts: tuple[int, ...] = COUNTS) -> list[Growth]:
    """Measure a site of each size, one after the other."""
    return [_measured(make_site, count, say) for count in counts]


def _measured(make_site: MakeSite, count: int, say: Callable[[str], None]) -> Growth:
    with tempfile.TemporaryDirectory(prefix="edge-gate-growth-") as folder, BoardSimulator("lcus1") as board:
        settings = config.load(make_site(Path(folder) / "site", {"door": {"relay": "lcus1", "port": board.path}}))
        card = cards.read(settings.models, settings.models.eyes)
        say(f"writing a store of {count:,} residents")
        key = load_key(settings.store, os.environ)
        people = fill(settings.store.path, key, count, card.model_id, card.dimensions)
        say(f"a gate with {count:,} residents")
        with _running(settings) as (gate, watch, start_ms):
            verbs = {name: _timed(gate, watch, act) for name, act in _acts(gate, settings, people)}
        return Growth(count, settings.store.path.stat().st_size / 1e6, start_ms, verbs)


def _acts(gate: Gate, settings: Config, people: list[residents.Resident]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is asked, in an order in which each finds what it needs."""
    # At a start, and in the loop where the store had failed, or two people put the time right.
    yield "gallery, whole", lambda: _in_gate(gate, gate.recognition.load)
    yield "status", lambda: ask(settings, "status")
    yield "residents", lambda: _all_residents(settings)
    yield "events", lambda: ask(settings, "events", limit=500)
    yield "events --kind", lambda: ask(settings, "events", kind="not acquired", limit=20)
    yield "enrol", lambda: _enrol(gate)
    yield "consent withdraw", lambda: ask(settings, "withdraw", name=people[1].id)
    yield "forget", lambda: ask(settings, "forget", name=people[0].id)
    yield "audit --resident", lambda: ask(settings, "audit-resident", name=people[-1].id)
    yield "audit verify", lambda: _verify(settings)
    yield "store-check", lambda: ask(settings, "store-check")


def _timed(gate: Gate, watch: Stopwatch, act: Callable[[], object]) -> Took:
    watch.longest_ns = watch.longest_cpu_ns = 0
    began_ns = time.perf_counter_ns()
    act()
    whole_ms = (time.perf_counter_ns() - began_ns) / 1e6
    _in_gate(gate, lambda: None)  # the turn that answered is over
    return Took(whole_ms, watch.longest_ns / 1e6, watch.longest_cpu_ns / 1e6)


def _all_residents(settings: Config) -> None:
    page: list[dict[str, Any]] = [{}]
    after = ""
    while page:
        page = ask(settings, "residents", after=after)
        after = page[-1]["name"] if page else ""


def _verify(settings: Config) -> None:
    rows: list[Row] = []
    signed: list[Checkpoint] = []
    more, end = True, None
    while more:
        page = ask(settings, "audit", first=len(rows) + 1)
        rows += map(Row.of, page["rows"])
        signed += map(Checkpoint.read, page["checkpoints"])
        more, end = page["more"], page["end"]
    examine(rows, signed, End.read(end) if end else None)


def _enrol(gate: Gate) -> None:
    """Store one more resident, as the end of an enrolment does."""

    def store() -> None:
        with gate.store.transaction():
            who = residents.add(gate.store, "somebody new")
            until = gate.store.now() + timedelta(days=1)
            consent.record(gate.store, who.id, purpose="entry", given_by=who.name, until=until, operator="bench")
            card = gate.recognition.card
            code = bytes(BITS // 8)
            templates.put(gate.store, templates.Template(who.id, card.model_id, 5, code, card.dimensions))
        gate.recognition.refresh(who.id)

    _in_gate(gate, store)


def _in_gate(gate: Gate, act: Callable[[], object]) -> None:
    """Do something in the gate's own thread, and return when it is done."""
    done = threading.Event()
    gate.call(act)
    gate.call(done.set)
    done.wait(PATIENCE_S)


@contextmanager
def _running(settings: Config) -> Iterator[tuple[Gate, Stopwatch, float]]:
    """Run a gate in a thread. Yields it, its stopwatch, and in how many milliseconds it was ready."""
    ready = threading.Event()
    box: list[tuple[Gate, Stopwatch, float]] = []

    def body() -> None:
        began_ns = time.perf_counter_ns()
        try:
            with open_gate(settings) as gate:
                watch = Stopwatch(gate.loop.selector)
                gate.loop.selector = watch
                box.append((gate, watch, (time.perf_counter_ns() - began_ns) / 1e6))
                ready.set()
                gate.run(watch.turned)
        finally:
            ready.set()

    thread = threading.Thread(target=body)
    thread.start()
    ready.wait(PATIENCE_S)
    try:
        yield box[0]
    finally:
        if box:
            box[0][0].stop()
        thread.join()
