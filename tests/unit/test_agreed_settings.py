# SPDX-License-Identifier: Apache-2.0
"""Settings that take two people: all but those on one list, on a real gate and as rules."""

from __future__ import annotations

import json
import pwd
import shutil
import tomllib
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.cli.audit import read
from edge_gate.core.errors import PolicyHeld
from edge_gate.gate.authorisation.approvals import Matter
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.rules.agreed_policy import Agreement, digest, held, shutting
from edge_gate.settings import config
from edge_gate.settings.config import Config
from edge_gate.settings.oversight import ALONE, SERVED, STRICTER, names, word
from edge_gate.settings.setting import setting
from edge_gate.store.audit.log import LONGEST_DETAIL_BYTES
from edge_gate.wire.client import ask
from tests.support.clerk import BERT, ROLES, Clerk
from tests.support.gates import eye_at, settle, within
from tests.support.peers import enrol, events, pulsed, running_gate, until
from tests.support.signing import sign

EVERY = [name for section, kind in config.sections() for name in names(section, kind)]
# A setting comes to this list and to ALONE when somebody has thought about it, and not before.
DECIDED = {
    *("site.name", "site.language", "site.time_zone", "models.threads", "door.baud", "door.reply_ms"),
    *("camera.rotate_deg", "camera.stall_s", "store.path", "store.key_file", "sockets.eye", "sockets.control"),
}


def value_of(settings: Config, name: str) -> Any:
    section, _, key = name.partition(".")
    return getattr(getattr(settings, section), key)


def with_value(settings: Config, name: str, value: Any) -> Config:
    section, _, key = name.partition(".")
    return replace(settings, **{section: replace(getattr(settings, section), **{key: value})})


def other(value: Any) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (*value, "one-more")
    return type(value)(f"{value}x") if isinstance(value, (str, Path)) else value + 1


def test_a_setting_is_held_unless_somebody_decided_that_one_person_is_enough() -> None:
    assert set(ALONE) == DECIDED <= set(EVERY)
    assert all(len(reason) > 10 for reason in ALONE.values())
    assert set(held(Config())) == set(EVERY) - DECIDED
    assert set(STRICTER) | SERVED <= set(held(Config())), "a name that is none"


def test_a_new_section_and_a_new_setting_are_held_and_keep_the_door_shut_until_somebody_decides() -> None:
    @dataclass(frozen=True)
    class Visitors:
        most: int = setting(5, "visitors at a time", low=1, high=50)

    added: Any = make_dataclass(
        "Config", [("visitors", Visitors, field(default_factory=Visitors))], bases=(Config,), frozen=True
    )
    agreed = Agreement(held(added()))
    wanted = added(visitors=Visitors(6))
    assert agreed.waiting(wanted) == ["visitors.most"] == shutting(agreed.waiting(wanted))
    assert word("visitors.most") == "two, shut"
    without = {name: value for name, value in held(added()).items() if name != "visitors.most"}
    assert Agreement.read(without, wanted).waiting(wanted) == ["visitors.most"], "it came with an update"
    assert Agreement.read(without, added()).waiting(added()) == []


@pytest.mark.parametrize("name", [each for each in EVERY if each not in ALONE])
def test_what_is_not_on_the_list_waits_in_one_direction_at_least(name: str) -> None:
    settings = with_value(Config(), "infrared.driver", "v4l2")
    first, second = value_of(settings, name), other(value_of(settings, name))
    if name == "liveness.mode":
        first, second = "require", "watch"
    if name == "liveness.challenge":
        first, second = "always", "in-doubt"
    ways = [(first, second), (second, first)]
    waited = []
    for old, new in ways:
        agreed, wanted = Agreement(held(with_value(settings, name, old))), with_value(settings, name, new)
        waited.append(agreed.waiting(wanted) == [name])
        if waited[-1]:
            section, _, key = name.partition(".")
            assert set(agreed.compared(wanted)[section]) == {key}
            assert value_of(agreed.serve(wanted), name) == (old if name in SERVED else new)
            assert agreed.settled(wanted) == held(with_value(settings, name, old))
        else:
            assert agreed.serve(wanted) == wanted and agreed.settled(wanted) == held(wanted)
    assert waited.count(True) == (1 if name in STRICTER else 2)
    assert ("one)" in word(name)) == (name in STRICTER)


