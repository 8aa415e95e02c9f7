# SPDX-License-Identifier: Apache-2.0
"""In doubt a resident is asked to move, as a display at the gate shows it; a picture of them is not let in by that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.status import find_faults
from edge_gate.core.errors import WireError
from edge_gate.documents import guidance
from edge_gate.gate.gate import Gate
from edge_gate.gate.recognition.challenges import ALARM_NS
from edge_gate.gate.verbs.guidance import AGAIN_NS, MOST_DISPLAYS
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules.challenge import Act
from edge_gate.settings import config
from edge_gate.wire.client import ask, converse, status
from edge_gate.wire.eye import AcquisitionFailure
from tests.support.gates import eye_at, let_turn, pass_time
from tests.support.peers import LIVE, PICTURE, RawEye, embedding, enrol, events, opened, pulsed, running_gate, until

Settings = config.Config
IN_DOUBT = {"challenge": "in-doubt"}
PICTURE_S = 0.08
OTHERWISE = guidance.otherwise("en")
SENTENCES = {guidance.asked(each, "en"): each for each in (None, *Act)}


class Display:
    """A program at the gate that shows people what they are told."""

    def __init__(self, settings: Settings) -> None:
        self.lines: list[dict[str, Any]] = []
        self._settings = settings
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        until(lambda: self.lines)

    def _follow(self) -> None:
        try:
            for line in converse(self._settings, "guidance"):
                self.lines.append(line)
        except (WireError, OSError):
            return  # the gate has ended

    @property
    def sentence(self) -> str | None:
        said: str | None = self.lines[-1]["guidance_en"]
        return said


@contextmanager
def site(folder: Path, board: BoardSimulator, **liveness: str) -> Iterator[tuple[Gate, Settings, RawEye]]:
    """Run a gate at which Ann is enrolled and the scene is known."""
    with running_gate(folder, board.path, liveness=liveness or IN_DOUBT) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        eye.step_away()
        eye.health()
        let_turn(gate)
        yield gate, settings, eye


def look(eye: RawEye, gate: Gate, act: Act | None, *, number: int, track: int, pad: float = LIVE) -> None:
    """Show Ann for one picture, as she does an act; turned, she resembles a picture to the network."""
    if act is Act.CLOSE_EYES:
        eye.see(refusal=AcquisitionFailure.EYES_CLOSED, track=track, pad=float("nan"), eyes=0.05)
    else:
        yaw = {Act.TURN_LEFT: 20.0, Act.TURN_RIGHT: -20.0}.get(act, 0.0) if act else 0.0
        eye.see(embedding(1, seed=1000 * track + number), track=track, yaw=yaw, pad=PICTURE if yaw else pad)
    eye.wait(PICTURE_S)
    let_turn(gate)


def obey(
    eye: RawEye, gate: Gate, display: Display, *, track: int, seconds: float = 30.0, pad: float = LIVE
) -> list[Act | None]:
    """Have Ann do what the display says, after a moment, until the door opened or she is told to use her card.

    Returns what she was asked for, in order. ``pad`` is her score from then on."""
    asked: list[Act | None] = []
    since = 0
    for number in range(round(seconds / PICTURE_S)):
        until(lambda: display.sentence == _told(gate))
        sentence = display.sentence
        now = SENTENCES.get(sentence or "")
        if sentence in SENTENCES and (not asked or asked[-1] is not now):
            asked.append(now)
            since = 0
        since += 1
        if sentence == OTHERWISE or gate.door.releasing:
            return asked
        score = pad if asked else LIVE
        look(eye, gate, now if since > 8 else None, number=number, track=track, pad=score)
    return asked


def _told(gate: Gate) -> str | None:
    return gate.guidance.sentence("en")


def stand_still(eye: RawEye, gate: Gate, *, track: int, seconds: float = 12.0, pad: float = LIVE) -> None:
    for number in range(round(seconds / PICTURE_S)):
        if gate.door.releasing:  # the gate's clock is not to outrun the board, whose time is real
            return
        look(eye, gate, None, number=number, track=track, pad=pad)


def hold_up(eye: RawEye, *, track: int = 50) -> None:
    """Hold a picture of Ann before the camera."""
    for number in range(40):
        eye.see(embedding(1, seed=number), track=track, pad=PICTURE)
        eye.wait(PICTURE_S)


def attack(eye: RawEye) -> None:
    hold_up(eye)
    eye.step_away()


def test_in_no_doubt_nobody_is_asked(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board) as (gate, settings, eye):
        Display(settings)
        eye.walk_up(1, track=2)
        assert pulsed(board) and gate.approaches.current is not None and gate.approaches.current.challenge is None


def test_after_an_attack_a_resident_does_what_she_is_asked_and_is_let_in(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board) as (gate, settings, eye):
        display = Display(settings)
        attack(eye)
        asked = obey(eye, gate, display, track=3)
        assert len([each for each in asked if each is not None]) >= 1 and asked[0] is None
        assert pulsed(board)
        (event,) = events(settings, "opened")
        assert event["detail"]["challenge"] == "an attack or a failed challenge a moment ago"
        assert len(events(settings, "attack")) == 1 and events(settings, "not acquired") == []
    assert opened(board) == 1


def test_each_attack_of_a_visit_raises_the_alarm_not_the_first_alone(tmp_path: Path, board: BoardSimulator) -> None:
    """A visit is one event however long it lasts. Whoever keeps one going must not hide a later picture in it."""
    with site(tmp_path, board) as (gate, settings, eye):
        Display(settings)
        hold_up(eye)
        for _ in range(round(ALARM_NS / 1e9 / 0.9) + 20):
            eye.see(refusal=AcquisitionFailure.TOO_FAR, track=90, pad=float("nan"))
            eye.wait(0.9)
        hold_up(eye, track=51)
        eye.see(refusal=AcquisitionFailure.TOO_FAR, track=90, pad=float("nan"))
        assert len(events(settings, "attack")) == 1, "it is one visit"
        stand_still(eye, gate, track=3, seconds=40.0)
        assert events(settings, "opened") == []
    assert opened(board) == 0


def test_a_film_that_does_not_do_it_is_not_let_in_and_is_no_attack(tmp_path: Path, board: BoardSimulator) -> None:
    """However live the network takes it for, and however long it is held up."""
    with site(tmp_path, board) as (gate, settings, eye):
        display = Display(settings)
        attack(eye)
        stand_still(eye, gate, track=3, seconds=40.0)
        assert len(events(settings, "attack")) == 1
        told = events(settings, "not acquired")
        assert [each["detail"]["how"] for each in told] == ["not in time"] * 2
        assert all(each["resident"] is None and each["score"] is None for each in told)
        assert {each["detail"]["reason"] for each in told} == {"did not do what was asked"}
        assert told[0]["detail"]["asked"] != told[1]["detail"]["asked"], "other acts are asked the second time"
        until(lambda: display.sentence == OTHERWISE)
    assert not opened(board)


def test_the_same_film_opens_where_nobody_is_asked(tmp_path: Path, board: BoardSimulator) -> None:
    """The control: without challenges a film that the network takes for live opens."""
    with site(tmp_path, board, challenge="never") as (gate, settings, eye):
        Display(settings)
        attack(eye)
        stand_still(eye, gate, track=3, seconds=2.0)
        assert pulsed(board)


@pytest.mark.parametrize("scene", [0, 2])
def test_where_the_scene_is_not_known_everybody_is_asked(tmp_path: Path, board: BoardSimulator, scene: int) -> None:
    with site(tmp_path, board) as (gate, settings, eye):
        display = Display(settings)
        eye.health(scene=scene)
        eye.walk_up(1, track=3)
        assert not opened(board)
        obey(eye, gate, display, track=3)
        assert pulsed(board)


def test_a_score_that_is_not_clear_opens_after_a_challenge_alone(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board) as (gate, settings, eye):
        Display(settings)
        stand_still(eye, gate, track=3, seconds=10.0, pad=0.7)
        assert not opened(board)
        assert events(settings, "not acquired")[-1]["detail"]["doubt"] == "score not clear"


def test_always_asks_always_and_where_attacks_are_only_watched_nobody(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board, challenge="always") as (gate, settings, eye):
        display = Display(settings)
        stand_still(eye, gate, track=2, seconds=1.0)
        assert not opened(board) and status(settings).liveness.challenge == "always"
        obey(eye, gate, display, track=2)
        assert pulsed(board)
        eye.step_away()
    other = tmp_path / "other"
    with site(other, board, challenge="always", mode="watch") as (gate, settings, eye):
        assert status(settings).liveness.challenge == "never"
        eye.walk_up(1, track=2)
        until(lambda: opened(board) == 2)


def test_without_a_display_nobody_is_let_in_by_a_challenge_and_the_status_says_why(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with site(tmp_path, board) as (gate, settings, eye):
        assert any(each.startswith("guidance:") for each in find_faults(status(settings)))
        attack(eye)
        stand_still(eye, gate, track=3, seconds=12.0)
        (told,) = events(settings, "not acquired")
        assert told["detail"]["reason"] == "asked to move, and no display shows it"
        assert status(settings).approach == guidance.otherwise(settings.site.language)
        eye.step_away()
        display = Display(settings)
        assert not any(each.startswith("guidance:") for each in find_faults(status(settings)))
        obey(eye, gate, display, track=4)
        assert pulsed(board)


def test_whoever_goes_away_instead_has_failed_and_is_asked_more_next_time(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with site(tmp_path, board) as (gate, settings, eye):
        display = Display(settings)
        eye.health(scene=0)
        stand_still(eye, gate, track=2, seconds=1.0)
        assert gate.approaches.current is not None and gate.approaches.current.challenge is not None
        fewer = len(gate.approaches.current.challenge.script.acts)
        eye.step_away()
        let_turn(gate)
        (told,) = events(settings, "not acquired")
        assert told["detail"]["how"] == "left"
        eye.health(scene=1)
        stand_still(eye, gate, track=3, seconds=1.0)
        assert len(gate.approaches.current.challenge.script.acts) == fewer + 1
        obey(eye, gate, display, track=3)
        assert pulsed(board)


def test_a_challenge_lets_nobody_in_whom_the_network_refuses(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board) as (gate, settings, eye):
        display = Display(settings)
        eye.health(scene=0)
        asked = obey(eye, gate, display, track=3, pad=PICTURE)
        assert len(asked) > 3, "she did what was asked"
        until(lambda: events(settings, "attack"))
    assert not opened(board)


def test_whoever_is_measured_meanwhile_is_not_asked_any_more(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board) as (gate, settings, eye), ThreadPoolExecutor(1) as pool:
        Display(settings)
        eye.health(scene=0)
        stand_still(eye, gate, track=3, seconds=1.0)
        assert gate.approaches.current is not None and gate.approaches.current.challenge is not None
        asked = pool.submit(lambda: ask(settings, "pad-record", species="live", source="1", seconds=2))
        until(lambda: gate.liveness.recording or asked.done())
        stand_still(eye, gate, track=3, seconds=3.0)
        asked.result()
        stand_still(eye, gate, track=3, seconds=6.0)
        assert events(settings, "not acquired") == []
    assert not opened(board)


def test_the_alarm_is_over_some_minutes_later(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board) as (gate, settings, eye):
        Display(settings)
        attack(eye)
        pass_time(gate, ALARM_NS / 1e9)
        eye.health()
        eye.walk_up(1, track=3)
        assert pulsed(board)


def test_another_person_in_her_place_has_failed_with_her(tmp_path: Path, board: BoardSimulator) -> None:
    """The eye begins another track where an embedding is another's: the challenge was of the one before."""
    with site(tmp_path, board) as (gate, settings, eye):
        Display(settings)
        attack(eye)
        stand_still(eye, gate, track=3, seconds=1.5)
        for number in range(10):
            eye.see(embedding(9, seed=number), track=4, yaw=20.0)
            eye.wait(PICTURE_S)
        until(lambda: events(settings, "not acquired"))
        stand_still(eye, gate, track=5, seconds=1.0)
    assert not opened(board)


