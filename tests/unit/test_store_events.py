# SPDX-License-Identifier: Apache-2.0
"""Events: written before anything happens, durable when acknowledged, found again after a crash."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import StoreError, UnknownEventKind
from edge_gate.spec.registry import EVENTS
from edge_gate.store import events
from edge_gate.store.database import Store
from tests.support.clocks import HeldClock

KEY = bytes(range(32))
ADA, BOB = "a" * 36, "b" * 36


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(moment=datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path, clock: HeldClock) -> Iterator[Store]:
    with Store.create(tmp_path / "edge-gate.db", KEY, clock) as opened:
        yield opened


def test_an_event_is_read_back_as_it_was_returned(store: Store) -> None:
    written = events.append(store, "opened", resident_id=ADA, score=0.75, detail={"track": 3, "说明": [None, 1.5]})
    plain = events.append(store, "started")
    assert events.recent(store) == [plain, written]
    assert written.at == datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    assert (plain.resident_id, plain.score, plain.detail, plain.outcome) == (None, None, {}, None)


def test_an_awaited_event_is_unfinished_until_its_outcome_is_written(store: Store, clock: HeldClock) -> None:
    first, second = (events.append(store, "opened", resident_id=ADA, awaited=True) for _ in range(2))
    events.append(store, "no match")
    assert events.unfinished(store) == [first, second]
    clock.moment += timedelta(seconds=1)
    events.finish(store, first.id, "opened")
    assert events.unfinished(store) == [second]
    assert events.recent(store)[-1] == replace(first, outcome="opened", outcome_at=store.now())


def test_an_outcome_is_written_once_and_only_where_one_is_awaited(store: Store) -> None:
    awaited, plain = events.append(store, "opened", awaited=True), events.append(store, "no match")
    events.finish(store, awaited.id, "opened")
    for event_id in (awaited.id, plain.id, "nothing"):
        with pytest.raises(StoreError, match="no outcome is awaited"):
            events.finish(store, event_id, "failed")
    assert events.recent(store)[-1].outcome == "opened"


def test_filters_may_be_combined_and_the_newest_come_first(store: Store, clock: HeldClock) -> None:
    for minute in range(6):
        kind, resident_id = ("enrolled", ADA) if minute % 2 else ("no match", None)
        events.append(store, kind, resident_id=resident_id, detail={"minute": minute})
        clock.moment += timedelta(minutes=1)
    begin = clock.moment - timedelta(minutes=4)

    def minutes(**filters: Any) -> list[int]:
        return [event.detail["minute"] for event in events.recent(store, **filters)]

    assert minutes() == [5, 4, 3, 2, 1, 0]
    assert minutes(limit=2) == [5, 4]
    assert minutes(kind="enrolled") == [5, 3, 1]
    assert minutes(resident_id=ADA, limit=1) == [5]
    assert minutes(resident_id=BOB) == []
    assert minutes(since=begin) == [5, 4, 3, 2]
    assert minutes(since=begin, kind="no match") == [4, 2]


def test_order_survives_a_clock_that_jumps_back(store: Store, clock: HeldClock) -> None:
    before = events.append(store, "started")
    clock.moment -= timedelta(days=20_000)
    after = events.append(store, "started")
    assert after.at >= before.at
    assert events.recent(store) == [after, before]
    assert after.seq > before.seq


def test_a_score_that_is_no_number_is_kept_as_none(store: Store) -> None:
    assert events.append(store, "opened", score=math.nan) == events.recent(store)[0]
    assert events.recent(store)[0].score is None


def test_no_score_of_a_refusal_is_kept(store: Store) -> None:
    """Whoever could read it could climb by it. Of all that happens only an opening has one."""
    scored = {each.name for each in EVENTS.values() if each.scored}
    assert scored == {"opened"}
    for kind in (each.name for each in EVENTS.values() if not each.written_as and not each.scored):
        with pytest.raises(ValueError, match="has no score"):
            events.append(store, kind, score=0.49)
    assert events.recent(store) == []


def test_a_detail_that_is_too_long_leaves_no_event(store: Store) -> None:
    with pytest.raises(StoreError, match="longer than"):
        events.append(store, "opened", detail={"why": "x" * events.LONGEST_DETAIL_BYTES})
    assert events.recent(store) == []


@given(st.text(max_size=20).filter(lambda kind: kind not in EVENTS))
@example("refused")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_kind_that_no_capability_declares_is_never_written(store: Store, kind: str) -> None:
    with pytest.raises(ValueError, match="no capability declares"):
        events.append(store, kind)
    assert events.recent(store) == []


def test_a_search_for_an_unknown_kind_names_those_that_exist_and_a_renamed_ones_name(store: Store) -> None:
    for former, now in (("refused", "no match"), ("unclear", "not acquired")):
        with pytest.raises(UnknownEventKind, match=f"'{former}'; it is named '{now}' now"):
            events.recent(store, kind=former)
    with pytest.raises(UnknownEventKind) as unknown:
        events.recent(store, kind="")
    assert "now" not in str(unknown.value) and all(kind in str(unknown.value) for kind in EVENTS)


OUTCOMES = ("confirmed", "unconfirmed", "failed: the relay does not answer", "failed", "interrupted")
OPENINGS = {each.name for each in EVENTS.values() if "opened" in (each.name, each.written_as)}


@given(st.lists(st.none() | st.sampled_from(OUTCOMES) | st.text(max_size=12), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_no_opening_that_failed_or_that_nobody_knows_of_is_told_as_opened(
    store: Store, outcomes: list[str | None]
) -> None:
    before = {event.seq for event in events.recent(store, limit=10_000)}
    for outcome in outcomes:
        event = events.append(store, "opened", awaited=True)
        if outcome is not None:
            events.finish(store, event.id, outcome)
    found = [event for event in events.recent(store, limit=10_000) if event.seq not in before]
    for event in found:
        known = event.outcome is not None
        failed = known and (str(event.outcome).startswith("failed") or event.outcome == "interrupted")
        assert event.told_as == ("opening failed" if failed else "opened" if known else "opening")
    for kind in OPENINGS:  # the filter says the same, and each is found under one name
        listed = {event.seq for event in events.recent(store, kind=kind, limit=10_000)} - before
        assert listed == {event.seq for event in found if event.told_as == kind}


@pytest.mark.parametrize("kind", sorted(each.name for each in EVENTS.values() if each.written_as))
def test_what_an_event_is_only_told_as_is_never_written(store: Store, kind: str) -> None:
    with pytest.raises(ValueError, match="no capability declares"):
        events.append(store, kind, awaited=True)


@pytest.mark.parametrize(("typed", "meant"), [("openned", "opened"), ("OPENED", "opened"), ("no-match", "no match")])
def test_a_mistyped_kind_is_guessed(store: Store, typed: str, meant: str) -> None:
    with pytest.raises(UnknownEventKind, match=f"did you mean .*{meant!r}"):
        events.recent(store, kind=typed)


texts = st.text(max_size=20)


@given(
    kind=st.sampled_from(sorted(each.name for each in EVENTS.values() if not each.written_as)),
    score=st.none() | st.floats(allow_nan=False),
    detail=st.dictionaries(texts, st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts, max_size=4),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_an_event_holds_comes_back_unchanged(
    store: Store, kind: str, score: float | None, detail: dict[str, Any]
) -> None:
    with store.transaction():
        written = events.append(store, kind, score=score if EVENTS[kind].scored else None, detail=detail)
        assert events.recent(store, limit=1) == [written]
        assert written.detail == detail


# --- crashes -----------------------------------------------------------------------------------------------------

WRITER = f"""
import sys
from pathlib import Path
from edge_gate.core.clock import SystemClock
from edge_gate.store.database import Store
from edge_gate.store import events

