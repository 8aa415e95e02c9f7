# SPDX-License-Identifier: Apache-2.0
"""The configuration file: every complaint names the file, the line and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import ConfigError, ConfigMissing, EdgeGateError
from edge_gate.settings import config

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
        ("[models]\ntrusted_keys = 'RW'", 2, "Write a list"),
        ("[models]\nallow_unsigned = ['a', 3]", 2, "Write a list"),
        ("[models]\ntrusted_keys = ['']", 2, "no minisign public key"),
        ("[models]\n\ntrusted_keys = ['untrusted comment: minisign public key 52D55CB2416BD0D6']", 3, "Base64"),
        (f"[models]\ntrusted_keys = [\n  '{config.RELEASE_KEY}',\n  'RWTW0GtBslzVUghv',\n]", 4, "not 12"),
        (f"[models]\ntrusted_keys = ['RUT{config.RELEASE_KEY[3:]}']", 2, "another algorithm"),
        ("\nmodels.trusted_keys = ['RW']", 2, "no minisign public key"),
        (f"[models]\ntrusted_keys = ['{config.RELEASE_KEY}', 'é']", 2, "no minisign public key"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_fix(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.parse(text, FILE)
    assert str(error.value).startswith(f"{FILE}:{line}: ")
    assert says in str(error.value)


def test_an_empty_file_is_the_defaults() -> None:
    assert config.parse("", FILE) == config.Config()


def test_the_written_example_means_the_defaults_and_names_every_setting() -> None:
    text = config.example()
    assert config.parse(text, FILE) == config.Config()
    uncommented = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines())
    again = config.parse(uncommented, FILE)
    assert again.door == config.Config().door
    for _, kind in config.sections():
        for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]
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
