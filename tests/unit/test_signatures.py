# SPDX-License-Identifier: Apache-2.0
"""Cards are signed: each way of tampering has its own error, and an exception holds for one name and is told."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from minisign import KeyPair

from edge_gate import cli
from edge_gate.cli.checks import health
from edge_gate.cli.checks.findings import Patient
from edge_gate.core import toml_text
from edge_gate.core.errors import (
    CardError,
    EdgeGateError,
    ModelAltered,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    SignerUnknown,
)
from edge_gate.eye.runtime import verify_model
from edge_gate.gate import main as gate_main
from edge_gate.provenance import cards
from edge_gate.provenance.minisign import PublicKey
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.settings.config import ModelSettings
from edge_gate.tools.trial import make_site
from edge_gate.wire.client import ask
from tests.support.peers import events, running_gate, write_model
from tests.support.signing import own_key, sign, text_of

NAME = "test-eyes"
LIVENESS = ModelSettings().liveness


@pytest.fixture
def site(tmp_path: Path) -> ModelSettings:
    """A folder with one model whose card is signed by the key that is trusted."""
    write_model(tmp_path)
    for file in tmp_path.glob(f"{LIVENESS}.*"):
        file.unlink()
    return ModelSettings(folder=tmp_path, eyes=NAME, trusted_keys=(own_key(),))


@pytest.fixture
def card(site: ModelSettings) -> Path:
    return site.folder / f"{NAME}.toml"


@pytest.fixture
def signature(site: ModelSettings) -> Path:
    return site.folder / f"{NAME}.toml.minisig"


def refused(site: ModelSettings, kind: type[EdgeGateError]) -> str:
    """Neither way to a model may lead past the signature; return what is said."""
    for way in (cards.read, verify_model):
        with pytest.raises(EdgeGateError) as caught:
            way(site, NAME)
        assert type(caught.value) is kind
    return str(caught.value)


def test_a_card_says_who_signed_it_and_what_they_noted(site: ModelSettings) -> None:
    read = cards.read(site, NAME)
    assert read.signer == PublicKey.parse(own_key())
    assert read.signature is not None and read.signature.trusted_comment == "for a test"


def test_a_card_edited_after_it_was_signed_is_refused(site: ModelSettings, card: Path) -> None:
    card.write_text(card.read_text().replace("threshold = 0.5", "threshold = 0.1"))
    said = refused(site, SignatureMismatch)
    assert f"{card}.minisig" in said and "not a signature of this text" in said


@pytest.mark.parametrize("change", [lambda text: text + "\n", lambda text: text.replace("\n", "\r\n")])
def test_not_even_a_blank_or_a_line_end_may_change(site: ModelSettings, card: Path, change: object) -> None:
    assert callable(change)
    card.write_bytes(change(card.read_text()).encode())
    refused(site, SignatureMismatch)


def test_another_model_whose_hash_was_written_into_the_card_is_refused(site: ModelSettings, card: Path) -> None:
    model = site.folder / f"{NAME}.tflite"
    before = hashlib.sha256(model.read_bytes()).hexdigest()
    model.write_bytes(b"another network")
    refused(site, ModelAltered)
    card.write_text(card.read_text().replace(before, hashlib.sha256(b"another network").hexdigest()))
    refused(site, SignatureMismatch)


def test_a_card_without_a_signature_is_refused_and_the_remedy_is_named(site: ModelSettings, signature: Path) -> None:
    signature.unlink()
    said = refused(site, SignatureMissing)
    assert str(signature) in said and "models.allow_unsigned" in said and "models/README.md" in said


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-5],
        lambda content: b"\x00\xff garbage " * 30,
        lambda content: content.replace(b"\nRU", b"\nRX"),
        lambda content: content * 100,
    ],
    ids=["empty", "half", "cut", "garbage", "another algorithm", "too long"],
)
def test_what_is_no_signature_is_refused(site: ModelSettings, signature: Path, damage: object) -> None:
    assert callable(damage)
    signature.write_bytes(damage(signature.read_bytes()))
    assert str(signature) in refused(site, SignatureMalformed)


def test_a_signature_that_cannot_be_read_is_refused(site: ModelSettings, signature: Path) -> None:
    signature.unlink()
    signature.mkdir()
    refused(site, SignatureMalformed)


def test_a_key_that_is_not_trusted_is_named(site: ModelSettings, card: Path) -> None:
    foreign = KeyPair.generate()
    sign(card, foreign)
    said = refused(site, SignerUnknown)
    assert PublicKey.parse(text_of(foreign)).key_id in said
    assert f"trusted: {PublicKey.parse(own_key()).key_id}" in said
    assert "trusted: none" in refused(replace(site, trusted_keys=()), SignerUnknown)


def test_a_key_that_bears_the_number_of_a_trusted_one_does_not_pass_for_it(site: ModelSettings, card: Path) -> None:
    foreign = KeyPair.generate()
    foreign.secret_key._keynum_sk.key_id[:] = PublicKey.parse(own_key()).number
    sign(card, foreign)
    refused(site, SignatureMismatch)
    number, point = PublicKey.parse(own_key()).number, PublicKey.parse(text_of(foreign)).point
    forged = KeyPair.generate().public_key
    forged._keynum_pk = replace(forged._keynum_pk, key_id=number, public_key=point)
    both = (own_key(), bytes(forged.to_base64()).decode())
    assert cards.read(replace(site, trusted_keys=both), NAME).signer == PublicKey(number, point)


def test_a_trusted_comment_edited_after_signing_is_refused(site: ModelSettings, signature: Path) -> None:
    signature.write_bytes(signature.read_bytes().replace(b"for a test", b"for a door"))
    assert "trusted comment was changed" in refused(site, SignatureMismatch)


def test_the_signature_of_another_card_is_refused(site: ModelSettings, card: Path) -> None:
    other = site.folder / "other.toml"
    other.write_text(card.read_text().replace(NAME, "other"))
    shutil.copy(sign(other), f"{card}.minisig")
    refused(site, SignatureMismatch)
    shutil.copy(other, card)  # card and signature together, under the name of the model that was wanted
    refused(site, CardError)


def test_several_keys_can_be_trusted_so_that_one_can_follow_another(site: ModelSettings, card: Path) -> None:
    new = KeyPair.generate()
    both = replace(site, trusted_keys=(own_key(), text_of(new)))
    for pair in (None, new):
        sign(card, pair)
        cards.read(both, NAME)


def test_the_bytes_that_were_verified_are_those_that_are_parsed(
    site: ModelSettings, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = toml_text.content_of, []

    def read_then_exchange(path: Path) -> bytes:
        content = read(path)
        if path == card:
            reads.append(path)
            card.write_text(card.read_text().replace("threshold = 0.5", "threshold = 0.1"))
        return content

    monkeypatch.setattr(toml_text, "content_of", read_then_exchange)
    assert cards.read(site, NAME).threshold("fused", 1e-4).threshold == 0.5
    assert len(reads) == 1


def test_an_exception_lets_in_what_is_unsigned_or_signed_by_a_stranger_under_that_name_only(
    site: ModelSettings, card: Path, signature: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = KeyPair.generate()
    sign(card, foreign)
    for why in (f"signed by the unknown key {PublicKey.parse(text_of(foreign)).key_id}", "not signed"):
        excepted = replace(site, allow_unsigned=(NAME,))
        caplog.clear()
        read, _ = verify_model(excepted, NAME)
        assert read.waived == why and (read.signature, read.signer) == (None, None)
        assert caplog.messages == [f"the model {NAME} is {why}; it is loaded because models.allow_unsigned names it"]
        assert [each.name for each in cards.unsigned_cards(excepted)] == [NAME]
        for others in ((), ("test-eye",), ("*",), ("",), (NAME.upper(),), (f"{NAME}.toml",)):
            with pytest.raises((SignatureMissing, SignerUnknown)):
                cards.read(replace(site, allow_unsigned=others), NAME)
        signature.unlink(missing_ok=True)


def test_an_exception_is_silent_where_the_card_is_signed(site: ModelSettings, caplog: pytest.LogCaptureFixture) -> None:
    excepted = replace(site, allow_unsigned=(NAME,))
    assert verify_model(excepted, NAME)[0].signature is not None
    assert cards.unsigned_cards(excepted) == [] and caplog.messages == []


def test_an_exception_waives_neither_hash_nor_completeness_nor_a_signature_that_does_not_fit(
    site: ModelSettings, card: Path, signature: Path
) -> None:
    excepted, good = replace(site, allow_unsigned=(NAME,)), card.read_text()
    card.write_text(good + "\n")
    refused(excepted, SignatureMismatch)
    signature.write_bytes(b"garbage")
    refused(excepted, SignatureMalformed)
    signature.unlink()
    card.write_text(good.replace("licence", "license"))
    refused(excepted, CardError)
    card.write_text(good)
    cards.read(excepted, NAME)
    (site.folder / f"{NAME}.tflite").write_bytes(b"another network")
    refused(excepted, ModelAltered)
    assert cards.unsigned_cards(excepted) == []


def unsigned_site(folder: Path, board: BoardSimulator, **models: object) -> Path:
    write_model(folder / "models")
    (folder / "models" / f"{NAME}.toml.minisig").unlink()
    settings = {"folder": str(folder / "models"), "eyes": NAME, **models}
    return make_site(folder / "site", {"models": settings, "door": {"relay": "lcus1", "port": board.path}})


def test_a_gate_does_not_start_with_an_unsigned_model_and_leaves_no_event(
    tmp_path: Path, board: BoardSimulator
) -> None:
    loaded = config.load(unsigned_site(tmp_path, board))
    with pytest.raises(SignatureMissing) as caught, gate_main.open_gate(loaded):
        pass
    assert caught.value.exit_code == 35


def test_an_exception_is_an_event_at_each_start_and_stands_in_status_and_doctor(
    tmp_path: Path, board: BoardSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    excepted = {"trusted_keys": (config.RELEASE_KEY,), "allow_unsigned": (NAME, LIVENESS, "no-such-model")}
    why = f"signed by the unknown key {PublicKey.parse(own_key()).key_id}"
    for starts in (1, 2):
        with running_gate(tmp_path, board.path, models=excepted) as (_, settings):
            told = [each for each in events(settings, "unsigned model") if each["detail"]["model"] == NAME]
            assert len(told) == starts
            sha256 = hashlib.sha256(b"not a network").hexdigest()
            assert told[0]["detail"] == {"model": NAME, "signature": why, "sha256": sha256}
            path = str(tmp_path / "site" / "edge-gate.toml")
            assert ask(settings, "status")["unsigned_models"] == {NAME: why, LIVENESS: why}
            shown = CliRunner().invoke(cli.group, ["status", "--config", path]).output
            assert f"{NAME} is {why[:20]}" in shown
            findings = list(health.check_models(Patient(Path(path), for_doctor(settings), None)))
            assert [each.state for each in findings] == ["ok", "ok", "ok", "unknown", "ok"]
            assert why in findings[3].text and "Sign its card" in findings[3].mend
    assert sum("models.allow_unsigned" in each and NAME in each for each in caplog.messages) == 2


def for_doctor(settings: config.Config) -> config.Config:
    """Put the other models beside the test's, as on a device."""
    for file in cards.folder(Path()).iterdir():
        if file.is_file() and file.name.split(".")[0] in (
            ModelSettings().detector,
            ModelSettings().mesh,
            ModelSettings().lids,
        ):
            shutil.copy(file, settings.models.folder)
    return settings


