# SPDX-License-Identifier: Apache-2.0
"""The power goes at every single write, sync and change of names, and the store must keep its word each time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import ResidentUnknown
from edge_gate.settings.config import StoreSettings
from edge_gate.store import event_chain, events, files
from edge_gate.store.audit import continuity, generation, log_end
from edge_gate.store.audit import log as audit_log
from edge_gate.store.audit.chain import examine
from edge_gate.store.database import Store
from edge_gate.store.keys import pending, rotation
from edge_gate.store.keys.source import load_key
from edge_gate.store.people import consent, residents, traces, vouching
from edge_gate.store.people.sweep import sweep
from tests.support.stores import compared

pytestmark = pytest.mark.system

KEY = bytes(range(32))
CLOCK = SystemClock()
MODEL = b"model-01"

COMMON = f"""
import os, sys, json
from datetime import timedelta
from pathlib import Path
from edge_gate.core.clock import SystemClock
from edge_gate.store.database import Store
from edge_gate.store.people import consent, residents
from edge_gate.store.keys.source import create_key_file
from edge_gate.store import events
from edge_gate.store.templates import templates

key, clock, model = bytes.fromhex({KEY.hex()!r}), SystemClock(), {MODEL!r}
path = Path(sys.argv[1]) / "edge-gate.db"
outside = os.open(Path(sys.argv[1]) / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def acknowledge(what, value=""):
    os.write(outside, (json.dumps([what, value]) + "\\n").encode())
"""

CREATE = (
    COMMON
    + """
create_key_file(path.with_name("store.key"))
acknowledge("keyed")
Store.create(path, key, clock).close()
acknowledge("created")
Store.open(path, key, clock).close()
"""
)

LIVE = (
    COMMON
    + """
from edge_gate.store import rebuilding
from edge_gate.store.audit.log import AuditLog
from edge_gate.store.audit.generation import FIELD
from edge_gate.gate.authorisation.log_watch import LogWatch
from edge_gate.store.people import removal

rebuilding.SLICE_ROWS, removal.SLICE_ROWS = 1, 3

def enrol(store, name):
    with store.transaction():
        person = residents.add(store, name)
        year = clock.now() + timedelta(days=365)
        consent.record(store, person.id, purpose="entry", given_by=name, until=year, operator="op")
        templates.put(store, templates.Template(person.id, model, 5, bytes(range(256)), 128))
        write_down(store, "enrol")
    acknowledge("enrolled", name)
    return person

def write_down(store, verb):
    log = AuditLog(store, store.keyring.signer())
    detail = {"device_key": log.public_key.hex(), FIELD: store.keyring.generation}
    log.append(verb, actor="uid 1", role="maintainer", detail=detail)

def keep(store):
    watch = LogWatch(store, AuditLog(store, store.keyring.signer()), acknowledge)
    assert not watch.doubts()
    watch.keep()
    assert store.anchor.known.log.head.seq

def let_in(store, person):
    event = events.append(store, "opened", resident_id=person.id, score=0.7, detail={"track": 1}, awaited=True)
    acknowledge("event", event.id)
    events.finish(store, event.id, "opened")
    acknowledge("finished", event.id)

for session in range(2):
    with Store.create(path, key, clock) if session == 0 else Store.open(path, key, clock) as store:
        acknowledge("created")
        write_down(store, "started")
        guest, owner = enrol(store, f"Guest {session}"), enrol(store, f"Owner {session}")
        keep(store)
        for _ in range(3):
            let_in(store, guest)
            let_in(store, owner)
        keep(store)
        acknowledge("forgetting", guest.name)
        residents.forget(store, guest.name, record=lambda: write_down(store, "forget"))
        acknowledge("forgotten", guest.name)
        acknowledge("nobody", guest.id)
        let_in(store, owner)
        keep(store)
"""
)

ROTATE = (
    COMMON
    + """
from edge_gate.store import files
from edge_gate.store.keys.source import load_key
from edge_gate.store.keys import rotation
from edge_gate.settings.config import StoreSettings

key_file = path.with_name("store.key")
create_key_file(key_file)
key = load_key(StoreSettings(key_file=key_file), {})
with Store.create(path, key, clock) as store:
    person = residents.add(store, "Owner")
    year = clock.now() + timedelta(days=365)
    consent.record(store, person.id, purpose="entry", given_by="Owner", until=year, operator="op")
    templates.put(store, templates.Template(person.id, model, 5, bytes(range(256)), 128))
acknowledge("enrolled", key.hex())
rotation.rotate(
    path,
    lambda: load_key(StoreSettings(key_file=key_file), {}),
    lambda new: files.replace(key_file, new.hex().encode()),
)
acknowledge("finished", key.hex())
"""
)


@dataclass(slots=True)
class Acknowledged:
    """What the program had been told by the time of the cut."""

    keyed: list[str] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    enrolled: list[str] = field(default_factory=list)
    event: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    forgetting: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    nobody: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Acknowledged]]:
    return every_cut(tmp_path_factory.mktemp("lives"), LIVE)


@contextmanager
def power_cut_mount(folder: Path) -> Iterator[tuple[Path, Path]]:
    mount, cuts = folder / "mount", folder / "cuts"
    mount.mkdir()
    cuts.mkdir()
    server = subprocess.Popen([sys.executable, str(Path(__file__).with_name("power_cut_fs.py")), mount, cuts])
    try:
        while not mount.is_mount():
            assert server.poll() is None, "the file system did not start"
            time.sleep(0.02)
        yield mount, cuts
    finally:
        subprocess.run(["umount", mount], check=True)
        server.wait(30)


def every_cut(folder: Path, program: str) -> list[tuple[Path, Acknowledged]]:
    """Run the program once, and return the folder that each possible power cut leaves behind."""
    with power_cut_mount(folder) as (mount, cuts):
        subprocess.run([sys.executable, "-c", program, mount], check=True, timeout=120)
    found = []
    for cut in sorted(cuts.iterdir()):
        told = Acknowledged()
        outside = cut / "acknowledged"
        if outside.exists():
            for line in outside.read_text().splitlines():
                what, value = json.loads(line)
                getattr(told, what).append(value)
            outside.unlink()
        found.append((cut, told))
    shutil.rmtree(folder / "mount")
    return found


def test_creating_a_key_and_a_store_leaves_none_or_a_whole_one_at_every_cut(tmp_path: Path) -> None:
    absent = whole = 0
    for cut, told in every_cut(tmp_path, CREATE):
        path, key_file = cut / "edge-gate.db", cut / "store.key"
        assert key_file.exists() or not told.keyed, cut
        if key_file.exists():
            assert len(load_key(StoreSettings(key_file=key_file), {})) == 32, cut
        key_file.unlink(missing_ok=True)
        if path.exists():
            whole += 1
            with Store.open(path, KEY, CLOCK) as store:
                assert store.check() == [], cut
        else:
            absent += 1
            assert not told.created, cut
            with Store.create(path, KEY, CLOCK) as store:
                assert store.check() == [], cut
            names = {each.name for each in cut.iterdir() if "store.key" not in each.name}
            assert names == {"edge-gate.db", "edge-gate.db.anchor", "edge-gate.db.keyring"}, (
                "a draft of the first attempt stayed"
            )
    assert absent > 20, "the cuts did not reach into the making of the store"
    assert whole > 5


def test_no_acknowledged_row_is_lost_and_nobody_is_half_forgotten_at_any_cut(
    lives: list[tuple[Path, Acknowledged]],
) -> None:
    cuts = [(cut, told) for cut, told in lives if (cut / "edge-gate.db").exists()]
    assert len(cuts) > 200
    assert len(cuts[-1][1].forgotten) == 2, "the program did not come to its end"
    for cut, told in cuts:
        with Store.open(cut / "edge-gate.db", KEY, CLOCK) as store:
            sweep(store)
            assert store.check() == [], cut
            assert all(store.keyring.buried(each) and not store.keyring.data_key(each) for each in told.nobody), cut
            holds_every_event(store, told)
            holds_whole_people(store, told)
            store.empty_log()
        for name in told.forgotten:
            assert traces.search(cut / "edge-gate.db", KEY, traces.words_for(name)).clean, cut


def test_at_no_cut_the_keyring_looks_older_than_it_is_and_the_log_is_whole_at_each(
    lives: list[tuple[Path, Acknowledged]],
) -> None:
    ahead = set()
    for cut, _ in lives:
        if not (cut / "edge-gate.db").exists():
            continue
        with Store.open(cut / "edge-gate.db", KEY, CLOCK) as store:
            assert examine(audit_log.rows(store), audit_log.checkpoints(store), log_end.end(store)).findings == [], cut
            known = generation.last_recorded(store)
            if known is not None and known.generation is not None:
                store.keyring.expect(known.generation)
                assert not store.keyring.suspect, cut
                ahead.add(store.keyring.generation - known.generation)
    assert ahead == {0, 1}, "no cut came between keyring and database"


def test_at_no_cut_is_an_honest_device_in_doubt_of_its_log_its_events_or_anybody(
    lives: list[tuple[Path, Acknowledged]],
) -> None:
    """The anchor is behind the database at most cuts, and never ahead of it."""
    behind = set()
    for cut, _ in lives[::3]:
        if not (cut / "edge-gate.db").exists():
            continue
        with Store.open(cut / "edge-gate.db", KEY, CLOCK) as store:
            known, last = store.anchor.known, log_end.last_row(store)
            assert continuity.doubt(store) == "" == event_chain.doubt(store, known.events), cut
            sweep(store)
            assert found_in(event_chain.examine(store, known.events)) == [], cut
            assert vouching.doubtful(store) == set(), cut
            behind.add((last["seq"] if last else 0) - known.log.head.seq)
    assert {0, 1} <= behind and min(behind) == 0


def found_in(steps: Generator[None, None, list[str]]) -> list[str]:
    while True:
        try:
            next(steps)
        except StopIteration as over:
            return list(over.value)


def holds_every_event(store: Store, told: Acknowledged) -> None:
    kept = {event.id: event for event in events.recent(store, limit=1000)}
    assert set(told.event) <= set(kept)
    assert all(kept[event_id].outcome == "opened" for event_id in told.finished)
    assert len(kept) <= len(told.event) + 1
    assert {event.id for event in events.unfinished(store)} <= set(kept) - set(told.finished)
    assert not set(told.nobody) & {event.resident_id for event in kept.values()}


def holds_whole_people(store: Store, told: Acknowledged) -> None:
    gallery = {template.resident_id for template in compared(store, MODEL, CLOCK.now())}
    standings = residents.everyone(store, MODEL, CLOCK.now())
    names = {each.resident.name for each in standings}
    assert all(each.consent is consent.State.VALID and each.has_template for each in standings)
    assert gallery == {each.resident.id for each in standings}
    assert set(told.enrolled) - set(told.forgetting) <= names
    assert not set(told.forgotten) & names
    for name in told.forgotten:
        with pytest.raises(ResidentUnknown):
            residents.find(store, name)


def test_no_copy_of_the_database_opens_the_template_of_somebody_whose_forgetting_was_acknowledged(
    lives: list[tuple[Path, Acknowledged]], tmp_path: Path
) -> None:
    """The keyring as the last cut left it, beside the database of each cut before: each is a backup of its moment."""
    path, ring = tmp_path / "edge-gate.db", lives[-1][0] / "edge-gate.db.keyring"
    theirs = 0
    for cut, told in lives[::9]:
        if not (cut / "edge-gate.db").exists() or not told.enrolled:
            continue
        for each in cut.glob("edge-gate.db*"):
            shutil.copy(each, tmp_path)
        held = {name for name in told.enrolled if name.startswith("Guest") and name not in told.forgotten}
        shutil.copy(ring, path.with_name(ring.name))
        with Store.open(path, KEY, CLOCK) as store:
            known = {each.id: each.name for each in residents.everyone_known(store)}
            gallery = {known[each.resident_id] for each in compared(store, MODEL, CLOCK.now())}
        assert not any(name.startswith("Guest") for name in gallery), cut
        theirs += len(held & set(known.values()))
        for each in tmp_path.glob("edge-gate.db*"):
            each.unlink()
    assert theirs > 5, "no copy had somebody who was forgotten later"


def put_key(file: Path, key: bytes) -> None:
    files.replace(file, key.hex().encode())


def test_a_change_of_the_stores_key_can_be_cut_off_anywhere(tmp_path: Path) -> None:
    between = 0
    for cut, told in every_cut(tmp_path, ROTATE):
        if not told.enrolled:
            continue
        (old,) = map(bytes.fromhex, told.enrolled)
        path, settings = cut / "edge-gate.db", StoreSettings(key_file=cut / "store.key")
        key = load_key(settings, {})
        between += pending.pending_path(path).exists()
        with Store.open(path, key, CLOCK) as store:
            assert store.check() == [], cut
            assert len(compared(store, MODEL, CLOCK.now())) == 1, cut
        if told.finished:
            assert key != old
            assert not (pending.opens_database(path, old) or pending.opens_keyring(path, old)), cut
        else:
            rotation.rotate(path, partial(load_key, settings, {}), partial(put_key, settings.key_file))
            with Store.open(path, load_key(settings, {}), CLOCK) as store:
                assert len(compared(store, MODEL, CLOCK.now())) == 1, cut
    assert between > 30, "the cuts did not reach into the change"


def test_the_cuts_do_drop_what_was_not_synced(tmp_path: Path) -> None:
    """The control: a program that does not sync loses what it was told was written."""
    careless = (
        COMMON
        + """
(path.parent / "note").write_text("kept?")
acknowledge("created")
for number in range(6):
    (path.parent / str(number)).touch()
"""
    )
    lost = [cut for cut, told in every_cut(tmp_path, careless) if told.created and not (cut / "note").exists()]
    assert lost


def test_an_event_that_a_cut_interrupted_is_found_and_can_be_marked(lives: list[tuple[Path, Acknowledged]]) -> None:
    under_way = [cut for cut, told in lives if len(told.event) > len(told.finished)]
    found = 0
    for cut in under_way[::7]:
        with Store.open(cut / "edge-gate.db", KEY, CLOCK) as store:
            for event in events.unfinished(store):
                events.finish(store, event.id, "interrupted")
                found += 1
            assert events.unfinished(store) == []
    assert found
