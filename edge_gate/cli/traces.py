# SPDX-License-Identifier: Apache-2.0
"""What is left of somebody, on the device itself: what was looked at, what was found there, and what was not looked at.

A receipt is verified: it says whom the gate erased, and the gate's own key signed it. A word is searched for: nobody
can say whether it ever was somebody's name, so not finding it shows that these bytes are not there, and no more.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_gate.core.errors import ReceiptForeign
from edge_gate.spec.model import Act

if TYPE_CHECKING:
    from edge_gate.core.local_time import LocalTime
    from edge_gate.documents.receipt import Checked
    from edge_gate.settings.config import StoreSettings
    from edge_gate.store.keys.keyring import Keyring
    from edge_gate.store.people.traces import Counted, Found

NEVER_LOOKED_AT: Final = (
    "copies of the store and of its keyring that nobody named, on this disk or another",
    "worn cells of the memory card",
    "the template itself: nobody has it any more, so nobody can look for it",
)
_NAMES_ELSEWHERE: Final = "the same name, written in another way"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the keyring has: of how many residents, and of each identifier whether a key and whether a tombstone."""

    keys: int
    tombstones: int
    of: Mapping[str, tuple[bool, bool]]


@dataclass(frozen=True, slots=True)
class Answer:
    """All that was looked at. ``former``: the receipts that an earlier key of this gate signed, by file."""

    receipts: Mapping[Path, Checked]
    former: frozenset[Path]
    words: tuple[str, ...]
    files: tuple[Found, ...]
    keyring: Keys
    rows: Mapping[Act, Mapping[str, Counted]]
    unsearched: tuple[Path, ...]

    @property
    def found(self) -> bool:
        """Whether anything is left, or something could not be read."""
        rows = (count for tables in self.rows.values() for each in tables.values() for count in each.left.values())
        return (
            any(not each.clean for each in self.files)
            or bool(self.no_tombstone)
            or any(has_key for has_key, _ in self.keyring.of.values())
            or any(rows)
        )

    @property
    def no_tombstone(self) -> tuple[str, ...]:
        """Who was forgotten under the present keyring, which does not know of it: an older one was put back."""
        forgotten = (each.resident_id for file, each in self.receipts.items() if self._by_present_key(file, each))
        return tuple(each for each in forgotten if not self.keyring.of[each][1])

    def _by_present_key(self, file: Path, receipt: Checked) -> bool:
        return receipt.kind.act is Act.FORGETTING and file not in self.former

    @property
    def not_looked_at(self) -> tuple[str, ...]:
        """What somebody might think was looked at."""
        copies = [f"{each}: a withdrawal leaves the number on its pages" for each in self.unsearched]
        names = [_NAMES_ELSEWHERE] if any(_identifier(each) is None for each in self.words) else []
        return (*copies, *NEVER_LOOKED_AT, *names)

    def as_dict(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "found": self.found,
            "receipts": [
                {
                    "file": str(file),
                    "of": each.kind.act.value,
                    "resident_id": each.resident_id,
                    "when": each.when,
                    "public_key": each.public_key,
                    "former_key": file in self.former,
                }
                for file, each in self.receipts.items()
            ],
            "words": list(self.words),
            "files": [
                {
                    "file": str(each.path),
                    "log": each.log,
                    "pages": each.pages,
                    "unread": each.unread,
                    "found": each.hits,
                }
                for each in self.files
            ],
            "keyring": {
                "keys": self.keyring.keys,
                "tombstones": self.keyring.tombstones,
                "of": {each: {"key": key, "tombstone": tomb} for each, (key, tomb) in self.keyring.of.items()},
            },
            "tables": [
                {"table": name, "after": act.value, "rows": each.rows, "left": each.left}
                for act, tables in self.rows.items()
                for name, each in tables.items()
            ],
            "not_looked_at": list(self.not_looked_at),
        }

    def lines(self, local: LocalTime) -> Iterator[str]:
        """Yield it for people."""
        for file, receipt in self.receipts.items():
            when = f"{local.show_text(receipt.when)} ({local.name})"
            whose = "an earlier key of this gate" if file in self.former else "this gate's key"
            yield f"{file}: a receipt of a {receipt.kind.act.value} of {receipt.resident_id}, {when}; {whose} signed it"
        for found in self.files:
            yield from _pages(found, self.words)
        if self.keyring.of:
            yield f"keyring: {self.keyring.keys} keys and {self.keyring.tombstones} tombstones looked at"
        for word, (has_key, buried) in self.keyring.of.items():
            state = "A KEY IS THERE" if has_key else "no key, so no copy of the template opens here"
            yield f"  {word}: {state}; {'a tombstone' if buried else 'no tombstone'}"
        for act, tables in self.rows.items():
            for name, counted in tables.items():
                yield from _rows(act, name, counted)
        yield f"Not looked at: {'; '.join(self.not_looked_at)}."
        yield from self._verdict()

    def _verdict(self) -> Iterator[str]:
        for each in self.no_tombstone:
            yield f"The keyring has NO TOMBSTONE of {each}: it is older than the receipt, and was put back."
        if self.found:
            yield "NOT CLEAN: something is left, or could not be read. The lines above say where."
            return
        for file, receipt in self.receipts.items():
            yield f"Verified: what {file} says of {receipt.resident_id} holds in all that was looked at."
        for word in self.words:
            if word not in {each.resident_id for each in self.receipts.values()}:
                yield f"Not found: {word}. {self._known(word)}"

    def _known(self, word: str) -> str:
        """Say what is known of a word that was not found."""
        identifier = _identifier(word)
        if identifier is None:
            return "Whether that ever was anybody's name here cannot be told from this."
        if self.keyring.of[identifier][1]:
            return "Its tombstone says that it was forgotten here."
        return "The keyring knows no such number, so this does not show that anybody was forgotten."