def test_a_signed_model_is_no_event_and_no_line_in_the_status(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path, models={"allow_unsigned": (NAME,)}) as (_, settings):
        assert events(settings, "unsigned model") == []
        shown = CliRunner().invoke(cli.group, ["status", "--config", str(tmp_path / "site" / "edge-gate.toml")])
        assert "test-eyes, threshold" in shown.output and "unsigned" not in shown.output


@pytest.mark.parametrize(
    "name", [ModelSettings().eyes, ModelSettings().detector, ModelSettings().mesh, ModelSettings().lids]
)
@pytest.mark.processes
def test_the_eye_starts_with_no_unsigned_model_and_with_an_excepted_one_says_so(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(cards.folder(Path()), tmp_path / "models", ignore=shutil.ignore_patterns("recipe"))
    (tmp_path / "models" / f"{name}.toml.minisig").unlink()
    # A camera that does not exist ends the eye as soon as its models are open.
    sections: dict[str, dict[str, Any]] = {
        "models": {"folder": str(tmp_path / "models")},
        "camera": {"driver": "crystal-ball"},
    }
    path = tmp_path / "edge-gate.toml"
    path.write_text(config.example(sections))
    eye = [sys.executable, "-m", "edge_gate.eye", "--config", str(path)]
    refused = subprocess.run(eye, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == SignatureMissing.exit_code == 35
    assert f"{name}.toml.minisig is not there" in refused.stderr
    sections["models"]["allow_unsigned"] = (name,)
    path.write_text(config.example(sections))
    said = subprocess.run(eye, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 22
    assert f"WARNING edge_gate.eye.runtime: the model {name} is not signed; it is loaded because" in said.stderr
    assert said.stderr.count("WARNING edge_gate.eye") == 1


def models(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(cli.group, ["models", *map(str, arguments)])
    return done.exit_code, done.output


def test_the_commands_say_who_signed(site: ModelSettings, signature: Path) -> None:
    key_id = PublicKey.parse(own_key()).key_id
    of_site = ("--folder", site.folder, "--key", own_key())
    assert f"signed by {key_id}: for a test" in models("list", *of_site)[1]
    code, said = models("verify", *of_site)
    assert code == 0 and said.startswith(f"ok     {NAME}: signed by {key_id}: for a test\nLooked at: 1 models in ")
    assert f"signature: signed by {key_id}: for a test" in models("show", NAME, *of_site)[1]
    shown = json.loads(models("show", NAME, "--json", *of_site)[1])
    assert shown["signature"] == {"key_id": key_id, "trusted_comment": "for a test"}
    assert "signed by 367BB95354E69A91 (edge-gate): " in models("list")[1]

    code, said = models("verify", "--folder", site.folder)
    assert code == 1 and said.startswith("fault ") and "trusted: 367BB95354E69A91" in said
    signature.unlink()
    code, said = models("verify", *of_site)
    assert code == 1 and "is not signed" in said
    code, said = models("list", *of_site)
    assert code == 0 and f"{NAME}\n  does not load: " in said


def test_the_commands_take_keys_and_exceptions_from_the_configuration(site: ModelSettings, signature: Path) -> None:
    path = site.folder / "edge-gate.toml"
    used = "".join(f"{part} = '{NAME}'\n" for part in ("eyes", "detector", "mesh", "lids", "liveness"))
    text = f"[models]\nfolder = '.'\ntrusted_keys = ['{own_key()}']\n{used}"
    path.write_text(text)
    path.rename(path := site.folder / "a.conf")
    assert models("verify", "--config", path)[0] == 0
    signature.unlink()
    assert models("verify", "--config", path)[0] == 1
    path.write_text(f"{text}allow_unsigned = ['{NAME}']")
    expected = f"waived {NAME}: not signed, let in by models.allow_unsigned\n"
    code, said = models("verify", "--config", path)
    assert code == 0 and said.startswith(f"{expected}Looked at: 1 models in ")
    assert "signature: not signed, let in by" in models("show", NAME, "--config", path)[1]
    assert json.loads(models("show", NAME, "--json", "--config", path)[1])["signature"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("--key", "RWQ"), "is no minisign public key"), (("--config", "/none.toml"), ""), (("--folder", "/none"), "")],
)
def test_a_mistake_on_the_command_line_is_no_success(arguments: tuple[str, ...], says: str) -> None:
    code, said = models("verify", *arguments)
    assert code != 0 and says in said
