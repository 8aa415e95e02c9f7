# SPDX-License-Identifier: Apache-2.0
"""`edge-gate keys`: the store's key and the residents' keys, on the device itself, as root.

`status` and `recover` read only and may be used at any time, as may `escrow` and the commands of lock.py. `rotate`
and `new-keyring` take the store for themselves, so the gate has to be stopped: a running gate has the old key in its
memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edge_gate.cli.common import config_option, json_option, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.keys import lock as keylock
from edge_gate.cli.terminal import confirm, say, say_fields, say_to_copy
from edge_gate.core.access import is_taken, is_there
from edge_gate.core.errors import AlreadyInitialised, EdgeGateError, GateNotRunning, SharesUnfit
from edge_gate.settings import config

_WORDS_A_LINE = 5  # on a terminal of 80 columns a line is one row
# Of how long it takes to try shares, as a power of two: ours have 1, the longest that SLIP-39 knows takes an hour.
_SLOWEST_EXPONENT = 4


@click.group("keys", cls=Group)
def command() -> None:
    """Look after the store's key. See where it is, lock it with a passphrase, change it, share it among the owners."""


for each in (keylock.lock, keylock.passphrase, keylock.unlock, keylock.open_key):
    command.add_command(each)


@command.command()
@config_option
@json_option
def status(path: Path, as_json: bool) -> None:
    """Say where the key is, and what that stops. And whose keys the keyring has."""
    from edge_gate.cli.keys import place as keyplace
    from edge_gate.documents.receipt import public_key_text
    from edge_gate.store.keys.keyring import Keyring, keyring_path
    from edge_gate.store.keys.pending import keys_in_use, pending_path

    settings = config.load(path)
    place = keyplace.find(settings.store)
    said: dict[str, object] = {"store key": place.what, "limits": place.limits}
    if is_there(pending_path(settings.store.path)):
        said["key change"] = "cut off; finish it with `edge-gate keys rotate`"
    try:
        _, ring_key = keys_in_use(settings.store.path, place.fetch(may_ask=False))
        keyring = Keyring.open(keyring_path(settings.store.path), ring_key)
        said["residents' keys"], said["tombstones"] = keyring.counts()
        said["keyring's generation"] = keyring.generation
        said["receipts, log signed by"] = public_key_text(keyring.signer().public_key())
    except EdgeGateError as error:
        said["keyring"] = str(error)
    if as_json:
        show_json(said)
        return
    say_fields(said.items())


@command.command()
@config_option
@json_option
def rotate(path: Path, as_json: bool) -> None:
    """Give the store another key. Or finish a change that was cut off. The gate has to be stopped.

    Afterwards the old key opens neither store nor keyring; shares and paper of it are good for old backups only. A key
    that is locked stays so, with the same passphrase, which is asked for.
    """
    from edge_gate.cli.keys import place as keyplace
    from edge_gate.store.keys.rotation import rotate as change

    settings = config.load(path)
    place = keyplace.find(settings.store).with_passphrase()
    with _at_rest(settings.store.path, place.fetch):
        _write_down("keys-rotate", settings.store.path, place.fetch())
        resumed = change(settings.store.path, place.fetch, place.put)
    if as_json:
        show_json({"resumed": resumed})
        return
    say("The change that had been cut off is finished." if resumed else "The store has a new key.")
    say("Write it down again, or make new shares: `edge-gate keys escrow`. Old backups still need the old key.")


@command.command()
@click.option("--shares", type=click.IntRange(2, 16), required=True, help="How many owners get a share.")
@click.option("--needed", type=click.IntRange(2, 16), required=True, help="How many shares give the key back.")
@config_option
def escrow(shares: int, needed: int, path: Path) -> None:
    """Print shares of the key, one for each owner. They are words (SLIP-39).

    Fewer shares than --needed say nothing about the key. The keyring is not in them: with the key and a backup come
    back names, consents and events, and templates only with the keyring. It is a row of the audit log; while the gate
    runs a second person has to agree.
    """
    from shamir_mnemonic import generate_mnemonics

    from edge_gate.cli.keys import place as keyplace
    from edge_gate.cli.reach import ask

    if needed > shares:
        raise click.UsageError("--needed cannot be more than --shares.")
    settings = config.load(path)
    place = keyplace.find(settings.store).with_passphrase()
    try:
        ask(settings, "keys-escrow", shares=shares, needed=needed)
    except GateNotRunning:
        with _at_rest(settings.store.path, place.fetch):
            _write_down("keys-escrow", settings.store.path, place.fetch(), shares=shares, needed=needed)
    key = place.fetch()
    ((*printed,),) = generate_mnemonics(1, [(needed, shares)], key)
    for number, share in enumerate(printed, 1):
        words = share.split()
        say(f"Share {number} of {shares}. Any {needed} of them give the key of this store.")
        for start in range(0, len(words), _WORDS_A_LINE):
            line = enumerate(words[start : start + _WORDS_A_LINE], start + 1)
            say_to_copy("  " + "  ".join(f"{at:2} {word:9}" for at, word in line).rstrip())
        say()


