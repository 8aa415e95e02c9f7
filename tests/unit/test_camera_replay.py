# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edge_gate.core.errors import CameraError, CameraMissing
from edge_gate.eye.cameras import CameraGarbled, Frame
from edge_gate.eye.cameras.replay import ReplayCamera
from edge_gate.seal import policy
from edge_gate.settings import config
from edge_gate.settings.camera import RecordingSource, parse_recording
from edge_gate.tools.trial import camera_settings
from tests.support.clocks import HeldClock
from tests.support.pictures import png_that_claims

FPS = 20
PERIOD_S = 1 / FPS
COUNT = 12


def picture(number: int) -> np.ndarray:
    """A picture that says its number in its brightness, with a gradient so that it is not flat."""
    gradient = np.linspace(0, 20, 64, dtype=np.float32)[None, :, None]
    return np.broadcast_to(gradient + 16 * number + 8, (48, 64, 3)).astype(np.uint8)


def number_of(frame: Frame | None) -> int:
    assert frame is not None
    return round((float(frame.bgr.mean()) - 18) / 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    for number in reversed(range(COUNT)):
        cv2.imwrite(str(path / f"{number:03d}.png"), picture(number))
    (path / "notes.txt").write_text("not a picture, and not taken for one")
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "street.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    assert writer.isOpened()
    for number in range(COUNT):
        writer.write(picture(number))
    writer.release()
    return path


@pytest.fixture(params=["folder", "film"])
def recording(request: pytest.FixtureRequest) -> Path:
    path = request.getfixturevalue(request.param)
    assert isinstance(path, Path)
    return path


def replay(source: str, clock: HeldClock | None = None) -> ReplayCamera:
    held = clock or HeldClock(1_000_000_000)
    return ReplayCamera(config.CameraSettings(driver="replay", source=source, fps=FPS), held, held.pass_s)


def test_as_fast_as_possible_every_picture_comes_exactly_once_in_order(recording: Path) -> None:
    camera = replay(f"fast:{recording}")
    assert [number_of(camera.read(0.0)) for _ in range(COUNT)] == list(range(COUNT))
    assert not camera.ended
    assert camera.read(0.0) is None
    assert camera.ended
    assert camera.read(0.0) is None


def test_a_folder_is_shown_bit_by_bit_as_it_was_stored(folder: Path) -> None:
    frame = replay(f"fast:{folder}").read(0.0)
    assert frame is not None and np.array_equal(frame.bgr, picture(0))


def test_in_real_time_each_picture_comes_at_its_moment_and_not_before(recording: Path) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(str(recording), clock)
    assert number_of(camera.read(0.0)) == 0
    for number in range(1, COUNT):
        clock.pass_s(PERIOD_S * 0.9)
        assert camera.read(0.0) is None
        clock.pass_s(PERIOD_S * 0.1)
        assert number_of(camera.read(0.0)) == number
    clock.pass_s(PERIOD_S)
    assert camera.read(0.0) is None
    assert camera.ended


def test_in_real_time_a_slow_reader_loses_what_is_late(recording: Path) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(str(recording), clock)
    start_ns = clock.at_ns
    assert number_of(camera.read(0.0)) == 0
    clock.pass_s(PERIOD_S * 5.5)
    frame = camera.read(0.0)
    assert number_of(frame) == 5
    assert frame is not None and frame.captured_ns == start_ns + 5 * 50_000_000
    assert camera.read(0.0) is None
    clock.pass_s(PERIOD_S * 100)
    assert camera.read(0.0) is None
    assert camera.ended


def test_a_read_waits_for_the_next_picture_but_no_longer_than_it_was_told(folder: Path) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(str(folder), clock)
    camera.read(0.0)
    before_ns = clock.at_ns
    assert camera.read(0.01) is None
    assert clock.at_ns - before_ns == 10_000_000
    assert number_of(camera.read(1.0)) == 1
    assert clock.at_ns - before_ns == 50_000_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(pauses_ms=st.lists(st.integers(0, 180), max_size=20), timeout_ms=st.integers(0, 60))
def test_in_real_time_the_picture_is_always_the_one_due_and_never_comes_twice(
    folder: Path, pauses_ms: list[int], timeout_ms: int
) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(str(folder), clock)
    start_ns = clock.at_ns
    seen: list[int] = []
    for pause_ms in pauses_ms:
        frame = camera.read(timeout_ms / 1000)
        if frame is not None:
            seen.append(number_of(frame))
            assert seen[-1] == (clock.at_ns - start_ns) // 50_000_000
        clock.pass_s(pause_ms / 1000)
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("prefix", ["fast:loop:", "loop:fast:"])
def test_a_loop_begins_again_and_has_no_end(recording: Path, prefix: str) -> None:
    camera = replay(f"{prefix}{recording}")
    assert [number_of(camera.read(0.0)) for _ in range(2 * COUNT + 3)] == [*range(COUNT), *range(COUNT), 0, 1, 2]
    assert not camera.ended


def test_a_loop_in_real_time_goes_on_past_the_end(folder: Path) -> None:
    clock = HeldClock(1_000_000_000)
    camera = replay(f"loop:{folder}", clock)
    assert number_of(camera.read(0.0)) == 0
    clock.pass_s(PERIOD_S * (COUNT + 3))
    assert number_of(camera.read(0.0)) == 3


def test_a_broken_picture_is_named_and_the_next_one_follows(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(1))
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nand then nothing of use")
    (tmp_path / "c.jpg").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "d.png"), picture(4))
    camera = replay(f"fast:{tmp_path}")
    assert number_of(camera.read(0.0)) == 1
    for name in ("b.png", "c.jpg"):
        with pytest.raises(CameraGarbled, match=name):
            camera.read(0.0)
    assert number_of(camera.read(0.0)) == 4
    assert camera.read(0.0) is None
    assert camera.ended