with Store.open(Path(sys.argv[1]), bytes.fromhex({KEY.hex()!r}), SystemClock()) as store:
    print("ready", flush=True)
    for _ in range(int(sys.argv[2])):
        event = events.append(store, "opened", resident_id="a" * 36, detail={{"why": "x" * 300}}, awaited=True)
        print(event.id, flush=True)
        events.finish(store, event.id, "opened")
        print("finished", event.id, flush=True)
"""


def writer(path: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, path, str(count)], stdout=subprocess.PIPE, text=True)


@pytest.mark.processes
def test_kill_9_at_any_moment_loses_no_acknowledged_event_and_no_outcome(tmp_path: Path) -> None:
    path = tmp_path / "edge-gate.db"
    Store.create(path, KEY, SystemClock()).close()
    acknowledged: set[str] = set()
    finished: set[str] = set()
    for round_ in range(8):
        with writer(path, 10_000) as process:
            assert process.stdout is not None
            for _ in range(3 + 17 * round_ % 60):
                process.stdout.readline()
            process.kill()
            # What was printed before the kill was acknowledged, also where nobody has read it yet.
            lines = process.stdout.read().split("\n")[:-1]
        told = [line for line in lines if line != "ready"]
        acknowledged |= {line for line in told if not line.startswith("finished")}
        finished |= {line.split()[1] for line in told if line.startswith("finished")}
    with Store.open(path, KEY, SystemClock()) as store:
        kept = {event.id: event for event in events.recent(store, limit=100_000)}
        cut_off = {event.id for event in events.unfinished(store)}
        assert store.check() == []
    assert acknowledged <= set(kept)
    assert all(kept[event_id].outcome == "opened" for event_id in finished)
    assert not cut_off & finished
    assert len(cut_off) <= 8


@pytest.mark.processes
def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "edge-gate.db"
    with Store.create(path, KEY, SystemClock()) as store:
        both = [writer(path, 60) for _ in range(2)]
        printed = [process.communicate(timeout=60)[0].split("\n") for process in both]
        assert [process.returncode for process in both] == [0, 0]
        told = {line for lines in printed for line in lines if len(line) == 36}
        kept = events.recent(store, limit=1000)
        assert {event.id for event in kept} == told
        assert len(kept) == 120
        assert len({event.seq for event in kept}) == 120
        assert events.unfinished(store) == []
