# SPDX-License-Identifier: Apache-2.0
"""The eye as a process: over a real socket, with a real recording, through the death of the gate and of the camera."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_gate.core.clock import SystemClock
from edge_gate.core.exit_codes import ExitCode
from edge_gate.eye.camera_supervisor import CameraSupervisor
from edge_gate.eye.link import GateLink
from edge_gate.eye.pace import Pace
from edge_gate.eye.program import run
from edge_gate.eye.service import Eye
from edge_gate.eye.stderr_limit import MOST_LINES
from edge_gate.provenance import cards
from edge_gate.rules.agreed_policy import digest
from edge_gate.settings import config
from edge_gate.settings.config import Config
from edge_gate.wire.eye import (
    EYE_LINK,
    LARGEST_BYTES,
    AcquisitionFailure,
    CameraState,
    Command,
    EyeMode,
    Health,
    Sighting,
)
from edge_gate.wire.frame import Direction, decode, encode
from tests.support.eye_scenes import models, sitter, sway
from tests.support.peers import running_gate

PATIENCE_S = 20.0


class Gate:
    """An independent peer: accepts one eye after the other and keeps what it says."""

    def __init__(self, path: Path) -> None:
        self.heard: list[Sighting | Health] = []
        self.eye: socket.socket | None = None
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server.bind(str(path))
        self._server.listen(1)
        self._path = path
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                self.eye, _ = self._server.accept()
            except OSError:
                return
            with self.eye:
                with suppress(OSError):
                    self.ask(EyeMode.WATCH)
                while message := self._next(self.eye):
                    self.heard.append(decode(EYE_LINK, Direction.TO_GATE, message))

    @staticmethod
    def _next(eye: socket.socket) -> bytes:
        try:
            return eye.recv(LARGEST_BYTES + 1)
        except OSError:
            return b""

    def ask(self, verb: EyeMode) -> None:
        assert self.eye is not None
        self.eye.send(encode(EYE_LINK, Direction.FROM_GATE, Command(verb, 1)))

    def of(self, kind: type) -> list[Any]:
        return [each for each in list(self.heard) if isinstance(each, kind)]

    def die(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        if self.eye is not None:
            with suppress(OSError):
                self.eye.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._path.unlink()


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    for number, (bgr, _) in enumerate(sway(sitter("P001", masked=True), 12)):
        cv2.imwrite(str(folder / f"{number:02}.png"), bgr)
    return folder


def site(folder: Path, source: str, **sections: dict[str, Any]) -> Path:
    path = folder / "edge-gate.toml"
    camera = {"driver": "replay", "source": source, "stall_s": 0.5}
    sockets = {"eye": str(folder / "eye.sock")}
    path.write_text(config.example({"camera": camera, "sockets": sockets, **sections}))
    return path


@contextmanager
def running(path: Path) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """The real process, and the socket on which it tells its supervisor how it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path.parent / "notify"))
        notify.settimeout(PATIENCE_S)
        eye = subprocess.Popen(
            [sys.executable, "-m", "edge_gate.eye", "--config", str(path)],
            env={**os.environ, "NOTIFY_SOCKET": str(path.parent / "notify")},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield eye, notify
        finally:
            eye.kill()
            eye.communicate()


@contextmanager
def in_process(settings: Config) -> Iterator[Eye]:
    """The same loop in a thread, which starts faster than a process."""
    eye = Eye(settings, models(), SystemClock(), Silent())
    thread = threading.Thread(target=eye.run)
    thread.start()
    try:
        yield eye
    finally:
        eye.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


class Silent:
    def notify(self, state: str) -> None:
        assert state


@pytest.mark.processes
def test_the_process_says_what_it_sees_outlives_the_gate_and_ends_when_told(tmp_path: Path, film: Path) -> None:
    path = site(tmp_path, f"loop:{film}")
    gate = Gate(tmp_path / "eye.sock")
    with running(path) as (eye, notify):
        assert b"READY=1" in notify.recv(4096)
        until(lambda: any(each.embedding for each in gate.of(Sighting)), "no sighting with an embedding came")
        until(lambda: gate.of(Health), "no health came")
        gate.die()
        gate = Gate(tmp_path / "eye.sock")
        until(lambda: len(gate.of(Sighting)) > 3 and gate.of(Health), "the eye did not come back")
        check_stream(gate)
        told = b"".join(notify.recv(4096) for _ in range(4))
        assert b"WATCHDOG=1" in told and b"STATUS=camera" in told
        eye.send_signal(signal.SIGTERM)
        _, said = eye.communicate(timeout=PATIENCE_S)
        assert eye.returncode == 0
    assert "has gone" in said and "connected to the gate" in said
    assert "Traceback" not in said


def test_a_gate_hears_by_which_settings_an_eye_runs_before_it_hears_of_anybody_twice(
    tmp_path: Path, film: Path
) -> None:
    settings = config.load(site(tmp_path, f"loop:{film}"))
    gate = Gate(tmp_path / "eye.sock")
    with in_process(settings):
        until(lambda: len(gate.of(Sighting)) > 3, "no sighting came")
        gate.die()
        again = Gate(tmp_path / "eye.sock")
        until(lambda: len(again.of(Sighting)) > 3, "the eye did not come back")
    for each in (gate, again):
        first = next(place for place, message in enumerate(each.heard) if isinstance(message, Health))
        assert first <= 1 and {health.settings for health in each.of(Health)} == {digest(settings)}
    again.die()


def check_stream(gate: Gate) -> None:
    sightings, healths = gate.of(Sighting), gate.of(Health)
    assert {each.eye for each in sightings} == {each.eye for each in healths}
    sequences = [each.sequence for each in sightings]
    assert sequences == sorted(set(sequences))
    assert all((each.width, each.height) == (640, 480) for each in sightings)
    now_ns = time.monotonic_ns()
    assert all(0 <= now_ns - each.captured_ns < 60e9 for each in sightings)
    ages = [now_ns - each.captured_ns for each in sightings]
    assert ages == sorted(ages, reverse=True), "sightings of the time without a gate were queued"
    expected = cards.read(config.ModelSettings(), config.ModelSettings().eyes).model_id
    assert {each.model_id for each in sightings} == {expected}
    assert all((each.refusal is AcquisitionFailure.NONE) == bool(each.embedding) for each in sightings)
    assert healths[-1].camera is CameraState.WORKING
    assert 0 < healths[-1].luminance < 1


def test_a_paused_eye_lets_go_of_the_camera_and_sees_nobody(tmp_path: Path, film: Path) -> None:
    gate = Gate(tmp_path / "eye.sock")
    with in_process(config.load(site(tmp_path, f"loop:{film}"))):
        until(lambda: gate.of(Sighting), "no sighting came")
        before = max(each.track for each in gate.of(Sighting))
        gate.ask(EyeMode.PAUSE)
        until(lambda: gate.of(Health)[-1:] and gate.of(Health)[-1].camera is CameraState.STARTING, "not paused")
        count = len(gate.of(Sighting))
        healths = len(gate.of(Health))
        until(lambda: len(gate.of(Health)) > healths, "a paused eye still says how it is")
        assert len(gate.of(Sighting)) == count
        gate.ask(EyeMode.WATCH)
        until(lambda: len(gate.of(Sighting)) > count, "it did not watch again")
        assert gate.of(Sighting)[-1].track > before
    gate.die()


def test_for_an_enrolment_the_limits_are_stricter(tmp_path: Path, film: Path) -> None:
    gate = Gate(tmp_path / "eye.sock")
    settings = config.load(site(tmp_path, f"loop:{film}"))
    settings = replace(settings, quality=replace(settings.quality, min_interocular_px=28))
    with in_process(settings):
        until(lambda: len(gate.of(Sighting)) > 3, "no sighting came")
        gate.ask(EyeMode.ENROL)
        until(
            lambda: gate.of(Sighting)[-1].refusal is AcquisitionFailure.TOO_FAR,
            "28 pixels are too few for an enrolment",
        )
        gate.ask(EyeMode.WATCH)
        until(lambda: gate.of(Sighting)[-1].embedding, "and enough at other times")
    gate.die()


def test_a_missing_camera_is_told_and_taken_when_it_comes(tmp_path: Path, film: Path) -> None:
    gate = Gate(tmp_path / "eye.sock")
    with in_process(config.load(site(tmp_path, f"loop:{tmp_path / 'later'}"))):
        until(lambda: gate.of(Health) and gate.of(Health)[-1].camera is CameraState.MISSING, "it did not say so")
        (tmp_path / "later").symlink_to(film)
        until(lambda: gate.of(Sighting), "it did not take the camera")
        until(lambda: gate.of(Health)[-1].camera is CameraState.WORKING, "it did not say so")
    gate.die()


def test_a_recording_that_ends_is_a_stalled_camera_and_no_busy_loop(tmp_path: Path, film: Path) -> None:
    settings = config.load(site(tmp_path, f"fast:{film}")).camera
    lookout = CameraSupervisor(settings, SystemClock())
    assert sum(lookout.read(0.01) is not None for _ in range(12)) == 12
    began = time.monotonic()
    until(lambda: lookout.read(0.05) is None and lookout.state is CameraState.STALLED, "it did not stall")
    assert time.monotonic() - began >= 0.4
    lookout.release()
    assert lookout.state is CameraState.STARTING


def test_a_damaged_picture_is_counted_and_the_next_is_read(tmp_path: Path, film: Path) -> None:
    folder = tmp_path / "film"
    folder.mkdir()
    first, second, *_ = sorted(film.iterdir())
    (folder / "0.png").write_bytes(first.read_bytes())
    (folder / "1.png").write_bytes(b"not a picture")
    (folder / "2.png").write_bytes(second.read_bytes())
    lookout = CameraSupervisor(config.load(site(tmp_path, f"fast:{folder}")).camera, SystemClock())
    found = [(lookout.read(0.01) is not None, lookout.state) for _ in range(3)]
    assert found == [(True, CameraState.WORKING), (False, CameraState.WORKING), (True, CameraState.WORKING)]
    assert (lookout.count.arrived, lookout.count.skipped) == (3, 1)
    for each in folder.iterdir():
        each.write_bytes(b"not a picture")
    lookout = CameraSupervisor(config.load(site(tmp_path, f"loop:{folder}")).camera, SystemClock())
    until(lambda: lookout.read(0.05) is None and lookout.state is CameraState.GARBAGE, "that lasts, and is a fault")


@pytest.mark.parametrize("dark", ["black", "dim"])
def test_under_lamps_that_strobe_a_resident_is_seen_and_the_dark_pictures_are_counted(
    tmp_path: Path, film: Path, dark: str
) -> None:
    folder = tmp_path / "strobe"
    folder.mkdir()
    for number, file in enumerate(sorted(film.iterdir())):
        bgr = cv2.imread(str(file))
        assert bgr is not None
        cv2.imwrite(str(folder / f"{2 * number:02}.png"), bgr)
        cv2.imwrite(str(folder / f"{2 * number + 1:02}.png"), bgr // (100 if dark == "black" else 8))
    settings = config.load(site(tmp_path, f"loop:fast:{folder}"))
    eye = Eye(settings, models(), SystemClock(), Silent())
    gate = Gate(tmp_path / "eye.sock")
    thread = threading.Thread(target=eye.run)
    thread.start()
    until(lambda: len([each for each in gate.of(Sighting) if each.embedding]) > 12, "nobody was recognisable")
    until(lambda: len(gate.of(Health)) > 3, "no health came")
    eye.stop()
    thread.join(PATIENCE_S)
    gate.die()
    rounds = 1 + len(gate.of(Sighting)) / 12  # where the film begins again, somebody else may have come
    assert len({each.track for each in gate.of(Sighting)}) <= 1 + rounds
    assert {each.camera for each in gate.of(Health)} <= {CameraState.STARTING, CameraState.WORKING}
    health = gate.of(Health)[-1]
    assert health.arrived > 4 and health.skipped == pytest.approx(health.arrived / 2, abs=1)


@pytest.mark.processes
def test_a_second_eye_is_told_why_and_ends_with_its_code_while_the_first_stays(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(3):
        cv2.imwrite(str(pictures / f"{number}.png"), np.random.default_rng(number).integers(0, 255, (480, 640, 3)))
    with running_gate(tmp_path / "gate", "/dev/null") as (gate, settings):
        camera = {"driver": "replay", "source": f"loop:{pictures}"}
        sockets = {"eye": str(settings.sockets.eye)}
        (tmp_path / "edge-gate.toml").write_text(config.example({"camera": camera, "sockets": sockets}))
        with running(tmp_path / "edge-gate.toml") as (first, _):
            until(lambda: gate.eye.link.health, "the first was not taken")
            process = gate.eye.link.process
            for _ in range(2):
                second = subprocess.run(
                    [sys.executable, "-m", "edge_gate.eye", "--config", str(tmp_path / "edge-gate.toml")],
                    capture_output=True, text=True, timeout=PATIENCE_S,
                )  # fmt: skip
                assert second.returncode == ExitCode.SECOND_EYE
                assert "Another eye serves the gate" in second.stderr and "Traceback" not in second.stderr
            assert first.poll() is None and gate.eye.link.process == process == first.pid
            assert gate.eye.link.turned_away == 2


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["folder", "film"])
def test_a_sealed_eye_plays_recordings_with_odd_names_and_passes_over_what_a_mac_leaves(
    tmp_path: Path, film: Path, kind: str
) -> None:
    folder = tmp_path / "Wed 10:30:15 门口"
    folder.mkdir()
    pictures = [picture for file in sorted(film.iterdir()) if (picture := cv2.imread(str(file))) is not None]
    if kind == "film":
        source = folder / "loop:a.avi"
        writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 15, (640, 480))
        for bgr in pictures:
            writer.write(bgr)
        writer.release()
        (tmp_path / "a.avi").rename(source)
    else:
        source = folder
        for number, bgr in enumerate(pictures):
            name = os.fsencode(folder) + b"/%02d-\xff\xfe.jpg" % number
            Path(os.fsdecode(name)).write_bytes(cv2.imencode(".jpg", bgr)[1].tobytes())
            (folder / f"._{number:02d}.jpg").write_bytes(b"\0\x05\x16\x07")
    gate = Gate(tmp_path / "eye.sock")
    with running(site(tmp_path, f"loop:{source}")) as (eye, _):
        until(lambda: any(each.embedding for each in gate.of(Sighting)) or eye.poll() is not None, "nobody was seen")
        until(lambda: len(gate.of(Health)) > 2 or eye.poll() is not None, "no health came")
        assert eye.poll() is None
    gate.die()
    assert gate.of(Health)[-1].camera is CameraState.WORKING
    assert sum(each.skipped for each in gate.of(Health)) == 0


@pytest.mark.processes
def test_what_no_part_of_the_eye_expects_is_one_line_and_a_code(tmp_path: Path, film: Path) -> None:
    path = site(tmp_path, f"loop:{film}")
    program = f"""
import sys
from edge_gate.eye import pipeline, program
def explode(*_):
    raise RuntimeError("of a library\\nin two lines")
pipeline.Perception.__init__ = explode
sys.exit(program.run(["--config", {str(path)!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == ExitCode.INTERNAL_FAULT, done.stderr
    (line,) = (each for each in done.stderr.splitlines() if "RuntimeError" in each)
    assert line.startswith("edge-gate-eye: This is a fault of edge-gate itself: RuntimeError in edge_gate/eye/")
    assert "Traceback" not in done.stderr


@pytest.mark.processes
def test_a_camera_whose_jpegs_have_trailing_bytes_writes_a_few_lines_and_no_more(tmp_path: Path, film: Path) -> None:
    """Each picture of the film makes libjpeg write a line of its own to file descriptor 2."""
    folder = tmp_path / "jpegs"
    folder.mkdir()
    for number, file in enumerate(sorted(film.iterdir())):
        bgr = cv2.imread(str(file))
        assert bgr is not None
        content = cv2.imencode(".jpg", bgr)[1].tobytes()
        (folder / f"{number:02}.jpg").write_bytes(content[:-2] + bytes(7) + content[-2:])
    gate = Gate(tmp_path / "eye.sock")
    with running(site(tmp_path, f"loop:fast:{folder}")) as (eye, _):
        until(lambda: gate.of(Health) and gate.of(Health)[-1].frames > 60, "too few pictures came")
        eye.send_signal(signal.SIGTERM)
        _, said = eye.communicate(timeout=PATIENCE_S)
        assert eye.returncode == 0
    gate.die()
    chatter = [line for line in said.splitlines() if "extraneous bytes" in line]
    assert 1 <= len(chatter) <= MOST_LINES
    assert all(line.startswith("library: ") for line in chatter)
    assert "connected to the gate" in said


def test_a_gate_that_does_not_read_never_holds_up_the_eye(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(tmp_path / "eye.sock"))
        server.listen(1)
        link = GateLink(tmp_path / "eye.sock", SystemClock())
        assert link.receive() == [] and link.connected
        message = Health(7, 1, 1, 9, 15.0, 8.0, 12.0, 0.4, CameraState.WORKING, 0)
        began = time.monotonic()
        sent = sum(link.send(message) for _ in range(20_000))
        assert time.monotonic() - began < PATIENCE_S
        assert 0 < sent < 20_000 and link.lost == 20_000 - sent
        assert link.connected
        link.close()


def test_rubbish_from_the_gate_is_dropped_and_the_next_command_heard(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(tmp_path / "eye.sock"))
        server.listen(1)
        link = GateLink(tmp_path / "eye.sock", SystemClock())
        link.receive()
        gate, _ = server.accept()
        with gate:
            gate.send(b"rubbish")
            gate.send(bytes(2000))
            gate.send(encode(EYE_LINK, Direction.TO_GATE, Health(7, 1, 1, 9, 15, 8, 12, 0.4, CameraState.WORKING, 0)))
            gate.send(encode(EYE_LINK, Direction.FROM_GATE, Command(EyeMode.ENROL, 7)))
            assert [each.verb for each in link.receive()] == [EyeMode.ENROL]
        assert link.receive() == [] and not link.connected
        link.close()


def test_without_a_gate_the_link_tries_less_and_less_often(tmp_path: Path) -> None:
    class Hands:
        """A clock that stands where it is put."""

        now_ns = 0

        def monotonic_ns(self) -> int:
            return self.now_ns

        def now(self) -> Any:
            raise AssertionError("durations are not taken from the wall clock")

    clock = Hands()
    link = GateLink(tmp_path / "eye.sock", clock)
    link.receive()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(tmp_path / "eye.sock"))
        server.listen(1)
        link.receive()
        assert not link.connected, "it was too early for a second attempt"
        clock.now_ns = 100_000_000
        link.receive()
        assert link.connected
        link.close()


def test_the_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    assert pace.figures(0) == (0.0, 0.0, 0.0)
    for k in range(200):
        pace.add(k * 100_000_000, 5.0 if k < 100 else 10.0)
    fps, p50, p95 = pace.figures(20_000_000_000)
    assert pace.frames == 200
    assert fps == pytest.approx(10, rel=0.05) and (p50, p95) == (10, 10)
    assert pace.figures(60_000_000_000) == (0.0, 0.0, 0.0)


@pytest.mark.processes
def test_what_cannot_start_says_why_and_ends_with_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", str(tmp_path / "none.toml")]) == 11
    assert "No configuration at" in capsys.readouterr().err
    with running(site(tmp_path, "x", models={"folder": str(tmp_path)})) as (eye, _):
        _, said = eye.communicate(timeout=PATIENCE_S)
        assert eye.returncode == 32
    assert "does not answer for its model" in said
    (tmp_path / "notify").unlink()
    path = site(tmp_path, "x")
    path.write_text(path.read_text().replace('driver = "replay"', 'driver = "crystal-ball"'))
    with running(path) as (eye, _):
        _, said = eye.communicate(timeout=PATIENCE_S)
        assert eye.returncode == 22
    assert "crystal-ball" in said and "Traceback" not in said


def test_the_eye_knows_nothing_of_the_store_the_gate_or_the_relays() -> None:
    forbidden = ("edge_gate.store", "edge_gate.gate", "edge_gate.relays", "sqlcipher3", "sqlite3", "serial", "click")
    program = f"""
import sys
import edge_gate.eye.service, edge_gate.eye.cameras.replay, edge_gate.eye.cameras.v4l2
known = [name for name in sys.modules if name.startswith({forbidden!r})]
sys.exit(", ".join(known) or 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
