# SPDX-License-Identifier: Apache-2.0
"""`edge-gate keys lock`, `passphrase`, `unlock` and `open`: a passphrase that the gate's start waits for.

The store's key stays the same; what lies in its place is replaced in one step (store/files.py), so a power cut leaves
the old file or the new one. The gate may run meanwhile.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from edge_gate.cli.common import config_option
from edge_gate.cli.terminal import say
from edge_gate.core.access import is_there
from edge_gate.core.errors import KeyNotPlaced, WrongKey
from edge_gate.settings import config

if TYPE_CHECKING:
    from edge_gate.cli.keys.place import KeyPlace

UNLOCK_UNIT: Final = "edge-gate-unlock.service"


@click.command()
@config_option
def lock(path: Path) -> None:
    """Lock the key with a passphrase. Every start of the gate then waits for it.

    Asks for it twice at the terminal. Who has everything that is on the memory card, or in a backup, gets nothing
    without it. A passphrase that is lost is lost: keep the key on paper or in shares (`edge-gate keys escrow`).
    """
    from edge_gate.cli.keys import place as keyplace
    from edge_gate.cli.keys.passphrase import chosen

    settings = config.load(path)
    place = keyplace.find(settings.store)
    if place.locked:
        raise KeyNotPlaced("it is locked already; `edge-gate keys passphrase` takes another passphrase")
    key = _of_this_store(settings, place.fetch())
    if place.tier != "key file":
        _asks_at_the_start()
    _put_and_check(replace(place, locked=True, passphrase=chosen()), key)
    say("The key is locked. From its next start the gate waits for the passphrase.")
    say("What lay there was overwritten, but a worn card may keep it, and copies of it are not locked.")
    say("Has it been in use? Then give the store another key: `edge-gate keys rotate`, with the gate stopped.")


@click.command()
@config_option
def passphrase(path: Path) -> None:
    """Take another passphrase for the store's key. Asks for the present one, then for the new one twice.

    Copies of the old file still open with the old passphrase. If that was found out, `edge-gate keys rotate` as well.
    """
    from edge_gate.cli.keys import place as keyplace
    from edge_gate.cli.keys.passphrase import chosen

    settings = config.load(path)
    place = keyplace.find(settings.store).with_passphrase()
    if place.passphrase is None:
        raise KeyNotPlaced("it is not locked; `edge-gate keys lock` locks it")
    key = _of_this_store(settings, place.fetch())
    _put_and_check(replace(place, passphrase=chosen()), key)
    say("The key has another passphrase.")


@click.command()
@config_option
def unlock(path: Path) -> None:
    """Take the passphrase away: the gate starts by itself again. Asks for the passphrase."""
    from edge_gate.cli.keys import place as keyplace

    settings = config.load(path)
    place = keyplace.find(settings.store).with_passphrase()
    if place.passphrase is None:
        raise KeyNotPlaced("it is not locked")
    key = _of_this_store(settings, place.fetch())
    _put_and_check(replace(place, passphrase=None), key)
    say("The key is no longer locked.")


@click.command("open")
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help="Where to lay the opened key.")
@config_option
def open_key(to: Path | None, path: Path) -> None:
    """Open the key for the gate's unit.

    The passphrase is asked for as systemd does, and the opened key lies where the unit finds it.

    This is edge-gate-unlock.service; by hand it is not needed. A key that is not locked is laid there without a
    question.
    """
    from edge_gate.cli.keys.passphrase import asked_of_agents
    from edge_gate.cli.keys.unlock import OPENED, content_of_place
    from edge_gate.core.notify import ServiceNotifier
    from edge_gate.seal.apply import keep_in_memory
    from edge_gate.store.keys.locked import is_locked
    from edge_gate.store.keys.source import plain_key, write_key_file

    keep_in_memory()
    notifier = ServiceNotifier(os.environ)

    def tell(state: str) -> None:
        notifier.notify(f"STATUS={state}")

    content, place = content_of_place(config.load(path).store)
    key = asked_of_agents(content, place, tell) if is_locked(content) else plain_key(content, place)
    target = to or OPENED
    target.unlink(missing_ok=True)
    write_key_file(target, key)
    tell("The key is open for the gate")
    notifier.close()


def _of_this_store(settings: config.Config, key: bytes) -> bytes:
    """Return the key if it opens the store. Raises WrongKey, StoreMissing or KeyNotPlaced during a change of keys."""
    from edge_gate.store.keys.pending import opens_database, pending_path

    if is_there(pending_path(settings.store.path)):
        raise KeyNotPlaced("a change of keys was cut off; finish it first with `edge-gate keys rotate`")
    if not opens_database(settings.store.path, key):
        raise WrongKey(settings.store.path)
    return key


def _put_and_check(place: KeyPlace, key: bytes) -> None:
    place.put(key)
    if place.fetch() != key:
        raise KeyNotPlaced("it does not come back from its place as it was; put it back from paper or shares")


def _asks_at_the_start() -> None:
    """Raise KeyNotPlaced unless systemd will ask for the passphrase before it starts the gate."""
    command = ["systemctl", "show", "--property=Requires", "--value", "edge-gate.service"]
    try:
        required = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise KeyNotPlaced(f"systemctl does not say whether the gate's start would ask for it ({error})") from error
    if UNLOCK_UNIT not in required:
        raise KeyNotPlaced(
            "nothing would ask for the passphrase when the gate starts. Install systemd/passphrase first, as"
            ' docs/installer.md says under "A passphrase at the start"'
        )
