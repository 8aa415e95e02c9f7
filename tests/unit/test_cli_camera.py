# SPDX-License-Identifier: Apache-2.0
"""The doctor's look through the camera: a process without rights looks, and whatever becomes of it is a finding.

The drivers are those of an installed package, as somebody else's would be. What root's look is kept from, as the eye's
user, is tests/system/test_doctor_camera.py.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.cli.checks.camera import Question, check_camera, look_through
from edge_gate.cli.checks.findings import Check, Finding, Patient, examine
from edge_gate.core.errors import WireError
from edge_gate.core.toml_text import LONGEST_BYTES as LONGEST_BYTES_OF_A_FILE
from edge_gate.settings import config
from edge_gate.wire import glance
from edge_gate.wire.glance import LONGEST_BYTES, Glance
from tests.support.strange_cameras import install

CHECKOUT: Final = Path(__file__).parents[2]
PICTURE: Final = np.full((48, 64, 3), 51, np.uint8)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose configuration names one of the strange drivers; ``source`` says what it does."""
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path / "packages")))
    return tmp_path


def configured(folder: Path, source: str, driver: str = "strange") -> Path:
    path = folder / "edge-gate.toml"
    path.write_text(config.example({"camera": {"driver": driver, "source": source}}))
    return path


def look(folder: Path, source: str, driver: str = "strange", patience_s: float = 60.0) -> Finding:
    path = configured(folder, source, driver)
    return look_through(Question(path, path.read_text(), config.load(path).camera), None, patience_s)


def test_a_picture_is_told_by_its_size_and_brightness(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), PICTURE)
    found = look(tmp_path, str(tmp_path), "replay")
    assert found == Finding("camera", "ok", "64 x 48 pixels, mean brightness 20%")


def test_what_the_camera_lacks_is_the_eyes_own_sentence(tmp_path: Path) -> None:
    found = look(tmp_path, str(tmp_path / "none"), "replay")
    assert found.state == "fault" and "there is no such film or folder" in found.text and found.mend


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise", "its driver raised ValueError: numpy.dtype size changed"),
        ("crash", "ended by SIGSEGV, without an answer"),
        ("abort", "ended by SIGABRT, without an answer"),
        ("leave", "ended with status 3, without an answer"),
        ("nothing", "no picture came in time"),
        ("seven", "handed over int, not a Frame"),
        ("eat", "MemoryError"),
        ("eat shared", "shmget"),
        ("eat files", "Too many open files"),
        ("answer itself", "answered nonsense"),
        ("flood the answer", "answered nonsense"),
        ("half an answer", "answered nonsense"),
        ("babble", "64 x 48 pixels, mean brightness 20%"),
    ],
)
def test_whatever_a_driver_does_is_a_finding(site: Path, source: str, said: str) -> None:
    found = look(site, source)
    assert found.state == ("ok" if source == "babble" else "fault"), found
    assert said in found.text, found
    assert (found.state == "ok") != bool(found.mend)


def test_a_driver_that_hangs_is_ended(site: Path) -> None:
    found = look(site, "hang", patience_s=6.0)
    assert found.state == "fault" and "hung for 6 s" in found.text
    assert not list(glances(site))


def test_a_driver_that_does_not_load_is_a_finding(site: Path) -> None:
    found = look(site, "x", "broken")
    assert found.state == "fault" and "cannot be loaded: ValueError: numpy.dtype size changed" in found.text


def test_a_picture_library_that_does_not_load_is_a_finding(site: Path) -> None:
    library = site / "packages" / "cv2"
    library.mkdir()
    (library / "__init__.py").write_text("raise AttributeError('_ARRAY_API not found')")
    found = look(site, "picture")
    assert found.state == "fault" and "A library that edge-gate needs cannot be loaded: AttributeError" in found.text


