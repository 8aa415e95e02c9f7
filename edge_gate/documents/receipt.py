# SPDX-License-Identifier: Apache-2.0
"""The receipt of a forgetting, or of a withdrawn consent: a page of plain text, signed by the gate (Ed25519).

The last line is the signature, over all lines before it with a line feed after each and no blanks at their ends, so a
receipt survives a terminal, a printer's retyping and a mail. The lines with a label are the same in every language.

A signature shows that a gate with this key said so. That it did so is what `edge-gate forget --verify` looks for.
"""

from __future__ import annotations

import base64
import binascii
import enum
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import wrap
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge_gate.core.clock import iso
from edge_gate.core.errors import ReceiptInvalid
from edge_gate.core.local_time import LocalTime
from edge_gate.core.plain_files import read_plain
from edge_gate.spec import registry
from edge_gate.spec.model import Act, Fate, PersonalTable


class Kind(enum.StrEnum):
    """What a receipt is of; its first line."""

    FORGETTING = "EDGE-GATE RECEIPT OF A FORGETTING 1"
    WITHDRAWAL = "EDGE-GATE RECEIPT OF A WITHDRAWAL 1"

    @property
    def act(self) -> Act:
        """What was done to the resident's rows."""
        return Act[self.name]


LONGEST_BYTES: Final = 65_536
# A list of tables is broken at this width. A terminal and a slip printer show it.
WIDTH: Final = 88
_RESIDENT, _WHEN, _KEY, _SIGNATURE = "resident: ", "when: ", "public-key: ", "signature: "