def _pages(found: Found, words: Iterable[str]) -> Iterator[str]:
    log = "with its log" if found.log else "no log lay beside it"
    yield f"{found.path}: {found.pages} pages looked at, used and free ones; {log}"
    if found.unread:
        yield f"  {found.unread} pages do not decrypt and could not be looked at"
    for word in words:
        pages = found.hits.get(word, 0)
        hit = f"FOUND on {pages} pages (a name may also be part of somebody else's)"
        yield f"  {word}: {hit if pages else 'on none of them'}"


def _rows(act: Act, name: str, counted: Counted) -> Iterator[str]:
    for resident_id, left in counted.left.items():
        said = f"{left} ROWS ARE THERE" if left else "none"
        yield f"table {name}: {counted.rows} rows looked at; of {resident_id}, that a {act.value} ends: {said}"


def look_for(
    store: StoreSettings, key: bytes, receipts: tuple[Path, ...], words: tuple[str, ...], backups: tuple[Path, ...]
) -> Answer:
    """Verify receipts and search for words. ``key`` is the store's.

    Raises ReceiptInvalid, or ReceiptForeign, before anything is searched, and what the store's files raise.
    """
    from edge_gate.documents.receipt import read
    from edge_gate.store.keys.keyring import Keyring, keyring_path
    from edge_gate.store.keys.pending import keys_in_use
    from edge_gate.store.people.traces import rows_left, search, words_for

    read_receipts = {each: read(each) for each in receipts}
    key, ring_key = keys_in_use(store.path, key)
    keyring = Keyring.open(keyring_path(store.path), ring_key)
    former = frozenset(_of_former_keys(read_receipts, keyring, store.path, key))
    of: dict[Act, list[str]] = {act: [] for act in Act}
    for each in read_receipts.values():
        of[each.kind.act].append(each.resident_id)
    forms = {word: form for text in (*words, *of[Act.FORGETTING]) for word, form in words_for(text).items()}
    of[Act.FORGETTING] += [each for each in map(_identifier, words) if each and each not in of[Act.FORGETTING]]
    sought = dict.fromkeys(each for ids in of.values() for each in ids)
    return Answer(
        receipts=read_receipts,
        former=former,
        words=tuple(forms),
        files=tuple(search(each, key, forms) for each in (store.path, *backups) if forms),
        keyring=Keys(*keyring.counts(), {each: _state(keyring, each) for each in sought}),
        rows={act: rows_left(store.path, key, act, ids) for act, ids in of.items() if ids},
        unsearched=() if forms else backups,
    )


def _of_former_keys(receipts: Mapping[Path, Checked], keyring: Keyring, path: Path, key: bytes) -> Iterator[Path]:
    """Yield the receipts that a key of before the keyring was begun anew signed. Raises ReceiptForeign."""
    from base64 import b64decode

    from edge_gate.documents.receipt import public_key_text
    from edge_gate.store.audit.log import announced_keys

    own = public_key_text(keyring.signer().public_key())
    for file, receipt in receipts.items():
        if receipt.public_key == own:
            continue
        if b64decode(receipt.public_key).hex() not in announced_keys(path, key):
            raise ReceiptForeign(file, receipt.public_key, own)
        yield file


def _state(keyring: Keyring, resident_id: str) -> tuple[bool, bool]:
    return keyring.data_key(resident_id) is not None, keyring.buried(resident_id)


def _identifier(word: str) -> str | None:
    """Return the identifier that a word is, if it is one."""
    try:
        return str(uuid.UUID(word))
    except ValueError:
        return None