@pytest.mark.parametrize(
    ("name", "agreed", "looser", "stricter"),
    [
        ("decision.fmr", 1e-4, 1e-3, 1e-5),
        ("decision.attempts", 3, 4, 2),
        ("decision.window_s", 4.0, 4.5, 3.0),
        ("decision.min_sightings", 3, 2, 4),
        ("decision.hold_off_s", 5.0, 0.0, 6.0),
        ("door.pulse_ms", 700, 25_000, 300),
        ("roles.people_per_hour", 10, 11, 9),
        ("roles.approval_minutes", 15, 16, 14),
        ("quality.min_sharpness", 0.35, 0.0, 0.5),
        ("quality.max_yaw_deg", 25.0, 60.0, 10.0),
        ("liveness.mode", "watch", "off", "require"),
        ("liveness.challenge", "in-doubt", "never", "always"),
        ("models.trusted_keys", ("a", "b"), ("a", "b", "c"), ("a",)),
        ("models.trusted_keys", ("a", "b"), ("c",), ()),
        ("models.allow_unsigned", ("m",), ("m", "n"), ()),
        ("seal.required", True, False, True),
    ],
)
def test_the_stricter_of_two_settings_needs_nobody_else(name: str, agreed: Any, looser: Any, stricter: Any) -> None:
    before = Agreement(held(with_value(Config(), name, agreed)))
    assert before.waiting(with_value(Config(), name, looser)) == [name]
    assert before.waiting(with_value(Config(), name, stricter)) == []


def test_a_row_of_before_says_the_same_of_any_number_of_keys() -> None:
    many = with_value(Config(), "models.trusted_keys", tuple(f"key {number}" for number in range(20)))
    row = {"fmr": 1e-4, "liveness": "require", "trusted_keys": sorted(many.models.trusted_keys), "allow_unsigned": []}
    assert Agreement.read(row, many).waiting(many) == []
    one_more = with_value(many, "models.trusted_keys", (*many.models.trusted_keys, "another"))
    assert Agreement.read(row, one_more).waiting(one_more) == ["models.trusted_keys"]


def test_an_infrared_camera_is_added_by_one_and_taken_away_by_two() -> None:
    without = Config()
    with_one = with_value(with_value(without, "infrared.driver", "v4l2"), "infrared.source", "/dev/video7")
    assert Agreement(held(without)).waiting(with_one) == []
    assert set(Agreement(held(with_one)).waiting(without)) == {"infrared.driver", "infrared.source"}


def test_a_row_has_room_for_whatever_a_file_says() -> None:
    hostile = '"\\\x7f\n' * 3000
    settings = Config()
    for name in held(settings):
        value = value_of(settings, name)
        if isinstance(value, tuple):
            value = tuple(f'{number}"{hostile}' for number in range(500))
        elif isinstance(value, (str, Path)) and not name.startswith("liveness."):  # which are words of three each
            value = type(value)(hostile)
        settings = with_value(settings, name, value)
    for each in (settings, with_value(settings, "models.trusted_keys", tuple(str(n) + 59 * "x" for n in range(8)))):
        assert len(json.dumps(held(each), separators=(",", ":"))) < LONGEST_DETAIL_BYTES
        assert Matter.of("settings", Agreement(held(Config())).compared(each) | {"verb": "policy"}, longest=20_000)
    one_more = with_value(settings, "models.trusted_keys", (*settings.models.trusted_keys, "y"))
    assert Agreement(held(settings)).waiting(one_more) == ["models.trusted_keys"], "a hash tells them apart"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*EVERY, "fmr", "liveness", "x"]), JSON_VALUES, max_size=12))
