# SPDX-License-Identifier: Apache-2.0
"""Texts that people write: the configuration, and the models' cards with their signatures."""

from __future__ import annotations

from pathlib import Path

from edge_gate.provenance import cards, minisign
from edge_gate.settings import config
from edge_gate.settings.config import ModelSettings
from tests.fuzz.target import Target
from tests.support.peers import write_model
from tests.support.signing import own_key

# What is well formed and too much: for recursion, for numbers, for patterns that go back and forth, for names of files.
_HOSTILE = (
    "a = " + "[" * 3000,
    "a = " + "{a=" * 1000,
    "a" + ".a" * 3000 + " = 1",
    "[site]\nname" + ".a" * 1500 + " = 1",
    "a = 1" + "0" * 5000,
    "[decision]\nfmr = 1" + "0" * 400,
    "[" + " " * 6000 + "\n",
    "x = 1 # [" + " " * 4000,
    "a = '" + "\n[" * 2000,
    "[" + "\t[ " * 1500 + "]",
    '[store]\npath = "\\u0000"',
    '[models]\nfolder = "\\u0000"',
)


def make_configuration(folder: Path) -> Target:
    """The one configuration file; whatever it holds, what is read can be used as what it says it is."""
    file = folder / "edge-gate.toml"

    def one(data: bytes) -> None:
        file.write_bytes(data)
        settings = config.load(file)
        settings.store.path.exists()
        settings.models.folder.exists()
        assert config.parse(config.example(), file)

    short = '[site]\nname = "x"\n[decision]\nfmr = 1e-4\n[models]\ntrusted_keys = []\n[door]\nchannel = 1\n'
    others = ("a = 1_000", "[store]\npath = 'x'\n", "[[site]]\n", 'site.name = """x"""', "a.b.c = 1979-05-27T07:32:00Z")
    return Target(
        one,
        (config.example().encode(), short.encode(), *(each.encode() for each in (*others, *_HOSTILE))),
        longest=8192,
    )


def make_card(folder: Path) -> Target:
    """A card that the site lets in unsigned: with a signature only whoever holds a trusted key could attack."""
    write_model(folder)
    path = folder / "test-eyes.toml"
    path.with_name("test-eyes.toml.minisig").unlink()
    whole = path.read_bytes()
    settings = ModelSettings(folder=folder, trusted_keys=(own_key(),), allow_unsigned=("test-eyes",))

    def one(data: bytes) -> None:
        path.write_bytes(data)
        card = cards.read(settings, "test-eyes")
        assert len(card.model_id) == 8 and card.name == "test-eyes"
        card.threshold("fused", 1e-4)

    taught = whole.replace(b'teacher = "none"', b'teacher = {name = "T", licence = "none", training_data = "none"}')
    hostile = [
        whole + b"deep = " + b"[" * 2000,
        whole + b"more = 1" + b"0" * 4400,
        whole.replace(b"threshold = 0.5", b"threshold = 1" + b"0" * 400),
        whole.replace(b'file = "test-eyes.tflite"', b'file = "\\u0000"'),
        whole.replace(b"count = 0", b"count = 9223372036854775808"),
    ]
    return Target(one, (whole, taught, *hostile), longest=6000)


def make_signature(folder: Path) -> Target:
    """A signature file, then a public key, with a line of zeros between them; and both as a card's."""
    write_model(folder)
    beside = folder / "test-eyes.toml.minisig"
    seed = beside.read_bytes()
    settings = ModelSettings(folder=folder, trusted_keys=(own_key(),))

    def one(data: bytes) -> None:
        first, _, second = data.partition(b"\0")
        beside.write_bytes(first)
        try:
            key = minisign.PublicKey.parse(second.decode("utf-8", "replace"))
            signature = minisign.Signature.parse(first)
            assert signature.trusted_comment.isprintable() and signature.key_id and key.key_id
            signature.verify(b"something", key)
        except (minisign.Malformed, minisign.Mismatch):
            pass
        cards.read(settings, "test-eyes")

    return Target(one, (seed + b"\0" + own_key().encode(), seed), longest=2048)
