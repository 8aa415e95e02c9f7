# SPDX-License-Identifier: Apache-2.0
"""The canary: no picture leaves the eye, and none stays in it. As root: it reads another process's memory.

EDGE_GATE_CANARY=10000 shows that many pictures instead of a few hundred (`make canary`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_gate.eye.pipeline import open_models
from edge_gate.settings.config import ModelSettings
from edge_gate.wire.eye import EYE_LINK, Sighting
from edge_gate.wire.frame import Direction, decode
from tests.canary import marked
from tests.canary.leaky import LEAKS
from tests.canary.search import Hit, Search
from tests.canary.watch import PAGE, Watched

PASSES = int(os.environ.get("EDGE_GATE_CANARY", "300"))
DIFFERENT = 12
EMPTY = 60
EYE = [sys.executable, "-m", "edge_gate.eye"]
LEAKY = [sys.executable, "-m", "tests.canary.leaky", ",".join(LEAKS)]

pytestmark = [pytest.mark.system, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def search() -> Search:
    return Search(open_models(ModelSettings()), [marked.frame(seed) for seed in range(DIFFERENT)])


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    eye = Watched(tmp_path, EYE)
    yield eye
    eye.end()


def pages(eye: Watched) -> dict[int, int]:
    """Return a digest of every page, by its address."""
    return {
        begin + k: hash(content[k : k + PAGE])
        for _, begin, content in eye.memory()
        for k in range(0, len(content), PAGE)
    }


def searched(eye: Watched, search: Search, before: dict[int, int]) -> list[Hit]:
    """Search every page that is not exactly what it was before the eye saw the first marked picture."""
    found = []
    for name, begin, content in eye.memory():
        run = bytearray()
        for k in range(0, len(content) + PAGE, PAGE):
            page = content[k : k + PAGE]
            if page.strip(b"\0") and before.get(begin + k) != hash(page):  # an empty page holds nothing
                run += page
            elif run:
                found += search.hits(bytes(run), f"memory {name}")
                run.clear()
    return found


def outside(eye: Watched, search: Search) -> dict[str, list[Hit]]:
    """Search all that came out of the eye."""
    eye.drain()
    said = [decode(EYE_LINK, Direction.TO_GATE, each) for each in eye.messages]
    sightings = [each for each in said if isinstance(each, Sighting)]
    files = [Path(eye.folder, each) for each in eye.opened() if not each.startswith("/dev/")]
    return {
        "messages": search.hits(b"".join(eye.messages), "messages"),
        "sightings": search.hits(b"".join(each.embedding for each in sightings), "embeddings, joined"),
        "said": search.hits(eye.said, "stdout and stderr"),
        "notices": search.hits(b"".join(eye.notices), "notices to systemd"),
        "files": [hit for each in files if each.is_file() for hit in search.hits(each.read_bytes(), str(each))],
    }


def show_marked(eye: Watched, count: int) -> int:
    """Show marked pictures and return how many of them the eye embedded."""
    embedded = 0
    for number in range(count):
        said = eye.show(marked.frame(number % DIFFERENT), sees=True)
        embedded += said is not None and bool(said.embedding)
    return embedded


def show_empty(eye: Watched, count: int = EMPTY) -> None:
    """Show an empty street for some seconds, at the pace of a camera."""
    for number in range(count):
        eye.show(marked.elsewhere(number), sees=False)
        time.sleep(1 / 15)


def test_no_picture_leaves_the_eye_and_none_stays_in_its_memory(watched: Watched, search: Search) -> None:
    watched.start()
    show_empty(watched, 30)
    before = pages(watched)
    assert show_marked(watched, PASSES) >= 0.98 * PASSES
    show_empty(watched)
    left = searched(watched, search, before)
    came_out = outside(watched, search)
    watched.abort()
    assert left == []
    assert came_out == {name: [] for name in came_out}
    assert [each for each in watched.opened() if each != "/dev/null"] == []
    assert {each.name for each in watched.folder.iterdir()} == {
        "edge-gate.toml", "eye.sock", "notify", "street.sock", "trace",
    }, "there is a core dump, or another file"  # fmt: skip


def test_every_kind_of_leak_is_caught(watched: Watched, search: Search) -> None:
    watched.command = LEAKY
    watched.start()
    show_empty(watched, 30)
    before = pages(watched)
    show_marked(watched, 60)
    show_empty(watched)
    left = {each.form for each in searched(watched, search, before)}
    came_out = {name: {each.form for each in hits} for name, hits in outside(watched, search).items()}
    assert "exact BGR" in left, "frame"
    assert "picture 64 px grey 8 bit" in left, "small"
    assert any(each.startswith("JPEG > ") for each in left), "jpeg"
    assert any(each.startswith("zlib > ") for each in left), "zlib"
    assert "picture 160 px BGR float" in left, "float"
    assert any(each.startswith("PNG > ") for each in came_out["files"]), "file"
    assert any(each.startswith("base64 > ") for each in came_out["said"]), "stderr"
    assert "picture 64 px grey 8 bit" in came_out["sightings"], "sightings"
    assert not came_out["notices"]
