# SPDX-License-Identifier: Apache-2.0
"""`edge-gate forget`: erase a person, give them a receipt, and look afterwards whether anything is left."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edge_gate.cli.common import LINE, TEXT, config_option, json_option, local_time, show_json
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import confirm, say, say_document
from edge_gate.settings import config


def _check_receipt(_: click.Context, __: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    """Refuse what is no file: it may be a mistyped path, or a name, and neither is verified."""
    for each in value:
        if not os.path.isfile(each):  # noqa: PTH113 - which says no to a name that no file can have
            raise click.BadParameter(f"there is no receipt {str(each)!r}. --search looks for a name or an identifier.")
    return value


def _check_word(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what cannot be looked for as a word."""
    for each in value:
        if not each.strip():
            raise click.BadParameter("there is nothing to search for in an empty text.")
        if os.path.isfile(each):  # noqa: PTH113
            raise click.BadParameter(f"{each!r} is a file here. --verify takes a receipt.")
    return value


@click.command("forget")
@click.argument("name", type=LINE, required=False)
@click.option("--yes", is_flag=True, help="Do not ask again.")
@click.option(
    "--verify",
    "receipts",
    multiple=True,
    type=click.Path(path_type=Path),
    callback=_check_receipt,
    metavar="RECEIPT",
    help="Erase nobody, but look whether what this receipt's file says holds. May be repeated.",
)
@click.option(
    "--search",
    "words",
    multiple=True,
    type=TEXT,
    callback=_check_word,
    metavar="WORD",
    help="Erase nobody, but look for this name or identifier. May be repeated.",
)
@click.option(
    "--backup",
    "backups",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="With --verify or --search: look into this copy of the store too. May be repeated.",
)
@config_option
@json_option
def command(
    name: str | None, yes: bool, receipts: tuple[Path, ...], words: tuple[str, ...], backups: tuple[Path, ...],
    path: Path, as_json: bool,
) -> None:  # fmt: skip
    """Erase NAME: data key, template, consent and name. Past events stay, without a name. This cannot be undone.

    Prints a signed receipt for the person, in the site's language: ` > FILE` keeps it as it was signed.

    With --verify or --search, which need the store's key and so root, every page of the store, used or free, its log
    and the copies that you name are looked at, and the keyring, and the rows of each table. The answer says what was
    looked at and what was not. Of a receipt of a withdrawal, which leaves name and consent, it is judged whether key
    and template are gone. Exit status 1 if anything is left.
    """
    settings = config.load(path)
    if receipts or words:
        if name is not None:
            raise click.UsageError("Either a NAME to erase, or --verify and --search.")
        _verify(settings, receipts, words, backups, as_json)
        return
    if name is None or backups:
        raise click.UsageError("Name whom to erase, or what to --verify or to --search for.")
    if not yes:
        confirm(f"Erase everything that is stored of {name}?")
    answer = ask(settings, "forget", name=name)
    if as_json:
        show_json(answer)
    else:
        say(f"{answer['name']} is forgotten. Give them this receipt:", "", err=True)
        say_document(answer["receipt"])


def _verify(
    settings: config.Config,
    receipts: tuple[Path, ...],
    words: tuple[str, ...],
    backups: tuple[Path, ...],
    as_json: bool,
) -> None:
    from edge_gate.cli.keys.unlock import unlock_key
    from edge_gate.cli.traces import look_for

    answer = look_for(settings.store, unlock_key(settings.store), receipts, words, backups)
    if as_json:
        show_json(answer.as_dict())
    else:
        say(*answer.lines(local_time(settings)))
    if answer.found:
        raise SystemExit(1)