_WORDS: Final = {
    (Kind.FORGETTING, "en"): (
        "You have been forgotten at: {gate}",
        "First your data key was destroyed. Without it no copy of your template opens.",
        "Then this was removed: {deleted}.",
        "You were taken out of {blanked}; those stay, without you.",
        "This receipt has your random number and not your name.",
        "It does not speak of copies. Who copied both the store and its keyring, or the",
        "whole memory card, before this moment still has your template. An older backup of",
        "the store still has your name and your consent: ask for it to be destroyed.",
    ),
    (Kind.FORGETTING, "zh"): (
        "以下设备已经忘记您：{gate}",
        "首先销毁了您的数据密钥。没有它，您的模板的任何副本都打不开。",
        "随后删除了：{deleted}。",
        "{blanked}里不再有您；这些记录保留，但不再指向您。",
        "这张凭证只写您的随机编号，不写姓名。",
        "它不涉及副本。在此之前如果有人同时复制了数据库和密钥环，或复制了整张存储卡，",
        "那里仍有您的模板。更早的数据库备份里仍有您的姓名和同意记录：请要求销毁。",
    ),
    (Kind.WITHDRAWAL, "en"): (
        "Your consent was withdrawn at: {gate}",
        "First your data key was destroyed. Without it no copy of your template opens.",
        "Then this was removed: {deleted}. You are no longer recognised.",
        "This remains: {left}. To be taken out of all of these, ask to be forgotten (edge-gate forget).",
        "This receipt has your random number and not your name.",
        "It does not speak of copies. Who copied both the store and its keyring, or the",
        "whole memory card, before this moment still has your template. An older backup of",
        "the store has your consent as one that holds, and a template that does not open.",
    ),
    (Kind.WITHDRAWAL, "zh"): (
        "您的同意已在以下设备撤回：{gate}",
        "首先销毁了您的数据密钥。没有它，您的模板的任何副本都打不开。",
        "随后删除了：{deleted}。您不再被识别。",
        "仍然保留：{left}。",
        "如果不想再留在这些记录里，请要求被遗忘（edge-gate forget）。",
        "这张凭证只写您的随机编号，不写姓名。",
        "它不涉及副本。在此之前如果有人同时复制了数据库和密钥环，或复制了整张存储卡，",
        "那里仍有您的模板。更早的数据库备份里，您的同意仍显示为有效，模板在那里但打不开。",
    ),
}
# The line with the label `when: ` says the same in UTC, for whatever checks a receipt.
_LOCALLY: Final = {
    "en": "This was done on {moment} ({zone}).",
    "zh": "办理时间：{moment}（{zone}）。",
}
# Between the parts of a list, and before its last.
_JOINED: Final = {"en": ("; ", "; and "), "zh": ("；", "；")}
_LEFT: Final = {
    "en": "Old pages are still in the store's files. The gate removes them as soon as it can.",
    "zh": "旧的数据页还留在数据文件里，设备会在条件允许时尽快清除。",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was removed of whom, when, and at which gate.

    ``figures`` are how many rows went, by the figure that their table declares. ``traces_left``: see `Store.empty_log`.
    ``at_least``: some rows may have been blanked by an earlier attempt, which nobody counted.
    """

    gate: str
    resident_id: str
    at: datetime
    figures: Mapping[str, int]
    traces_left: bool
    kind: Kind = Kind.FORGETTING
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What a receipt with a good signature says."""

    kind: Kind
    resident_id: str
    when: str
    public_key: str


def write(
    receipt: Receipt,
    signer: Ed25519PrivateKey,
    language: str,
    tables: Collection[PersonalTable] = tuple(registry.TABLES.values()),
    *,
    local: LocalTime | None = None,
) -> str:
    """Return the signed page in the site's language ("zh" or "en"); its lists follow from the personal ``tables``.

    With ``local`` it says in a sentence when that was at the site.
    """
    lists = _lists(receipt, language, tables)
    prose = [line for template in _WORDS[receipt.kind, language] for line in _filled(template, receipt.gate, lists)]
    lines = [
        receipt.kind.value,
        *prose,
        *([_LEFT[language]] if receipt.traces_left else []),
        *([_LOCALLY[language].format(moment=local.show(receipt.at), zone=local.name)] if local else []),
        _RESIDENT + receipt.resident_id,
        _WHEN + iso(receipt.at),
        _KEY + public_key_text(signer.public_key()),
    ]
    signature = base64.b64encode(signer.sign(_signed(lines))).decode()
    return "\n".join([*lines, _SIGNATURE + signature, ""])


def _filled(template: str, gate: str, lists: Mapping[str, str]) -> list[str]:
    line = template.format(gate=gate, **lists)
    # The gate's name stays as it was given; only what has a list can become too long.
    return wrap(line, WIDTH, break_on_hyphens=False) if any(f"{{{name}}}" in template for name in lists) else [line]


def _lists(receipt: Receipt, language: str, tables: Collection[PersonalTable]) -> dict[str, str]:
    """Return the words for the tables of each fate, in the order of their declaration."""
    separator, last = _JOINED[language]
    deleted = _phrases(receipt, language, tables, {Fate.DELETED})
    blanked = _phrases(receipt, language, tables, {Fate.BLANKED})
    left = _phrases(receipt, language, tables, {Fate.KEPT, Fate.MARKED})
    return {
        "deleted": ("，" if language == "zh" else ", ").join(deleted),
        "blanked": separator.join(blanked),
        "left": last.join([separator.join(left[:-1]), left[-1]]) if len(left) > 1 else separator.join(left),
    }


def _phrases(receipt: Receipt, language: str, tables: Iterable[PersonalTable], fates: Collection[Fate]) -> list[str]:
    """Return the words for each table whose rows had one of these fates."""
    found = []
    for table in tables:
        if (fate := table.fate(receipt.kind.act)) in fates:
            phrase = table.removed if fate in (Fate.DELETED, Fate.BLANKED) else table.kept
            if phrase:
                count = receipt.figures.get(table.figure, 0)
                more = receipt.at_least and fate is Fate.BLANKED
                found.append(phrase.fill(language, f"≥ {count}" if more else str(count)))
    return found


def read(path: Path) -> Checked:
    """Return what a receipt's file says. Raises ReceiptInvalid, which names the file."""
    try:
        return check(read_plain(path, LONGEST_BYTES).decode("utf-8-sig"))
    except ReceiptInvalid as error:
        raise ReceiptInvalid(f"{path}: {error.args[0]}") from error
    except OSError as error:
        raise ReceiptInvalid(f"{path}: it cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ReceiptInvalid(f"{path}: it is not UTF-8 text") from error
    except ValueError as error:
        raise ReceiptInvalid(f"{path}: {error}") from error


def check(text: str) -> Checked:
    """Return what a receipt says whose signature fits. Raises ReceiptInvalid."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    if not lines or lines[0] not in set(Kind) or not lines[-1].startswith(_SIGNATURE):
        raise ReceiptInvalid(_whats_around(lines))
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(_field(lines, _KEY), validate=True))
        key.verify(base64.b64decode(lines[-1].removeprefix(_SIGNATURE), validate=True), _signed(lines[:-1]))
        resident_id = str(uuid.UUID(_field(lines, _RESIDENT)))
    except InvalidSignature as error:
        raise ReceiptInvalid("its signature does not fit its text: one of them was changed") from error
    except (ValueError, binascii.Error) as error:
        raise ReceiptInvalid(f"a line cannot be read: {error}") from error
    when = _field(lines, _WHEN)
    if not when.isprintable():  # anybody can sign a receipt with a key of their own, and this line is shown
        raise ReceiptInvalid("its date has characters that cannot be shown")
    return Checked(Kind(lines[0]), resident_id, when, public_key_text(key))


def _whats_around(lines: list[str]) -> str:
    """Say what keeps a text from being a receipt: none is in it, or something stands before or after it."""
    if not set(lines) & set(Kind) or not any(line.startswith(_SIGNATURE) for line in lines):
        return "it does not begin and end as one"
    return (
        "something stands before or after the receipt. Keep its lines alone, from 'EDGE-GATE RECEIPT' to"
        f" {_SIGNATURE.strip()!r}, and verify that"
    )


def public_key_text(key: Ed25519PublicKey) -> str:
    """Return a public key as receipts and `edge-gate keys status` write it."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def _field(lines: Iterable[str], label: str) -> str:
    found = [line.removeprefix(label) for line in lines if line.startswith(label)]
    if len(found) != 1:
        raise ReceiptInvalid(f"it has {len(found)} lines that begin with {label!r}")
    return found[0]


def _signed(lines: Iterable[str]) -> bytes:
    return "".join(f"{line.rstrip()}\n" for line in lines).encode()