def test_nothing_to_play_is_said_when_the_camera_is_opened(tmp_path: Path) -> None:
    with pytest.raises(CameraMissing, match=r"no such film or folder"):
        replay(str(tmp_path / "away.avi"))
    with pytest.raises(CameraError, match="no picture in this folder"):
        replay(f"fast:{tmp_path}")
    text = tmp_path / "letter.txt"
    text.write_text("Dear neighbours")
    with pytest.raises(CameraError, match="not a film"):
        replay(str(text))


def test_a_closed_replay_has_ended(recording: Path) -> None:
    camera = replay(f"loop:fast:{recording}")
    camera.read(0.0)
    camera.close()
    assert camera.ended
    assert camera.read(0.0) is None


NAMES: list[bytes] = [
    b"plain.png",
    b"latin-\xe9\xff.png",
    b"two\nlines.png",
    b"tab\tand\x1b[31mcolour.png",
    b"colon:loop:fast:.png",
    b"100%d.png",
    "门口.png".encode(),
    b"[b]bold[red] {0} %s.PNG",
    b" space .png",
    b"l" * 251 + b".png",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_played_whatever_its_name_and_its_folders_name(tmp_path: Path, name: bytes) -> None:
    parent = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name.removesuffix(b".png")))
    parent.mkdir()
    done, content = cv2.imencode(".png", picture(3))
    assert done
    file = Path(os.fsdecode(os.fsencode(parent) + b"/" + name))
    file.write_bytes(content.tobytes())
    camera = replay(f"loop:fast:{parent}")
    assert [number_of(camera.read(0.0)) for _ in range(3)] == [3, 3, 3]
    file.write_bytes(content.tobytes()[:60])
    with pytest.raises(CameraGarbled, match="damaged") as caught:
        camera.read(0.0)
    assert str(caught.value).isprintable()
    str(caught.value).encode()


@pytest.mark.parametrize("name", [name.removesuffix(b".png").removesuffix(b".PNG") for name in NAMES])
def test_a_film_is_played_whatever_its_name(tmp_path: Path, film: Path, name: bytes) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name + b".avi"))
    odd.write_bytes(film.read_bytes())
    camera = replay(f"loop:fast:{odd}")
    assert [number_of(camera.read(0.0)) for _ in range(COUNT + 1)] == [*range(COUNT), 0]
    camera.close()


