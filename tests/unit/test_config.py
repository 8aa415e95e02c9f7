# SPDX-License-Identifier: Apache-2.0
"""The configuration file: every complaint names the file, the line and the fix."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import ConfigError, ConfigMissing, EdgeGateError
from edge_gate.settings import config
from edge_gate.settings.examination import examine
from edge_gate.settings.reader import MOST_MISTAKES

FILE = Path("/etc/edge-gate/edge-gate.toml")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[door]\nchanel = 1", 2, "Did you mean 'channel'"),
        ("[dor]\nport = 'x'", 1, "Did you mean 'door'"),
        ("\n\nzebra = 1", 3, "unknown section"),
        ("door = 3", 1, "Write it as [door]"),
        ("[site]\nname = 'a'\n\n[door]\n# a comment\npulse_ms = 5", 6, "Use 100 to 25000"),
        ("[camera]\nfps = '15'", 2, "a whole number"),
        ("[camera]\nfps = true", 2, "a whole number"),
        ("[camera]\nstall_s = true", 2, "a number"),
        ("[site]\nlanguage = 'de'", 2, "zh, en"),
        ("[decision]\nfmr = nan", 2, "decision.fmr is nan"),
        ("[decision]\nfmr = inf", 2, "decision.fmr is inf"),
        ("[door]\nchannels = 2\nchannel = 3", 3, "channel 3 of 2"),
        ("[door]\ndoor.port = 1", 2, "unknown key 'door'"),
        ("[site]\nname = 'a'\nname = 'b'", 3, "not valid TOML"),
        ("[[site]]\nname = 'a'", 1, "site is a section"),
        ("[site]\nname = '\x85\u2028'\n\nlanguage = 'de'", 4, "zh, en"),
        ("[site.name]", 1, "site.name is {}"),
        ("[camera]\n[ site . 'name' ]\nzh = 1", 2, "site.name is"),
        ("\nsite.name = 3", 2, "site.name is 3"),
        ("\n'site'.\"name\" = 3", 2, "site.name is 3"),
        ("\n\nsite = { name = 3 }", 3, "site.name is 3"),
        ('[site]\n"a.b" = 3', 2, "unknown key 'a.b'"),
        ("[site]\nname.zh = 3", 2, "site.name is"),
        ("[models]\ntrusted_keys = 'RW'", 2, "Write a list"),
        ("[models]\nallow_unsigned = ['a', 3]", 2, "Write a list"),
        ("[models]\ntrusted_keys = ['']", 2, "no minisign public key"),
        ("[models]\n\ntrusted_keys = ['untrusted comment: minisign public key 367BB95354E69A91']", 3, "Base64"),
        (f"[models]\ntrusted_keys = [\n  '{config.RELEASE_KEY}',\n  'RWTW0GtBslzVUghv',\n]", 4, "not 12"),
        (f"[models]\ntrusted_keys = ['RUT{config.RELEASE_KEY[3:]}']", 2, "another algorithm"),
        ("\nmodels.trusted_keys = ['RW']", 2, "no minisign public key"),
        ("[site]\nname = ''", 2, "site.name is empty"),
        ("[site]\nname = '   '", 2, "site.name is empty"),
        (f"[site]\nname = '{'n' * 81}'", 2, "80 at most"),
        ("[quality]\nmin_interocular_px = 100\nmax_interocular_px = 90", 2, "be the smaller one"),
        ("[quality]\nmax_exposure = 0.05", 0, "nothing is good enough"),
        ('[liveness]\nchallenge = "always"\n[quality]\nmax_yaw_deg = 15', 4, "Use 20 at least"),
        ("[quality]\nmin_exposure = 0.5\nmax_exposure = 0.5", 2, "nothing is good enough"),
        ("[camera]\ndriver = 'replay'\nsource = 'f'\npinned = 'uvcvideo usb-1'", 4, "a recording is no camera"),
        ("[infrared]\ndriver = 'replay'\nsource = 'f'\npinned = 'uvcvideo usb-1'", 4, "infrared.pinned is set"),
        ("[infrared]\ndriver = 'v4l2'\nsource = '/dev/edge-gate-camera'", 3, "which is a second one"),
        ("[infrared]\ndriver = 'v4l2'\nsource = ''", 3, "infrared.source is empty"),
        ("[infrared]\nlamp = 'on'", 2, "Use one of steady, strobes"),
        ("[decision]\nmin_sightings = 20\nwindow_s = 0.5", 2, "nobody is recognised"),
        ("[camera]\nsource = ''", 2, "camera.source is empty"),
        ("[camera]\ndriver = ' '", 2, "camera.driver is empty"),
        ("[door]\nport = ''", 2, "door.port is empty"),
        ("[store]\npath = ''", 2, "store.path is empty"),
        ("[sockets]\ncontrol = ''", 2, "sockets.control is empty"),
        ("[models]\nlids = ''", 2, "models.lids is empty"),
        ("[models]\neyes = '../../x'", 2, "is no path"),
        (f"[sockets]\neye = '/{'a' * 107}'", 2, "108 bytes"),
        (f"[sockets]\ncontrol = '{'眼' * 33}'", 2, "a path of 114 bytes"),
        ("[sockets]\neye = '/a/x.sock'\ncontrol = '/a/y/../x.sock'", 2, "are at one path"),
        ("[sockets]\neye = '/a/b.db'\n[store]\npath = '/a/b.db'", 2, "are at one path"),
        ("[sockets]\ncontrol = '/a/b.db-wal'\n[store]\npath = '/a/b.db'", 2, "are at one path"),
        ("[store]\npath = '/a/b.db'\nkey_file = '/a/b.db.keyring'", 3, "are at one path"),
        ("[store]\npath = '/a/b.db'\nkey_file = '/a/b.db/key'", 2, "cannot be a file, since below it"),
        ("[store]\nkey_file = '/etc/edge-gate/edge-gate.toml/key'", 2, "this file itself is /etc/edge-gate"),
        ("[store]\npath = 'edge-gate.toml'", 2, "this file itself"),
        ("[door]\nport = '/run/edge-gate/eye/eye.sock'", 0, "are at one path"),
        (f"[models]\ntrusted_keys = ['{config.RELEASE_KEY}', 'é']", 2, "no minisign public key"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_fix(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.parse(text, FILE)
    assert str(error.value).startswith(f"{FILE}:{line}: ")
    assert says in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        "name = Front door", "name = 东门", "name = “东门”", "name = ‘东门’", 'name ＝ "东门"', 'name = "东门”',
        "name = 「东门」",
        'name = "东门"，', "［door］", "【door】", "name：东门", "time_zone = Asia/Shanghai", "name = /dev/ttyUSB0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("after", ["", "\nlanguage = 'zh'\n"])
def test_text_without_straight_quotes_and_wide_signs_are_told_what_to_use(line: str, after: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.parse(f"[site]\n{line}{after}", FILE)
    assert str(error.value).startswith(f"{FILE}:2: ") and "Use straight quotes" in str(error.value)


def test_an_empty_file_is_the_defaults() -> None:
    assert config.parse("", FILE) == config.Config()


def test_the_written_example_means_the_defaults_and_names_every_setting() -> None:
    text = config.example()
    assert config.parse(text, FILE) == config.Config()
    uncommented = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines())
    again = config.parse(uncommented, FILE)
    assert again.door == config.Config().door
    for _, kind in config.sections():
        for name in (each.name for each in fields(kind)):
            assert f"# {name} = " in text


def test_overrides_of_the_example_are_read_back() -> None:
    text = config.example({"site": {"name": 'a "quoted" \\ 名'}, "store": {"path": "x.db"}, "camera": {"fps": 7}})
    read = config.parse(text, FILE)
    assert (read.site.name, read.camera.fps) == ('a "quoted" \\ 名', 7)
    assert read.store.path == FILE.parent / "x.db"


def test_lists_are_read_in_order_and_written_back() -> None:
    keys = (config.RELEASE_KEY, "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3")
    text = config.example({"models": {"trusted_keys": keys, "allow_unsigned": ('a "b"', "眼")}})
    read = config.parse(text, FILE).models
    assert (read.trusted_keys, read.allow_unsigned) == (keys, ('a "b"', "眼"))


def test_relative_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[store]\npath = 'here/x.db'\n[models]\nfolder = '/abs'")
    read = config.load(tmp_path / "a.toml")
    assert read.store.path == tmp_path / "here" / "x.db"
    assert read.models.folder == Path("/abs")


TEXTS_OF_PATHS = {
    "camera.source": ("v4l2", "replay"),
    "infrared.source": ("v4l2", "replay"),
    "door.port": ("lcus1", "modbus-waveshare"),
}


def test_every_setting_that_is_a_path_is_taken_from_the_files_folder() -> None:
    hints = {(name, key): kind for name, of in config.sections() for key, kind in get_type_hints(of).items()}
    paths = {where for where in SETTINGS if hints[where] is Path}
    texts = {where for where in SETTINGS if str(getattr(getattr(config.Config(), where[0]), where[1])).startswith("/")}
    assert texts - paths == {tuple(each.split(".")) for each in TEXTS_OF_PATHS}, "no other is forgotten"
    for name, key in paths | texts:
        drivers = TEXTS_OF_PATHS.get(f"{name}.{key}", ("",))
        other = {"camera": "driver", "infrared": "driver", "door": "relay"}.get(name)
        for driver in drivers:
            for value, meant in (("a/b", "/etc/edge-gate/a/b"), ("./a:b", "/etc/edge-gate/a:b"), ("/c", "/c")):
                chosen = f"{other} = '{driver}'\n" if driver else ""
                read = getattr(config.parse(f"[{name}]\n{chosen}{key} = '{value}'", FILE), name)
                assert str(getattr(read, key)) == meant, (name, key)


@pytest.mark.parametrize(
    ("driver", "source", "meant"),
    [
        ("replay", "loop:fast:a/b", "loop:fast:/etc/edge-gate/a/b"),
        ("replay", "loop:a:b", "loop:/etc/edge-gate/a:b"),
        ("replay", "loop:/a", "loop:/a"),
        ("replay", "0", "/etc/edge-gate/0"),
        ("v4l2", "0", "0"),
        ("picamera2", "1", "1"),
        ("of-somebody", "rtsp://camera/1", "rtsp://camera/1"),
    ],
)
def test_what_is_no_path_stays_and_words_stay_before_a_path(driver: str, source: str, meant: str) -> None:
    text = f"[camera]\ndriver = '{driver}'\nsource = '{source}'"
    assert config.parse(text, FILE).camera.source == meant


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigMissing, match="edge-gate init"):
        config.load(tmp_path / "none.toml")


def test_a_folder_or_bytes_in_the_files_place_are_clear_errors(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"[site]\nname = '\xff'")
    for each in (tmp_path, tmp_path / "latin.toml"):
        with pytest.raises(ConfigError):
            config.load(each)


@given(st.text(max_size=300))
def test_any_text_is_a_configuration_or_a_clear_error(text: str) -> None:
    try:
        config.parse(text, FILE)
    except EdgeGateError as error:
        assert str(FILE) in str(error)


def test_a_mark_that_an_editor_puts_before_the_text_is_no_part_of_it(tmp_path: Path) -> None:
    for mark in (b"\xef\xbb\xbf", b""):
        (tmp_path / "a.toml").write_bytes(mark + "[site]\nname = '东门'".encode())
        assert config.load(tmp_path / "a.toml").site.name == "东门"


def test_every_mistake_is_found_each_with_its_line_and_none_twice(tmp_path: Path) -> None:
    text = (
        "[site]\nname = ''\ncolour = 1\n[door]\nchannel = 'x'\nchannels = 1\npulse_ms = 1\n[dor]\n"
        "[quality]\nmin_exposure = 0.9\n"
    )
    found = config.read(text, tmp_path / "a.toml")
    assert {(each.key, each.line) for each in found.mistakes} == {
        ("site.name", 2),
        ("site.colour", 3),
        ("door.channel", 5),
        ("door.pulse_ms", 7),
        ("dor", 8),
        ("quality.min_exposure", 10),
    }
    assert len(found.mistakes) == 6 and found.config.door.channels == 1
    with pytest.raises(ConfigError) as first:
        config.parse(text, tmp_path / "a.toml")
    assert first.value is not found.mistakes[0] and str(first.value) == str(found.mistakes[0])


def test_what_is_wrong_in_itself_is_not_told_again_for_what_it_does_to_others() -> None:
    found = config.read("[door]\nchannels = 'two'\nchannel = 2\n", FILE)
    assert [each.key for each in found.mistakes] == ["door.channels"]


VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["", "/", "..", "/a/b", "/a", ".", "x" * 200, "edge-gate.toml", "root", "眼"]),
    st.integers(-10, 10**6),
    st.floats(0, 1000),
    st.booleans(),
)
SETTINGS = [(name, key) for name, kind in config.sections() for key in (each.name for each in fields(kind))]


@given(st.dictionaries(st.sampled_from(SETTINGS), VALUES, max_size=12))
def test_whatever_is_set_is_settings_or_mistakes_with_a_line_and_a_fix(values: dict[tuple[str, str], Any]) -> None:
    text = "".join(f"{name}.{key} = {json.dumps(each, ensure_ascii=False)}\n" for (name, key), each in values.items())
    try:
        _, mistakes = examine(text, FILE)
    except ConfigError as no_toml:
        assert "not valid TOML" in str(no_toml)
        return
    for each in mistakes:
        assert each.what and each.fix and 0 <= each.line <= len(values) and "." in each.key
    assert len({(each.key, each.what) for each in mistakes}) == len(mistakes)


def test_a_file_full_of_mistakes_is_given_up_soon() -> None:
    text = "[site]\n" + "".join(f"k{number} = 1\n" for number in range(6000))
    assert len(config.read(text, FILE).mistakes) == MOST_MISTAKES
    assert len(config.read("".join(f"[s{number}]\n" for number in range(6000)), FILE).mistakes) == MOST_MISTAKES