def test_what_is_asked_names_nobody_and_offers_the_other_way_in() -> None:
    for act in Act:
        assert "card" in guidance.asked(act, "en") and "门禁卡" in guidance.asked(act, "zh")


def test_only_so_many_displays_and_each_is_told_again_before_it_gives_up(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board) as (gate, settings, _):
        displays = [Display(settings) for _ in range(MOST_DISPLAYS - 1)]  # a user has no more connections than that
        before = len(displays[0].lines)
        pass_time(gate, AGAIN_NS / 1e9 + 1)
        until(lambda: len(displays[0].lines) > before)
        assert displays[0].sentence is None


def test_a_display_that_goes_is_noticed(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board) as (gate, settings, _):
        lines = converse(settings, "guidance")
        assert set(next(lines)) == {"guidance", "guidance_en"}
        assert gate.guidance.heard
        lines.close()  # type: ignore[attr-defined]
        until(lambda: not gate.guidance.heard)


def test_the_command_shows_each_sentence_once_and_ends_quietly(tmp_path: Path, board: BoardSimulator) -> None:
    with site(tmp_path, board) as (gate, settings, eye):
        file = settings.store.path.parent / "edge-gate.toml"
        command = [sys.executable, "-m", "edge_gate.cli", "guidance", "--config", str(file)]
        environment = {**os.environ, "PYTHONUTF8": "1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as shown:
            until(lambda: gate.guidance.heard)
            stand_still(eye, gate, track=2, seconds=0.5)
            eye.see(refusal=AcquisitionFailure.TOO_FAR, track=2, pad=float("nan"))
            let_turn(gate)
            eye.step_away()
            let_turn(gate)
            assert shown.stdout is not None and shown.stderr is not None
            lines = [shown.stdout.readline().decode().strip() for _ in range(4)]
            shown.send_signal(signal.SIGINT)
            assert shown.wait(10) == 130 and b"Traceback" not in shown.stderr.read()
    sentences = [f"{guidance.text(each, 'zh')} / {guidance.text(each, 'en')}" for each in AcquisitionFailure]
    assert lines == ["", sentences[AcquisitionFailure.NONE], sentences[AcquisitionFailure.TOO_FAR], ""]
