# SPDX-License-Identifier: Apache-2.0
"""Provenance cards: `models/<name>.toml` beside each model says what it is, where it comes from and how well it does.

A model without a complete card that matches its bytes, signed by a key that this site trusts, is not loaded. The
signature lies beside the card (`models/<name>.toml.minisig`); through the hash in the card it covers the model as
well. The card is plain TOML so that a resident's lawyer can read it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_gate.core import toml_text
from edge_gate.core.errors import (
    CardError,
    ModelAltered,
    ModelError,
    ModelMissing,
    NoOperatingPoint,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    SignerUnknown,
)
from edge_gate.core.plain_files import ANY_LENGTH, open_plain
from edge_gate.provenance import minisign
from edge_gate.rules.liveness import LivenessPoint
from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.settings.models import ModelSettings

# A model of more bytes is none for a device like this one.
MOST_BYTES = 256 * 1024 * 1024
_MOST_AXIS = 4096
REQUIRED = ("name", "file", "sha256", "licence", "source", "task", "input", "output", "training_data", "not_known")
REQUIRED_OF_TRAINING_DATA = ("name", "licence", "count", "basis", "objections")
REQUIRED_OF_EYES = (
    *("intended_use", "quantization", "evaluation", "operating_point"),
    *("recipe", "recipe_commit", "teacher"),  # a model that no other one taught says so: teacher = "none"
)
REQUIRED_OF_LIVENESS = ("intended_use", "quantization", "attack_detection", "recipe")
REQUIRED_OF_TASK = {"eye-region embedding": REQUIRED_OF_EYES, "presentation attack detection": REQUIRED_OF_LIVENESS}
# Whoever taught a model, or made up its pictures, has a past too.
OTHER_MODELS = ("teacher", "generator")
REQUIRED_OF_OTHER_MODELS = ("name", "licence", "training_data")


@dataclass(frozen=True, slots=True)
class Card:
    """A card that was found complete and whose hash is that of the model's bytes.

    ``signature`` is the one that was verified, ``signer`` the key that it is by. They are None where the site allows
    the model without; ``waived`` then says what is the matter with it.
    """

    path: Path
    fields: dict[str, Any]
    signature: minisign.Signature | None = None
    signer: minisign.PublicKey | None = None
    waived: str = ""

    @property
    def name(self) -> str:
        """The model's name, which is its file's without the ending."""
        return str(self.fields["name"])

    @property
    def model_path(self) -> Path:
        """Where the model's bytes are."""
        return self.path.parent / str(self.fields["file"])

    @property
    def model_id(self) -> bytes:
        """The first 8 bytes of the model's SHA-256: templates of different models are never compared."""
        return bytes.fromhex(str(self.fields["sha256"]))[:8]

    @property
    def dimensions(self) -> int:
        """How many components an embedding of this model has; 0 where the card does not say."""
        return int(self.fields["output"].get("shape", [0])[-1])

    @property
    def operating_points(self) -> tuple[OperatingPoint, ...]:
        """The measured thresholds; empty for a model that compares nobody."""
        return tuple(OperatingPoint.of(each) for each in self.fields.get("operating_point", []))

    @property
    def liveness_point(self) -> LivenessPoint:
        """The weights and the threshold of a model that tells attacks. Raises CardError for another model's card."""
        return _liveness_point(self.path, self.fields)

    def threshold(self, kind: str, fmr: float) -> OperatingPoint:
        """Return the operating point measured at exactly this FMR. Raises NoOperatingPoint listing what there is."""
        for point in self.operating_points:
            if point.kind == kind and abs(point.fmr - fmr) <= 1e-9:
                return point
        there = ", ".join(f"{point.fmr:g}" for point in self.operating_points if point.kind == kind) or "none"
        raise NoOperatingPoint(self.name, f"{fmr:g}", there)


def folder(configured: Path) -> Path:
    """Return where the models are: as configured, else beside a checkout's package, else where pip put them."""
    if configured != Path():
        return configured
    checkout = Path(__file__).resolve().parents[2] / "models"
    return checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "edge-gate" / "models"


def read(settings: ModelSettings, name: str) -> Card:
    """Read one model's card, verify its signature, and check it against the model's bytes.

    What was verified is what is parsed: the card's file is read once. Raises ModelMissing, CardError (naming the
    field), ModelAltered, SignatureMissing, SignatureMalformed, SignerUnknown or SignatureMismatch.
    """
    path = folder(settings.folder) / f"{name}.toml"
    try:
        content = toml_text.content_of(path)
    except FileNotFoundError as error:
        raise CardError(path, "it is not there") from error
    except (OSError, ValueError) as error:
        raise CardError(path, f"it cannot be read ({error})") from error
    signature, signer, why = None, None, ""
    try:
        signature, signer = _verified(path, content, settings.trusted_keys)
    except (SignatureMissing, SignerUnknown) as error:  # what does not fit, or is damaged, nobody may want
        if name not in settings.allow_unsigned:
            raise
        why = "not signed" if isinstance(error, SignatureMissing) else f"signed by the unknown key {error.args[1]}"
    try:
        fields = toml_text.table(content.decode())
    except ValueError as error:
        raise CardError(path, f"it cannot be read ({error})") from error
    _check_complete(path, name, fields)
    card = Card(path, fields, signature, signer, why)
    try:
        with open_plain(card.model_path, MOST_BYTES) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ModelMissing(card.model_path) from error
    except OSError as error:
        raise CardError(path, f"its model cannot be read ({error})") from error
    if found != fields["sha256"]:
        raise ModelAltered(name, found, fields["sha256"])
    return card


