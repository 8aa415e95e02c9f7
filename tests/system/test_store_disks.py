# SPDX-License-Identifier: Apache-2.0
"""Real disks that are full, read-only, or fail while the store is open."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import StoreFull, StoreReadOnly
from edge_gate.store import events
from edge_gate.store.database import Store
from edge_gate.store.keys.source import create_key_file

pytestmark = pytest.mark.system

KEY = bytes(range(32))
CLOCK = SystemClock()


def sh(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    sh("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
    yield folder
    sh("umount", folder)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no room on a disk until the block ends."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    yield
    filler.unlink()


def test_a_disk_that_fills_up_refuses_events_keeps_the_others_and_recovers_without_a_restart(small_disk: Path) -> None:
    path = small_disk / "edge-gate.db"
    written: list[str] = []
    with Store.create(path, KEY, CLOCK) as store:
        written.append(events.append(store, "started").id)
        with filled(small_disk):
            for _ in range(3):
                with pytest.raises(StoreFull):
                    for _ in range(100):
                        written.append(events.append(store, "opened", detail={"why": "x" * 900}).id)
        written.append(events.append(store, "opened").id)
        assert [event.id for event in reversed(events.recent(store, limit=1000))] == written
    with Store.open(path, KEY, CLOCK) as store:
        assert [event.id for event in reversed(events.recent(store, limit=1000))] == written
        assert store.check() == []


def test_no_store_and_no_key_is_half_made_on_a_full_disk(small_disk: Path) -> None:
    with filled(small_disk):
        with pytest.raises(StoreFull):
            Store.create(small_disk / "edge-gate.db", KEY, CLOCK)
        with pytest.raises(StoreFull):
            create_key_file(small_disk / "store.key")
        assert [each.name for each in small_disk.iterdir()] == ["filler"]


def test_a_store_on_a_full_disk_opens_and_can_be_read_or_says_that_there_is_no_room(small_disk: Path) -> None:
    path = small_disk / "edge-gate.db"
    with Store.create(path, KEY, CLOCK) as store:
        event = events.append(store, "started")
    before = path.read_bytes()
    with filled(small_disk), pytest.raises(StoreFull), Store.open(path, KEY, CLOCK) as store:
        events.append(store, "opened")
    assert path.read_bytes() == before
    with Store.open(path, KEY, CLOCK) as store:
        assert events.recent(store) == [event]


def test_a_read_only_disk_is_named_and_nothing_is_made_or_changed_on_it(small_disk: Path) -> None:
    path = small_disk / "edge-gate.db"
    Store.create(path, KEY, CLOCK).close()
    before = path.read_bytes()
    sh("mount", "-o", "remount,ro", small_disk)
    with pytest.raises(StoreReadOnly, match="read-only"):
        Store.open(path, KEY, CLOCK)
    with pytest.raises(StoreReadOnly):
        Store.create(small_disk / "second.db", KEY, CLOCK)
    assert path.read_bytes() == before
    assert {each.name for each in small_disk.iterdir()} == {
        "edge-gate.db",
        "edge-gate.db.anchor",
        "edge-gate.db.keyring",
    }


def test_a_card_that_turns_read_only_under_the_open_store_refuses_events_and_keeps_the_others(tmp_path: Path) -> None:
    """What ext4 does when a memory card begins to fail: on an error it takes the file system read-only."""
    image, folder = tmp_path / "card.img", tmp_path / "card"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    sh("mke2fs", "-q", "-t", "ext4", image)
    sh("mount", "-o", "loop,errors=remount-ro", image, folder)
    try:
        path = folder / "edge-gate.db"
        device = Path(sh("findmnt", "-n", "-o", "SOURCE", folder)).name
        with Store.create(path, KEY, CLOCK) as store:
            kept = events.append(store, "started")
            Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("a worn-out cell")
            for _ in range(2):
                with pytest.raises(StoreReadOnly, match="Read-only file system"):
                    events.append(store, "opened")
            assert events.recent(store) == [kept]
        sh("umount", folder)
        subprocess.run(["e2fsck", "-fy", image], check=False, capture_output=True)
        sh("mount", "-o", "loop", image, folder)
        with Store.open(path, KEY, CLOCK) as store:
            assert events.recent(store) == [kept]
            assert store.check() == []
    finally:
        sh("umount", folder)
