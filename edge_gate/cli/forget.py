# SPDX-License-Identifier: Apache-2.0
"""`edge-gate forget`: erase a person, give them a receipt, and look afterwards whether anything is left."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_gate.cli.common import TEXT, config_option, json_option, local_time, show_json
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import confirm, say, say_document
from edge_gate.settings import config

if TYPE_CHECKING:
    from edge_gate.core.local_time import LocalTime
    from edge_gate.store.keys.keyring import Keyring
    from edge_gate.store.people.traces import Found


@click.command("forget")
@click.argument("name", type=TEXT, required=False)
@click.option("--yes", is_flag=True, help="Do not ask again.")
@click.option(
    "--verify",
    "wanted",
    multiple=True,
    metavar="WHAT",
    help="Erase nobody, but look for what is left: a receipt's file, an identifier or a name. May be repeated.",
)
@click.option(
    "--backup",
    "backups",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="With --verify: look into this copy of the store too. May be repeated.",
)
@config_option
@json_option
def command(
    name: str | None, yes: bool, wanted: tuple[str, ...], backups: tuple[Path, ...], path: Path, as_json: bool
) -> None:
    """Erase NAME: data key, template, consent and name. Past events stay, without a name. This cannot be undone.

    Prints a signed receipt for the person, in the site's language. With --verify, which needs the store's key and so
    root, every page of the store, used or free, its log and the copies that you name are searched. Of a receipt of a
    withdrawal, which leaves name and consent, it is judged whether key and template are gone.
    """
    settings = config.load(path)
    if wanted:
        if name is not None:
            raise click.UsageError("Either a NAME to erase, or --verify.")
        _verify(settings, wanted, backups, as_json)
        return
    if name is None or backups:
        raise click.UsageError("Name whom to erase, or what to --verify.")
    if not yes:
        confirm(f"Erase everything that is stored of {name}?")
    answer = ask(settings, "forget", name=name)
    if as_json:
        show_json(answer)
    else:
        say(f"{answer['name']} is forgotten. Give them this receipt:", "")
        say_document(answer["receipt"])


def _verify(settings: config.Config, wanted: tuple[str, ...], backups: tuple[Path, ...], as_json: bool) -> None:
    from edge_gate.cli.keys.unlock import unlock_key
    from edge_gate.documents.receipt import public_key_text
    from edge_gate.spec.model import Act
    from edge_gate.spec.registry import TABLES
    from edge_gate.store.keys.keyring import Keyring, keyring_path
    from edge_gate.store.keys.pending import keys_in_use
    from edge_gate.store.people.traces import rows_left, search, words_for

    key, ring_key = keys_in_use(settings.store.path, unlock_key(settings.store))
    keyring = Keyring.open(keyring_path(settings.store.path), ring_key)
    own_key = public_key_text(keyring.signer().public_key())
    local = local_time(settings)
    meant = [_meant(what, own_key, local) for what in wanted]
    erased, withdrawn = ([text for text, kept in meant if kept is which] for which in (False, True))
    words = {word: forms for text in erased for word, forms in words_for(text).items()}
    found = [search(each, key, words) for each in (settings.store.path, *backups) if words]
    keys = _keys_of(keyring, [*words, *withdrawn])
    rows = rows_left(settings.store.path, key, Act.WITHDRAWAL, withdrawn)
    no_rows = not any(count for counts in rows.values() for count in counts.values())
    clean = all(each.clean for each in found) and not any(has for has, _ in keys.values()) and no_rows
    if as_json:
        shown = [
            {"file": str(each.path), "pages": each.pages, "unread": each.unread, "found": each.hits} for each in found
        ]
        has_key = {word: has for word, (has, _) in keys.items()}
        left = {TABLES[name].figure or name: counts for name, counts in rows.items()}
        show_json({"clean": clean, "files": shown, "keys": has_key, **left})
    else:
        _show(found, keys, rows)
        say("Clean." if clean else "Not clean.")
    if not clean:
        raise SystemExit(1)


def _meant(what: str, own_key: str, local: LocalTime) -> tuple[str, bool]:
    """Return the identifier in a receipt, else the text itself; and whether name and consent stay, as withdrawn."""
    from edge_gate.documents.receipt import Kind, read

    try:
        if not Path(what).is_file():
            return what, False
    except OSError:  # too long to be a file's name
        return what, False
    receipt = read(Path(what))
    whose = "this gate's" if receipt.public_key == own_key else "NOT this gate's"
    when = f"{local.show_text(receipt.when)} ({local.name})"
    say(f"{what}: the signature fits; its key {receipt.public_key} is {whose}. {when}", err=True)
    return receipt.resident_id, receipt.kind is Kind.WITHDRAWAL


def _keys_of(keyring: Keyring, words: Iterable[str]) -> dict[str, tuple[bool, bool]]:
    """Return, for each word that is an identifier, whether the keyring has a key for it, and whether a tombstone."""
    found = {}
    for word in words:
        try:
            uuid.UUID(word)
        except ValueError:
            continue
        found[word] = (keyring.data_key(word) is not None, keyring.buried(word))
    return found


def _show(found: list[Found], keys: dict[str, tuple[bool, bool]], rows: dict[str, dict[str, int]]) -> None:
    for each in found:
        say(f"{each.path}: {each.pages} pages searched")
        if each.unread:
            say(f"  {each.unread} pages do not decrypt and could not be searched")
        for word, pages in each.hits.items():
            say(f"  {word}: FOUND on {pages} pages (a name may also be part of somebody else's)")
    for word, (has_key, buried) in keys.items():
        state = "A KEY IS THERE" if has_key else "no key, so no copy of the template opens here"
        say(f"keyring: {word}: {state}; {'a tombstone' if buried else 'no tombstone'}")
    for table, counts in rows.items():
        for word, count in counts.items():
            say(f"store: {word}: {f'{count} {table.upper()}S ARE THERE' if count else f'no {table}'}")