def test_whatever_a_row_says_it_is_understood(said: dict[str, Any]) -> None:
    agreed = Agreement.read(said, Config())
    waiting = agreed.waiting(Config())
    assert json.dumps(agreed.settled(Config())) and set(agreed.values) == set(held(Config()))
    for name in SERVED.intersection(waiting):
        assert type(value_of(agreed.serve(Config()), name)) is type(value_of(Config(), name))


# Each setting that one person could change alone before, with a value at the first start and one afterwards.
FREE: dict[str, tuple[Any, Any]] = {
    "decision.window_s": (2.0, 3.0),
    "decision.gap_s": (1.5, 0.3),
    "decision.hold_off_s": (5.0, 0.0),
    "limiter.rest_after": (6, 100),
    "limiter.forgiven_s": (30.0, 1.0),
    "quality.min_interocular_px": (22.0, 8.0),
    "quality.max_interocular_px": (600.0, 900.0),
    "quality.min_sharpness": (0.35, 0.0),
    "quality.min_exposure": (0.06, 0.0),
    "quality.max_exposure": (0.88, 1.0),
    "quality.max_yaw_deg": (25.0, 60.0),
    "quality.max_pitch_deg": (25.0, 60.0),
    "quality.min_eyes_open": (0.12, 0.0),
    "roles.installer": ("bin", "games"),
    "roles.maintainer": ("daemon", "games"),
    "roles.auditor": ("sys", "games"),
    "roles.approval_minutes": (15, 1440),
    "sockets.operators": ("edge-gate", "games"),
    "sockets.eye_user": ("", "games"),
    "seal.required": (True, False),
    "camera.driver": ("v4l2", "replay"),
    "camera.source": ("/dev/edge-gate-camera", "/dev/video9"),
    "camera.pinned": ("uvcvideo usb-1 046d:0825", ""),
    "infrared.driver": ("v4l2", ""),
    "models.eyes": ("test-eyes", "other-eyes"),
    "models.liveness": ("liveness-minifasnet-80", "other-liveness"),
    "models.detector": ("face_detection_yunet_2023mar_int8", "another"),
    "camera.fps": (15, 5),
    "camera.width": (640, 320),
    "door.raise_dtr": (False, True),
    "door.channels": (1, 2),
    "door.address": (1, 2),
}


def write_others(models: Path) -> None:
    """Have a second eyes model and a second attack model, whose cards are signed as those of the first are."""
    for name, new in (("test-eyes", "other-eyes"), ("liveness-minifasnet-80", "other-liveness")):
        shutil.copy(models / f"{name}.tflite", models / f"{new}.tflite")
        (models / f"{new}.toml").write_text((models / f"{name}.toml").read_text().replace(f'"{name}', f'"{new}'))
        sign(models / f"{new}.toml")


def rewrite(file: Path, name: str, value: Any) -> None:
    """Give one setting of the file another value."""
    section, _, key = name.partition(".")
    chosen = tomllib.loads(file.read_text())
    chosen.setdefault(section, {})[key] = value
    tupled = {each: {k: tuple(v) if isinstance(v, list) else v for k, v in of.items()} for each, of in chosen.items()}
    file.write_text(config.example(tupled))