@command.command()
@click.argument("to", type=click.Path(path_type=Path, dir_okay=False))
@config_option
def recover(to: Path, path: Path) -> None:
    """Put the key together from shares. It goes into the new file TO (mode 0600).

    Asks for one share after the other: its words in a line, numbers or not. Where the configured store is there, says
    whether the key opens it.
    """
    from edge_gate.store.keys.pending import opens_database
    from edge_gate.store.keys.source import write_key_file

    if is_taken(to):
        raise AlreadyInitialised(to)
    key = _combined()
    write_key_file(to, key)
    say(f"The key is in {to}. Seal it as docs/installer.md says, then destroy the file: shred -u {to}")
    try:
        store_path = config.load(path).store.path
        fits = opens_database(store_path, key)
    except EdgeGateError as error:
        say(f"Not tried on a store: {error}")
        return
    say(f"It opens {store_path}." if fits else f"It does NOT open {store_path}.")


@command.command("new-keyring")
@click.option("--yes", is_flag=True, help="Do not ask again.")
@config_option
@json_option
def new_keyring(yes: bool, path: Path, as_json: bool) -> None:
    """Begin an empty keyring where the old one is lost. The gate has to be stopped.

    No template opens any more, so all are removed and everybody has to be enrolled again. Tombstones are lost too.
    """
    from edge_gate.cli.keys import place as keyplace
    from edge_gate.core.clock import SystemClock
    from edge_gate.store.audit.chain import NEW_KEYRING
    from edge_gate.store.audit.continuity import begin_again
    from edge_gate.store.database import Store
    from edge_gate.store.keys.keyring import Keyring, keyring_path
    from edge_gate.store.lock import sole_use
    from edge_gate.store.people.sweep import sweep

    settings = config.load(path)
    if is_taken(keyring_path(settings.store.path)):
        raise AlreadyInitialised(keyring_path(settings.store.path))
    if not yes:
        confirm("Begin a new keyring? Every template is lost")
    key = keyplace.find(settings.store).fetch()
    with sole_use(settings.store.path):
        Keyring.create(keyring_path(settings.store.path), key)
        try:
            _write_down(NEW_KEYRING, settings.store.path, key)
        except EdgeGateError:  # a keyring that the log does not know of keeps the gate from starting
            keyring_path(settings.store.path).unlink()
            raise
        with Store.open(settings.store.path, key, SystemClock()) as store:
            removed = sweep(store)
            begin_again(store)
    if as_json:
        show_json({"templates_removed": removed.templates})
        return
    say(f"A new keyring; {removed.templates} templates that nothing opens are removed.")


@contextmanager
def _at_rest(store_path: Path, fetch: Callable[[], bytes]) -> Iterator[None]:
    """Hold a store alone that has been opened once, so that it is up to date and its log is empty."""
    from edge_gate.core.clock import SystemClock
    from edge_gate.store.database import Store
    from edge_gate.store.lock import sole_use

    with sole_use(store_path):
        Store.open(store_path, fetch(), SystemClock()).close()
        yield


def _write_down(verb: str, store_path: Path, key: bytes, **said: int) -> None:
    """Append a row to the audit log of a store that no gate uses, by this user, with what is ``said`` of it.

    Where the log was signed by a key that was derived from the store's, the change is announced first.
    """
    from edge_gate.core.clock import SystemClock
    from edge_gate.spec.model import Role
    from edge_gate.store.audit.chain import KEY_CHANGED, NEW_KEYRING
    from edge_gate.store.audit.generation import FIELD, last_recorded
    from edge_gate.store.audit.log import AuditLog
    from edge_gate.store.database import Store

    with Store.open(store_path, key, SystemClock()) as store:
        log = AuditLog(store, store.keyring.signer())
        detail = {"device_key": log.public_key.hex(), FIELD: store.keyring.generation}
        role = Role.ROOT if os.getuid() == 0 else Role.GATE
        before = last_recorded(store)
        with store.transaction():
            if verb != NEW_KEYRING and before is not None and before.generation is None:
                log.append(KEY_CHANGED, actor="gate", role="gate", detail=detail)
            log.append(verb, actor=f"uid {os.getuid()}", role=role, detail=detail | said)


def _combined() -> bytes:
    from shamir_mnemonic import MnemonicError, combine_mnemonics
    from shamir_mnemonic.share import Share

    from edge_gate.store.keys.source import KEY_BYTES

    shares: list[str] = []
    wanted = 1
    while len(shares) < wanted:
        asked = f"Share {len(shares) + 1}" + (f" of {wanted}" if shares else "")
        words = " ".join(word for word in click.prompt(asked).lower().split() if not word.isdigit())
        try:
            share = Share.from_mnemonic(words)
            if share.iteration_exponent > _SLOWEST_EXPONENT:
                raise MnemonicError("it would take minutes to try: it is none of `edge-gate keys escrow`")
            wanted = share.member_threshold
        except MnemonicError as error:
            say(f"This is no share: {error}. Try again.", err=True)
            continue
        shares.append(words)
    try:
        key = bytes(combine_mnemonics(shares))
    except MnemonicError as error:
        raise SharesUnfit(str(error)) from error
    if len(key) != KEY_BYTES:
        raise SharesUnfit(f"they are of a secret of {len(key)} bytes, and the key of a store has {KEY_BYTES}")
    return key