def test_what_is_no_picture_of_the_folders_is_passed_over(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(1))
    cv2.imwrite(str(tmp_path / "b.jpg"), picture(2))
    for name in ("._a.png", "._b.jpg", ".DS_Store", ".hidden.png", "Thumbs.db", "notes.txt", "film.mp4"):
        (tmp_path / name).write_bytes(b"\0\x05\x16\x07Mac OS X")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "away.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    camera = replay(f"fast:{tmp_path}")
    assert [number_of(camera.read(0.0)) for _ in range(2)] == [1, 2]
    assert camera.read(0.0) is None and camera.ended


def test_a_folder_with_hidden_files_alone_has_nothing_to_play(tmp_path: Path) -> None:
    (tmp_path / "._a.png").write_bytes(b"\0\x05\x16\x07")
    with pytest.raises(CameraError, match="no picture in this folder"):
        replay(str(tmp_path))


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(png_that_claims(12000, 9000))
    program = f"""
import resource, sys
from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import CameraError
from edge_gate.eye.cameras.replay import ReplayCamera
from edge_gate.settings.config import CameraSettings
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for source in ({f"fast:{tmp_path}"!r}, {f"{tmp_path}/huge.png"!r}):
    try:
        ReplayCamera(CameraSettings(source=source), SystemClock()).read(0.0)
        sys.exit("it was decoded")
    except CameraError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    of_folder, of_file, grown_mib = done.stdout.splitlines()
    assert "huge.png: 12000 x 9000 pixels are too many" in of_folder and "12000 x 9000" in of_file
    assert int(grown_mib) < 30


@pytest.mark.parametrize(
    "source", ["/" + "n" * 300, "/tmp/" + "d/" * 3000, "nul\0nul", "loop:", "/root/\udce9/no", "/proc/1/fd"]
)
def test_a_source_that_cannot_be_a_path_is_a_sentence(source: str) -> None:
    with pytest.raises(CameraError) as caught:
        replay(f"fast:{source}" if source != "loop:" else "/dev/null")
    assert str(caught.value).isprintable()


def test_words_before_a_path_end_at_the_first_that_is_none() -> None:
    assert parse_recording("loop:fast:/a:b/fast:c") == RecordingSource(("loop", "fast"), Path("/a:b/fast:c"))
    assert parse_recording("/film:loop") == RecordingSource((), Path("/film:loop"))
    assert parse_recording("fast") == RecordingSource((), Path("fast"))


@given(st.lists(st.sampled_from(["fast", "loop"]), max_size=3), st.text(max_size=20))
def test_the_path_is_what_stands_behind_the_words(words: list[str], path: str) -> None:
    assume(path.partition(":")[0] not in ("fast", "loop"))
    assert parse_recording(":".join([*words, path])) == RecordingSource(tuple(words), Path(path))


def test_the_seal_and_the_command_line_take_the_same_path_from_a_source(tmp_path: Path) -> None:
    folder = tmp_path / "Wed 10:30:15"
    folder.mkdir()
    for words in ("", "loop:", "fast:loop:"):
        chosen = camera_settings(f"{words}{folder}")
        assert chosen == {"driver": "replay", "source": f"{words}{folder}"}
        assert folder in policy.eye(config.Config(camera=config.CameraSettings(**chosen))).readable
    assert camera_settings("n" * 5000)["driver"] == "v4l2"


def test_the_seal_lets_an_infrared_camera_be_a_device_or_a_recording_too() -> None:
    recorded = config.CameraSettings(driver="replay", source="/films/a")
    for infrared, devices, films in (
        (config.InfraredSettings(), policy.HARMLESS_DEVICES, ["/films/a"]),
        (config.InfraredSettings(driver="v4l2"), (policy.DEV,), ["/films/a"]),
        (
            config.InfraredSettings(driver="replay", source="/films/b"),
            policy.HARMLESS_DEVICES,
            ["/films/a", "/films/b"],
        ),
    ):
        found = policy.eye(config.Config(camera=recorded, infrared=infrared))
        assert found.devices == devices
        assert [str(each) for each in found.readable if each.is_relative_to("/films")] == films