@pytest.mark.parametrize("name", FREE)
def test_what_one_person_could_change_alone_before_waits_for_a_second_one(
    tmp_path: Path, board: BoardSimulator, name: str
) -> None:
    before, after = FREE[name]
    section, _, key = name.partition(".")
    chosen: dict[str, dict[str, Any]] = {"roles": dict(ROLES)}
    chosen.setdefault(section, {})[key] = before
    file = tmp_path / "site" / "edge-gate.toml"
    with running_gate(tmp_path, board.path, **chosen) as (gate, settings):
        assert ask(settings, "status")["policy"] == {"waiting": [], "held": ""}, "a first start agrees to all"
        settle(gate, "Ann")
    write_others(tmp_path / "models")
    rewrite(file, name, after)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert value_of(settings, name) == after
        policy = ask(settings, "status")["policy"]
        assert policy["waiting"] == [name]
        assert (name in policy["held"]) == (name not in SERVED)
        if name in SERVED:
            assert value_of(gate.authorisation.agreed, name) == before, "the gate goes on with what was agreed to"
        else:
            with pytest.raises(PolicyHeld):
                gate.authorisation.let_through()
        (request,) = ask(settings, "approvals")
        assert set(request["fields"]) == {name}
        role = "installer" if name != "roles.installer" else "maintainer"
        assert "ok" in Clerk(gate, BERT, role).ask("approve", id=request["id"])
        assert value_of(gate.authorisation.agreed, name) == after
        assert ask(settings, "status")["policy"] == {"waiting": [], "held": ""}
    with running_gate(tmp_path, board.path) as (_, settings):
        assert ask(settings, "status")["policy"] == {"waiting": [], "held": ""}


def test_what_one_person_may_change_alone_waits_for_nobody(tmp_path: Path, board: BoardSimulator) -> None:
    """The control, with the stricter ways besides."""
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, settings):
        settle(gate, "Ann")
    file = tmp_path / "site" / "edge-gate.toml"
    alone = {
        **{"site.name": "Another gate", "site.language": "en", "camera.stall_s": 9.0, "camera.rotate_deg": 180},
        **{"door.baud": 19200, "models.threads": 2, "decision.window_s": 1.0, "quality.min_sharpness": 0.5},
        **{"infrared.driver": "v4l2", "roles.approval_minutes": 5},
    }
    for name, value in alone.items():
        rewrite(file, name, value)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "status")["policy"] == {"waiting": [], "held": ""} and ask(settings, "approvals") == []
        assert gate.authorisation.agreed == settings and settings.site.name == "Another gate"
        assert gate.recognition.policy.settings.window_s == 1.0
    rewrite(file, "decision.window_s", 2.0)
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert ask(settings, "status")["policy"]["waiting"] == ["decision.window_s"], "what was stricter is agreed now"


def test_the_gate_decides_by_what_was_agreed_to_and_by_the_new_settings_as_soon_as_they_are(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path, roles=ROLES, decision={"hold_off_s": 600.0}) as (gate, settings):
        eye = eye_at(gate)
        eye.health()
        enrol(settings, eye, "Ann", 1, track=1)
        del eye
    file = tmp_path / "site" / "edge-gate.toml"
    for name, value in {"decision.hold_off_s": 0.0, "decision.gap_s": 0.5, "sockets.eye_user": "games"}.items():
        rewrite(file, name, value)
    games = pwd.getpwnam("games").pw_uid
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)

        def openings(track: int) -> int:
            eye.walk_up(1, track=track)
            eye.step_away()
            return sum(each.on for each in board.history)

        before = openings(2)
        assert openings(3) == before, "held off, as it was agreed to"
        assert games not in gate.eye.link._peer._allowed
        (request,) = ask(settings, "approvals")
        assert "ok" in Clerk(gate, BERT, "installer").ask("approve", id=request["id"])
        eye.walk_up(1, track=4)
        assert board.wait_until(lambda: sum(each.on for each in board.history) > before, 5)
        assert games in gate.eye.link._peer._allowed