def unsigned_cards(settings: ModelSettings) -> list[Card]:
    """Return the cards of the models in use that load only because the site allows it.

    One that does not load at all is left out: whoever loads it says why.
    """
    found = []
    for name in settings.used.values():
        if name in settings.allow_unsigned:
            try:
                found.append(read(settings, name))
            except ModelError:
                continue
    return [card for card in found if card.waived]


def _verified(
    path: Path, content: bytes, trusted_keys: tuple[str, ...]
) -> tuple[minisign.Signature, minisign.PublicKey]:
    """Return the signature of a card's bytes, and whose it is. Raises one of the four errors of signatures."""
    beside = path.with_name(f"{path.name}.minisig")
    try:
        with open_plain(beside, ANY_LENGTH) as file:  # what is too long is no signature, and told as that
            signature = minisign.Signature.parse(file.read(minisign.LONGEST_BYTES + 1))
    except FileNotFoundError as error:
        raise SignatureMissing(path, beside) from error
    except OSError as error:
        raise SignatureMalformed(beside, f"it cannot be read ({error})") from error
    except minisign.Malformed as error:
        raise SignatureMalformed(beside, error) from error
    trusted = list(_keys(trusted_keys))
    fault: minisign.Mismatch | None = None
    for key in trusted:
        if key.number == signature.number:  # chosen by whoever made the key, so two may have the same
            try:
                signature.verify(content, key)
            except minisign.Mismatch as error:
                fault = error
            else:
                return signature, key
    if fault is not None:
        raise SignatureMismatch(beside, signature.key_id, fault) from fault
    raise SignerUnknown(path, signature.key_id, ", ".join(key.key_id for key in trusted) or "none")


def _keys(texts: tuple[str, ...]) -> Iterator[minisign.PublicKey]:
    """Yield the keys. A text that is none makes no card good; the rules of the settings name it, with its line."""
    for each in texts:
        with suppress(minisign.Malformed):
            yield minisign.PublicKey.parse(each)


def _check_complete(path: Path, name: str, fields: dict[str, Any]) -> None:
    required = REQUIRED + REQUIRED_OF_TASK.get(str(fields.get("task")), ())
    for field in required:
        if fields.get(field) in (None, "", [], {}):
            raise CardError(path, f"the field {field!r} is missing or empty")
    if fields["name"] != name:
        raise CardError(path, f"the field 'name' is {fields['name']!r}")
    if Path(str(fields["file"])).name != fields["file"] or "\0" in fields["file"]:
        raise CardError(path, "the field 'file' must be a file name beside the card")
    digest = str(fields["sha256"])
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise CardError(path, "the field 'sha256' is not 64 lower-case hexadecimal digits")
    for table in ("input", "output"):
        if not isinstance(fields[table], dict):
            raise CardError(path, f"the field {table!r} is no table")
        shape = fields[table].get("shape", [1])
        if (
            not isinstance(shape, list)
            or not shape
            or not all(type(each) is int and 0 < each <= _MOST_AXIS for each in shape)
        ):
            raise CardError(path, f"the field '{table}.shape' is no list of whole numbers")
    for where, source in _tables(path, fields, "training_data"):
        _check_said(path, where, source, REQUIRED_OF_TRAINING_DATA)
        if not isinstance(source["count"], int) or isinstance(source["count"], bool):
            raise CardError(path, f"the field '{where}.count' is no whole number")
    for other in OTHER_MODELS:
        if fields.get(other, "none") != "none":
            _check_said(path, other, fields[other], REQUIRED_OF_OTHER_MODELS)
    for where, point in _tables(path, fields, "operating_point"):
        _check_point(path, where, point)
    if "attack_detection" in fields:
        _liveness_point(path, fields)


def _liveness_point(path: Path, fields: dict[str, Any]) -> LivenessPoint:
    table = fields.get("attack_detection")
    try:
        return LivenessPoint.of(table if isinstance(table, dict) else {})
    except ValueError as error:
        raise CardError(path, f"the field 'attack_detection': {error}") from error


def _tables(path: Path, fields: dict[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    """Yield each of a card's list of tables with what to call it; nothing where there is no such list."""
    listed = fields.get(key, [])
    if not isinstance(listed, list):
        raise CardError(path, f"the field {key!r} is no list of tables")
    yield from ((f"{key}[{number}]", each) for number, each in enumerate(listed))


def _check_said(path: Path, where: str, table: Any, required: tuple[str, ...]) -> None:
    for field in required:
        if not isinstance(table, dict) or table.get(field) in (None, ""):
            raise CardError(path, f"the field '{where}.{field}' is missing or empty")


def _check_point(path: Path, where: str, point: Any) -> None:
    """Refuse what is not measured: with a threshold of 0 or less nearly everybody would be above it."""
    for field in OperatingPoint.__slots__:
        if not isinstance(point, dict) or field not in point:
            raise CardError(path, f"the field '{where}.{field}' is missing")
    try:
        OperatingPoint.of(point)
    except ValueError as error:
        raise CardError(path, f"the field '{where}': {error}") from error
