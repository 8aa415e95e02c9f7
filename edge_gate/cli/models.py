# SPDX-License-Identifier: Apache-2.0
"""`edge-gate models`: which models there are, and what they say of themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from edge_gate.cli.common import find_config, json_option, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.terminal import say, say_document
from edge_gate.core.errors import ConfigMissing, EdgeGateError, ModelMissing, ModelUnknown
from edge_gate.documents import resident_page
from edge_gate.documents.resident_words import LANGUAGES
from edge_gate.provenance import cards, minisign
from edge_gate.settings import config
from edge_gate.settings.config import DecisionSettings, ModelSettings


def _is_key(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        try:
            minisign.PublicKey.parse(each)
        except minisign.Malformed as error:
            raise click.BadParameter(f"{each!r} is no minisign public key: {error}.") from error
    return value


def models_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--config``, ``--folder`` and ``--key``, and hand the function the settings that they make together."""

    @click.option(
        "--config",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="EDGE_GATE_CONFIG",
        help="The configuration whose models, trusted keys and exceptions count. Otherwise as for the other commands;"
        " where there is none, the defaults.",
    )
    @click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where the models are, instead of the configured folder.",
    )
    @click.option(
        "--key",
        "keys",
        multiple=True,
        metavar="KEY",
        callback=_is_key,
        help="A minisign public key to trust instead of the configured ones. May be given several times.",
    )
    @wraps(function)
    def wrapped(path: Path | None, folder: Path | None, keys: tuple[str, ...], **others: Any) -> None:
        try:
            settings = config.load(find_config(path)).models
        except ConfigMissing:
            if path is not None:
                raise
            settings = ModelSettings()
        if folder is not None:
            settings = replace(settings, folder=folder.absolute())
        if keys:
            settings = replace(settings, trusted_keys=keys)
        function(settings=settings, **others)

    return wrapped


@click.group("models", cls=Group)
def command() -> None:
    """Look at the models and their provenance cards.

    A model without a complete card that a trusted key signed does not load.
    """


def _names(settings: ModelSettings) -> list[str]:
    where = cards.folder(settings.folder)
    names = sorted(each.stem for each in where.glob("*") if each.suffix in (".tflite", ".onnx"))
    if not names:
        raise ModelMissing(where / "*.tflite")
    return names


def _known(settings: ModelSettings) -> list[str]:
    """Return the models that are there, with those of which there is a card alone."""
    return sorted({*_names(settings), *(each.stem for each in cards.folder(settings.folder).glob("*.toml"))})


def _signed(card: cards.Card) -> str:
    """Return a clause that says who signed a card."""
    if card.signature is None:
        return f"{card.waived}, let in by models.allow_unsigned"
    own = card.signer == minisign.PublicKey.parse(config.RELEASE_KEY)
    return f"signed by {card.signature.key_id}{' (edge-gate)' if own else ''}: {card.signature.trusted_comment}"


@command.command("list")
@models_options
@json_option
def list_models(settings: ModelSettings, as_json: bool) -> None:
    """List the models. Each with its task, licence, source and who signed the card."""
    found = [_describe(settings, name) for name in _names(settings)]
    if as_json:
        show_json(found)
        return
    for each in found:
        say(each["name"])
        if "fault" in each:
            say(f"  does not load: {each['fault']}")
        else:
            say(f"  {each['task']}; {each['licence']}; {each['source']}", f"  {each['signature']}")


def _describe(settings: ModelSettings, name: str) -> dict[str, Any]:
    """Return what a list says of a model; of one that does not load, why."""
    try:
        card = cards.read(settings, name)
    except EdgeGateError as error:
        return {"name": name, "fault": str(error)}
    return {
        "name": name,
        **{key: card.fields[key] for key in ("task", "licence", "source")},
        "signature": _signed(card),
    }


@command.command()
@click.argument("name")
@models_options
@click.option("--resident", type=click.Choice(list(LANGUAGES)), help="A page for residents instead, in this language.")
@click.option(
    "--fmr",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=DecisionSettings().fmr,
    show_default=True,
    metavar="RATE",
    help="The gate's false match rate (`fmr` in its configuration), for which --resident gives the figures.",
)
@json_option
def show(settings: ModelSettings, name: str, resident: str | None, fmr: float, as_json: bool) -> None:
    """Show what the card of model NAME says. All of it, or with --resident what a resident may want to know."""
    if name not in (known := _known(settings)):
        raise ModelUnknown(name, ", ".join(known))
    card = cards.read(settings, name)
    if as_json:
        by = card.signature
        signature = {"key_id": by.key_id, "trusted_comment": by.trusted_comment} if by else None
        show_json({**card.fields, "signature": signature})
    elif resident:
        say_document(resident_page.page(card, resident, fmr))
    else:
        say(f"signature: {_signed(card)}")
        _print(card.fields)


@command.command()
@models_options
@json_option
def verify(settings: ModelSettings, as_json: bool) -> None:
    """Check the card of each model.

    It has to be signed by a trusted key, complete, and of the very model beside it. Exit status 1 if one fails.

    Looked at are all models of the folder and, unless --folder names another one, those that the configuration uses. A
    model that the configuration allows without a trusted signature is shown as such, and is no failure.
    """
    names = set(_names(settings))
    if click.get_current_context().params["folder"] is None:
        names |= set(settings.used.values())
    judged = [_judge(settings, name) for name in sorted(names)]
    where, keys = (
        cards.folder(settings.folder),
        [minisign.PublicKey.parse(each).key_id for each in settings.trusted_keys],
    )
    if as_json:
        show_json({"folder": str(where), "trusted_keys": keys, "models": judged})
    else:
        for each in judged:
            said = each["text"] if each["state"] == "fault" else f"{each['name']}: {each['text']}"
            say(f"{each['state']:<6} {said}")
        trusted = ", ".join(keys) or "none"
        say(
            f"Looked at: {len(judged)} models in {where}; each card, its signature (trusted keys: {trusted}),"
            " and the model's SHA-256. Not looked at: how well a model does."
        )
    sys.exit(1 if any(each["state"] == "fault" for each in judged) else 0)


def _judge(settings: ModelSettings, name: str) -> dict[str, str]:
    try:
        card = cards.read(settings, name)
    except EdgeGateError as error:
        return {"name": name, "state": "fault", "text": str(error)}
    return {"name": name, "state": "ok" if card.signature else "waived", "text": _signed(card)}


def _print(value: Any, indent: int = 0) -> None:
    """Print nested TOML the way a person reads it: one thing a line, lists of tables apart from each other."""
    for key, each in value.items():
        margin = "  " * indent
        if isinstance(each, dict):
            say(f"{margin}{key}:")
            _print(each, indent + 1)
        elif isinstance(each, list) and each and isinstance(each[0], dict):
            for row in each:
                say(f"{margin}{key}:")
                _print(row, indent + 1)
        elif isinstance(each, list) and each and isinstance(each[0], str):
            say(f"{margin}{key}:")
            for line in each:
                say(f"{margin}  - {line}")
        else:
            say(f"{margin}{key}: {each}")