def test_an_agreed_eye_user_whom_the_system_has_lost_keeps_no_gate_from_starting(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        settle(gate, "Ann")
        lost = held(settings) | {"sockets.eye_user": "gone-for-good", "roles.auditor": "gone-too"}
        within(gate, lambda: gate.authorisation.log.append("policy", actor="gate", role="gate", detail=lost))
    with running_gate(tmp_path, board.path) as (_, settings):
        assert ask(settings, "status")["policy"]["waiting"] == ["sockets.eye_user", "roles.auditor"]


def test_until_somebody_was_enrolled_whoever_installs_a_gate_tries_what_they_like(
    tmp_path: Path, board: BoardSimulator
) -> None:
    """An installer has an hour, and starts the gate again and again. Whom nobody knows, no setting lets in."""
    file = tmp_path / "site" / "edge-gate.toml"
    with running_gate(tmp_path, board.path, roles=ROLES):
        pass
    for attempts in (9, 8, 20):
        rewrite(file, "decision.attempts", attempts)
        with running_gate(tmp_path, board.path) as (gate, settings):
            assert ask(settings, "status")["policy"] == {"waiting": [], "held": ""}
            assert gate.recognition.policy.settings.attempts == attempts
    with running_gate(tmp_path, board.path) as (gate, settings):
        assert len([row for row in read(settings)[0] if row.verb == "policy"]) == 4, "each is in the log"
        enrol(settings, eye_at(gate), "Ann", 1, track=1)
        assert "ok" in Clerk(gate, BERT, "maintainer").ask("forget", name="Ann")
    rewrite(file, "decision.window_s", 9.0)
    with running_gate(tmp_path, board.path) as (_, settings):
        assert ask(settings, "status")["policy"]["waiting"] == ["decision.window_s"], "nor after all were forgotten"


def test_a_group_that_was_not_agreed_to_gives_no_role_and_one_that_was_does(
    tmp_path: Path, board: BoardSimulator
) -> None:
    with running_gate(tmp_path, board.path, roles=ROLES) as (gate, _):
        settle(gate, "Ann")
    rewrite(tmp_path / "site" / "edge-gate.toml", "roles.maintainer", ROLES["auditor"])
    with running_gate(tmp_path, board.path) as (gate, settings):
        mallory, anne = Clerk(gate, 60_001, "auditor"), Clerk(gate, 60_002, "maintainer")
        assert mallory.refused("residents") == "NotAllowed"
        assert "ok" in anne.ask("residents")
        (request,) = ask(settings, "approvals")
        assert "ok" in anne.ask("approve", id=request["id"])
        assert "ok" in mallory.ask("residents")
        assert anne.refused("residents") == "NotAllowed"


def test_an_eye_that_was_started_by_another_file_opens_nothing_though_the_file_is_put_back(
    tmp_path: Path, board: BoardSimulator
) -> None:
    """The eye reads the file when it starts: with a film in the camera's place, say, while the gate runs on."""
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        eye.health(settings=digest(settings))
        enrol(settings, eye, "Ann", 1, track=1)
        eye.walk_up(1, track=2)
        assert pulsed(board), "the control"
        eye.connection.close()
        until(lambda: not gate.eye.connected)
        eye = eye_at(gate)
        eye.health(settings=digest(with_value(settings, "camera.driver", "replay")))
        before = len(board.history)
        eye.walk_up(1, track=3, views=12)
        assert "other settings" in ask(settings, "status")["policy"]["held"] and len(board.history) == before
        assert len(events(settings, "eye settings")) == 1
        with pytest.raises(PolicyHeld):
            gate.authorisation.let_through()
        eye.connection.close()
        until(lambda: not gate.eye.connected)
        eye = eye_at(gate)
        eye.health(settings=digest(with_value(settings, "site.name", "what no eye looks at")))
        eye.walk_up(1, track=4)
        assert board.wait_until(lambda: len(board.history) > before, 5), "it was started again by the right file"


@pytest.mark.parametrize(
    "name", ["camera.source", "camera.pinned", "models.eyes", "quality.min_sharpness", "seal.required"]
)
def test_what_the_eye_takes_from_the_file_is_in_what_it_tells_the_gate(name: str) -> None:
    settings = Config()
    assert digest(with_value(settings, name, other(value_of(settings, name)))) != digest(settings)


def test_a_policy_row_has_every_setting_that_is_held(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (_, settings):
        (row,) = [row for row in read(settings)[0] if row.verb == "policy"]
        assert row.said == held(settings) and set(row.said) == set(EVERY) - DECIDED