def test_who_looks_has_no_rights_no_store_and_nowhere_to_write(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tried from inside, by a driver that was taken over."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # all of /dev is the eye's, with /dev/shm in it
        for name in ("edge-gate.db", "store.key"):
            Path(folder, name).write_bytes(b"x")
        found = look(site, f"spy {folder}")
    told = json.loads(found.text.partition("spied: ")[2])
    assert set(told["refused"].values()) <= {"EACCES", "EPERM"}, told
    assert sorted(told["refused"]) == ["key", "network", "program", "store", "write here", "write in /tmp"]
    assert "CREDENTIALS_DIRECTORY" not in told["environment"] and told["keys"] == []


def test_the_kernel_says_the_same_from_outside(site: Path) -> None:
    looked: list[Finding] = []
    looking = threading.Thread(target=lambda: looked.append(look(site, "hang", patience_s=20.0)))
    looking.start()
    try:
        seen = until_sealed(site)
    finally:
        looking.join()
    assert (seen["Seccomp"], seen["NoNewPrivs"]) == ("2", "1")
    assert seen["session"] != str(os.getsid(0)) and seen["first to go"] == "1000"
    programs = (sys.prefix, sys.base_prefix, str(CHECKOUT), "/usr/")  # which it may be about to load
    others = {each for each in seen["files"] if not each.startswith(programs)}
    assert others <= {"/dev/null", "pipe"}, others


def look_as_oneself(patient: Patient) -> Iterator[Finding]:
    """Look as this user, root too: another one cannot reach a test's folder."""
    yield look_through(Question(patient.path, patient.text, patient.settings.camera), None)


EXCHANGES: Final[dict[str, Callable[[Path], object]]] = {
    "gone": lambda path: None,
    "a link to a file of root's": lambda path: path.symlink_to("/etc/shadow"),
    "a link to nowhere": lambda path: path.symlink_to("/nowhere"),
    "a pipe that nobody writes": lambda path: os.mkfifo(path),
    "a folder": lambda path: path.mkdir(),
    "another configuration": lambda path: path.write_text(config.example({"camera": {"driver": "broken"}})),
}


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_configuration_is_read_once_whatever_lies_in_its_place_then(tmp_path: Path, exchange: str) -> None:
    """Whoever wrote it could lead root to any file, and have it handed to a process of a user whom they name."""
    cv2.imwrite(str(tmp_path / "one.png"), PICTURE)
    path = configured(tmp_path, str(tmp_path), "replay")

    def replaced(_: Patient) -> Iterator[Finding]:
        path.unlink()
        EXCHANGES[exchange](path)
        yield from ()

    found = examine(path, [Check("exchange", replaced), Check("camera", look_as_oneself)])
    assert found[-1] == Finding("camera", "ok", "64 x 48 pixels, mean brightness 20%")


@pytest.mark.parametrize("mark", ["", "é", "眼"])
def test_the_longest_configuration_goes_through(tmp_path: Path, mark: str) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), PICTURE)
    path = configured(tmp_path, str(tmp_path), "replay")
    room = LONGEST_BYTES_OF_A_FILE - path.stat().st_size - len("#\n")
    size = len(mark.encode()) or 1
    path.write_text("#" + (mark or "x") * (room // size) + "\n" + path.read_text())
    assert LONGEST_BYTES_OF_A_FILE - path.stat().st_size < 3
    assert examine(path, [Check("camera", look_as_oneself)])[-1].state == "ok"


def glances(site: Path) -> Iterator[int]:
    """Yield the processes that look, for this site's configuration."""
    for each in Path("/proc").glob("[0-9]*"):
        try:
            words = (each / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if b"edge_gate.eye.glance" in words and os.fsencode(site / "edge-gate.toml") in words:
            yield int(each.name)


def until_sealed(site: Path) -> dict[str, Any]:
    for _ in range(400):
        for process in glances(site):
            folder = Path(f"/proc/{process}")
            lines = (folder / "status").read_text().splitlines()
            fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
            if fields.get("Seccomp") == "2":
                files = {str(each.readlink()).partition(":")[0] for each in (folder / "fd").iterdir()}
                session = (folder / "stat").read_text().rpartition(")")[2].split()[3]
                first = (folder / "oom_score_adj").read_text().strip()
                return {**fields, "files": files, "session": session, "first to go": first}
        time.sleep(0.05)
    raise AssertionError("nobody looked, or unsealed")


IDENTITY: Final = "uvcvideo usb-0000:01:00.0-1.2 046d:0825"


def examined(folder: Path, source: str, eye: str | None = None, **camera: str) -> list[Finding]:
    """What doctor finds of the camera; ``eye``: what the eye says of it, where one is connected."""
    path = configured(folder, source)
    path.write_text(config.example({"camera": {"driver": "strange", "source": source, **camera}}))
    status: Any = SimpleNamespace(eye=SimpleNamespace(connected=True, camera=eye)) if eye else None
    return list(check_camera(Patient(path, config.load(path), status, text=path.read_text())))


@pytest.fixture
def no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.mark.usefixtures("no_root")
@pytest.mark.parametrize("eye", [None, "working", "starting"])
def test_which_camera_it_is_is_told_with_the_line_that_pins_it(site: Path, eye: str | None) -> None:
    seen, found = examined(site, f"i am {IDENTITY}", eye)
    assert seen.state == "ok" and ("the eye says" in seen.text) is bool(eye)
    assert found.state == "unknown" and IDENTITY in found.text and "not pinned" in found.text
    assert f"pinned = '{IDENTITY}' under [camera]" in found.mend
    seen, found = examined(site, f"i am {IDENTITY}", eye, pinned=IDENTITY)
    assert (seen.state, found.state) == ("ok", "ok") and IDENTITY in found.text


@pytest.mark.usefixtures("no_root")
@pytest.mark.parametrize("name", ["x' [door]", 'tab\t"', "é", "y" * 200])
def test_a_name_that_cannot_be_written_into_the_configuration_is_not_offered(site: Path, name: str) -> None:
    (found,) = examined(site, f"i am {name}")
    assert found.state == "ok" and "pixels" in found.text


@pytest.mark.usefixtures("no_root")
def test_while_the_eye_has_the_camera_nothing_that_keeps_its_name_back_is_a_fault(site: Path) -> None:
    text = config.example({"camera": {"source": str(site / "none")}})
    path = site / "edge-gate.toml"
    path.write_text(text)
    status: Any = SimpleNamespace(eye=SimpleNamespace(connected=True, camera="replaced"))
    says, found = check_camera(Patient(path, config.load(path), status, text=text))
    assert (says.state, found.state) == ("fault", "unknown") and "cable" in says.mend
    assert "which one it is was not told" in found.text


@pytest.mark.usefixtures("no_root")
def test_the_infrared_camera_is_looked_at_by_itself(site: Path) -> None:
    cv2.imwrite(str(site / "one.png"), PICTURE)
    both = {"camera": {"driver": "replay", "source": str(site)}}
    both["infrared"] = {"driver": "strange", "source": f"i am {IDENTITY}"}
    path = site / "edge-gate.toml"
    path.write_text(text := config.example(both))
    found = list(check_camera(Patient(path, config.load(path), None, text=text)))
    assert [(each.part, each.state) for each in found] == [
        ("camera", "ok"),
        ("infrared", "ok"),
        ("infrared", "unknown"),
    ]
    assert "under [infrared]" in found[-1].mend


def test_where_the_user_of_the_configuration_is_not_there_nobody_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "edge-gate.toml"
    path.write_text(config.example({"sockets": {"eye_user": "nobody-of-this-name"}}))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (found,) = check_camera(Patient(path, config.load(path), None))
    assert found.state == "unknown" and "nobody-of-this-name" in found.text and "eye_user" in found.mend


# --- the line ------------------------------------------------------------------------------------------------------

SIDES = st.integers(0, 65_536)


@given(st.builds(Glance, SIDES, SIDES, st.floats(0, 1), st.text(max_size=2000), st.text(max_size=200)))
def test_a_line_comes_back_with_its_sentence_cut(made: Glance) -> None:
    line = glance.encode(made)
    assert len(line) <= LONGEST_BYTES
    back = glance.decode(line)
    assert (back.width, back.height, back.brightness) == (made.width, made.height, made.brightness)
    assert made.fault.startswith(back.fault) and len(back.fault) == min(len(made.fault), 600)
    assert back.identity in ("", made.identity) and back.identity.isprintable() and "'" not in back.identity


HOSTILE: Final = [
    b"", b"\n", b"{}", b"null\n", b"[]\n", b"7\n", b"\xff\n", b"[" * 4000 + b"\n",
    b'{"width": 1}' + b" " * 9000 + b"\n",
    b'{"width": -1}\n', b'{"width": true}\n', b'{"width": 1e3}\n', b'{"width": 99999999999999999999}\n',
    b'{"brightness": NaN}\n', b'{"brightness": Infinity}\n', b'{"brightness": "1"}\n', b'{"brightness": 2}\n',
    b'{"fault": 7}\n', b'{"fault": null}\n', b'{"fault": "' + b"x" * 900 + b'"}\n', b'{"more": 1}\n',
    b'{"width": []}\n', b'{"identity": 7}\n', b'{"identity": "it\'s"}\n', b'{"identity": "a\\nb"}\n',
    b'{"identity": "' + b"x" * 200 + b'"}\n',
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: repr(line[:24]))
def test_a_line_that_was_not_written_by_us_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        glance.decode(line)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_else(line: bytes) -> None:
    with suppress(WireError):
        glance.decode(line)
