# SPDX-License-Identifier: Apache-2.0
"""Where the store's key comes from, and which files are no key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_gate.core.errors import AlreadyInitialised, KeyLocked, KeyMalformed, KeyMissing, KeyUnsafe, StoreError
from edge_gate.settings.config import StoreSettings
from edge_gate.store.keys.source import create_key_file, load_key

KEY = bytes(range(32))


def key_file(path: Path, text: str = KEY.hex(), mode: int = 0o600) -> StoreSettings:
    path.write_text(text)
    path.chmod(mode)
    return StoreSettings(key_file=path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex() + "\n", KEY.hex().upper()])
def test_a_private_file_with_64_hex_digits_is_the_key(tmp_path: Path, text: str, mode: int) -> None:
    assert load_key(key_file(tmp_path / "k", text, mode), {}) == KEY


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o700, 0o610])
def test_a_file_that_others_may_touch_or_that_runs_is_refused_with_its_mode(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KeyUnsafe, match=f"mode {mode:04o}"):
        load_key(key_file(tmp_path / "k", mode=mode), {})


def test_a_file_that_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k"
    settings = key_file(path)
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
    else:
        settings = StoreSettings(key_file=Path("/etc/hostname"))  # root's
    with pytest.raises(KeyUnsafe):
        load_key(settings, {})


@pytest.mark.parametrize("text", ["", "00", "0" * 63, "0" * 65, "0" * 64 + "\n\n", "0" * 64 + "x", "g" * 64, " " * 64])
def test_a_file_that_is_not_64_hex_digits_is_malformed(tmp_path: Path, text: str) -> None:
    with pytest.raises(KeyMalformed):
        load_key(key_file(tmp_path / "k", text), {})


@given(st.binary(max_size=200))
@example(KEY.hex().encode() + b"\0")
@example(b"EGLOCK1\0")
def test_no_bytes_in_the_key_file_do_worse_than_be_malformed(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("key") / "k"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises((KeyMalformed, KeyLocked)):
        load_key(StoreSettings(key_file=path), {})


def test_a_missing_file_a_folder_a_link_and_a_pipe_are_no_key(tmp_path: Path) -> None:
    real, link, pipe = tmp_path / "real", tmp_path / "link", tmp_path / "pipe"
    key_file(real)
    link.symlink_to(real)
    os.mkfifo(pipe, 0o600)
    for path in (tmp_path / "absent", tmp_path, link, pipe):
        with pytest.raises(KeyMissing, match=str(path)):
            load_key(StoreSettings(key_file=path), {})


def test_without_a_key_file_the_systemd_credential_is_read(tmp_path: Path) -> None:
    key_file(tmp_path / "store-key", mode=0o400)
    assert load_key(StoreSettings(), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == KEY


def test_a_credential_whose_access_list_shows_as_group_bits_is_read(tmp_path: Path) -> None:
    key_file(tmp_path / "store-key", mode=0o440)
    assert load_key(StoreSettings(), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == KEY


def test_a_credential_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    key_file(tmp_path / "store-key", mode=0o444)
    with pytest.raises(KeyUnsafe):
        load_key(StoreSettings(), {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_a_key_file_that_is_set_goes_before_the_credential(tmp_path: Path) -> None:
    key_file(tmp_path / "store-key", "0" * 64)
    assert load_key(key_file(tmp_path / "k"), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == KEY


def test_with_neither_file_nor_credential_the_error_names_both() -> None:
    with pytest.raises(KeyMissing, match=r"store-key.*key_file"):
        load_key(StoreSettings(), {})


def test_a_created_key_is_random_private_and_loads(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    mask = os.umask(0o777)
    try:
        create_key_file(first)
        create_key_file(second)
    finally:
        os.umask(mask)
    keys = {load_key(StoreSettings(key_file=path), {}) for path in (first, second)}
    assert len(keys) == 2
    assert first.stat().st_mode & 0o777 == 0o600
    assert {each.name for each in tmp_path.iterdir()} == {"a", "b"}


def test_creating_a_key_never_replaces_a_file_nor_follows_a_link(tmp_path: Path) -> None:
    path, target = tmp_path / "k", tmp_path / "target"
    key_file(path, "precious")
    with pytest.raises(AlreadyInitialised, match="exists already"):
        create_key_file(path)
    assert path.read_text() == "precious"
    path.unlink()
    path.symlink_to(target)
    with pytest.raises(AlreadyInitialised):
        create_key_file(path)
    assert not target.exists()


def test_a_key_for_a_folder_that_is_not_there_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no folder"):
        create_key_file(tmp_path / "absent" / "k")
