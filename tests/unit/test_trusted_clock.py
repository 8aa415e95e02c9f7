# SPDX-License-Identifier: Apache-2.0
"""The store's clock: what it knows is committed with what it dates, and outlives restarts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import StoreCorrupt, TimeDoubtful
from edge_gate.store import events
from edge_gate.store.audit.chain import examine
from edge_gate.store.audit.log import AuditLog, checkpoints, count_recent, rows, running
from edge_gate.store.audit.log_end import end
from edge_gate.store.database import Store
from edge_gate.store.keys.keyring import keyring_path
from edge_gate.store.people import consent, residents
from tests.support.clocks import HeldClock
from tests.support.stores import BEFORE, KEY

DAY = timedelta(days=1)
Reopen = Callable[[], Store]


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def path(tmp_path: Path, clock: HeldClock) -> Path:
    made = tmp_path / "edge-gate.db"
    Store.create(made, KEY, clock).close()
    return made


def restart_machine(clock: HeldClock) -> None:
    """Begin CLOCK_BOOTTIME anew, as a machine does that was switched on."""
    clock.at_ns = 0


def test_the_newest_time_that_was_committed_outlives_a_restart(path: Path, clock: HeldClock) -> None:
    with Store.open(path, KEY, clock) as store:
        clock.pass_s(3600)
        before = events.append(store, "started").at
    clock.moment -= 40 * DAY
    restart_machine(clock)
    with Store.open(path, KEY, clock) as store:
        assert before <= store.now() < before + timedelta(seconds=5)
        assert "cannot be right" in str(store.clock.fault)
        clock.pass_s(60)
        assert before + timedelta(seconds=60) <= store.now(), "it is counted on"
    clock.moment += 41 * DAY
    with Store.open(path, KEY, clock) as store:
        assert store.clock.fault is None and store.now() == clock.moment


def test_a_date_before_the_software_is_not_trusted_in_a_new_store_either(tmp_path: Path) -> None:
    clock = HeldClock(moment=datetime(1970, 1, 2, tzinfo=UTC))
    with Store.create(tmp_path / "edge-gate.db", KEY, clock) as store:
        assert store.now() >= clock.earliest and "made later" in str(store.clock.fault)
        with pytest.raises(TimeDoubtful), store.transaction():
            ann = residents.add(store, "Ann")
            consent.record(store, ann.id, purpose="", given_by="Ann", until=store.now() + DAY, operator="o")
        assert store.rows("SELECT name FROM resident") == []
        clock.moment = datetime(2026, 3, 1, tzinfo=UTC)
        ann = residents.add(store, "Ann")
        assert consent.record(store, ann.id, purpose="", given_by="Ann", until=store.now() + DAY, operator="o")


def test_a_store_of_an_earlier_version_goes_on_from_its_newest_row(tmp_path: Path, clock: HeldClock) -> None:
    old = tmp_path / "edge-gate.db"
    shutil.copyfile(BEFORE, old)
    shutil.copyfile(keyring_path(BEFORE), keyring_path(old))
    with Store.open(old, KEY, clock) as store:  # which was written in November 2026
        assert clock.moment < datetime(2026, 11, 25, tzinfo=UTC) <= store.now()
        assert store.clock.fault


@pytest.mark.parametrize("column", ["newest", "floor", "wall", "boot", "ran", "doubt"])
@pytest.mark.parametrize("value", [-1, -(2**63), 2**63 - 1])
def test_a_time_that_cannot_be_is_told_or_does_no_harm(path: Path, clock: HeldClock, column: str, value: int) -> None:
    """By somebody who has the store's key."""
    with Store.open(path, KEY, clock) as store:
        events.append(store, "started")
        store.run(f"UPDATE time_kept SET {column} = ?", (value,))
    try:
        with Store.open(path, KEY, clock) as store:
            clock.pass_s(3600)
            events.append(store, "started")
    except StoreCorrupt as error:
        assert "was not written by edge-gate" in str(error)


def test_what_two_people_accept_is_kept_with_their_row_or_not_at_all(path: Path, clock: HeldClock) -> None:
    with Store.open(path, KEY, clock) as store:
        clock.moment += 30_000 * DAY
        events.append(store, "started")
        clock.moment -= 30_000 * DAY
        with pytest.raises(OSError, match="no row"), store.clock.accepting(), store.transaction():
            raise OSError("no row")
        assert store.clock.fault and store.now() > clock.moment + DAY
        with store.clock.accepting(), store.transaction():
            events.append(store, "started")
        assert store.clock.fault is None
    with Store.open(path, KEY, clock) as store:
        assert store.clock.fault is None and store.now() == clock.moment


@settings(max_examples=30, deadline=None)
@given(
    walk=st.lists(
        st.tuples(
            st.integers(0, 4000) | st.integers(0, 10**6),
            st.integers(-(10**8), 10**8),
            st.sampled_from(["", "gate", "machine"]),
        ),
        max_size=12,
    )
)
def test_whatever_the_clocks_do_no_row_is_dated_back_and_no_consent_comes_back(
    tmp_path_factory: pytest.TempPathFactory, walk: list[tuple[int, int, str]]
) -> None:
    clock, path = HeldClock(), tmp_path_factory.mktemp("walk") / "edge-gate.db"
    store = Store.create(path, KEY, clock)
    ann = residents.add(store, "Ann")
    consent.record(store, ann.id, purpose="", given_by="Ann", until=store.now() + 5 * DAY, operator="o")
    ended, ran_s, made = False, 0, list[int]()
    for passes_s, set_by_s, restarts in walk:
        clock.pass_s(passes_s)
        clock.moment = max(clock.moment + timedelta(seconds=set_by_s), datetime(1970, 1, 1, tzinfo=UTC))
        if restarts:
            store.close()
            if restarts == "machine":
                restart_machine(clock)
            store = Store.open(path, KEY, clock)
        AuditLog(store, store.keyring.signer()).append("tried", actor="gate", role="gate")
        holds = consent.valid(store, ann.id, store.now()) is not None
        assert not (ended and holds), "a consent that had ended holds again"
        ended = ended or not holds
        ran_s += passes_s
        assert store.clock.ran_s <= ran_s
        if count_recent(store, ["changed"], 3600) < 2:
            log = AuditLog(store, store.keyring.signer())
            log.append("changed", actor="gate", role="gate", detail=running(store))
            made.append(ran_s)
        assert all(later - first >= 3600 for first, later in pairwise(made[::2])), "more than two within an hour"
        assert all(later - first >= 3600 for first, later in pairwise(made[1::2])), "more than two within an hour"
    written = rows(store, limit=1000)
    assert [row.at for row in written] == sorted(row.at for row in written)
    findings = [each.text for each in examine(written, checkpoints(store), end(store)).findings]
    assert not [each for each in findings if "dated" in each]
    store.close()
