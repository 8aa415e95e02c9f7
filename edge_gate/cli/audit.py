# SPDX-License-Identifier: Apache-2.0
"""`edge-gate audit`: what people did with the gate, and whether the log of it is whole."""

from __future__ import annotations

import json
import pwd
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from edge_gate.cli.common import LINE, config_option, json_option, local_time, show_json
from edge_gate.cli.groups import Group
from edge_gate.cli.reach import ask
from edge_gate.cli.terminal import say, say_hanging, say_to_copy
from edge_gate.core.errors import WireError
from edge_gate.settings import config
from edge_gate.store.audit.chain import Checkpoint, End, Examined, Row, examine

KEY_BYTES: Final = 32  # of an Ed25519 public key (RFC 8032)


@click.group(cls=Group)
def audit() -> None:
    """Read the audit log, and see whether it is whole."""


@audit.command()
@click.option(
    "--resident", type=LINE, metavar="NAME", help="Only what was done about this resident; people by role, not by name."
)
@config_option
@json_option
def show(resident: str | None, path: Path, as_json: bool) -> None:
    """List what was done, newest first. Each says when, by whom and what; never about whom.

    With --resident, what was done about one person, to be shown to them: it names nobody else.
    """
    settings = config.load(path)
    if resident is not None:
        found = ask(settings, "audit-resident", name=resident)
    else:
        rows, _, _ = read(settings)
        found = [_shown(row) for row in reversed(rows)]
    if as_json:
        show_json(found)
        return
    local = local_time(settings)
    for each in found:
        when = local.show_text(each["at"])
        who = (
            each["role"] if resident is not None else f"{each['seq']:>6}  {each['actor']} ({each['role'] or 'no role'})"
        )
        detail = " ".join(f"{name}={value}" for name, value in each.get("detail", {}).items())
        say_hanging([(when, "")], f"{who}  {each['verb']}  {detail}".rstrip())


@audit.command()
@config_option
@json_option
def checkpoint(path: Path, as_json: bool) -> None:
    """Sign the log as it stands, in one line. Keep that line away from this device."""
    answer = ask(config.load(path), "audit-checkpoint")
    if as_json:
        show_json(answer)
    else:
        say_to_copy(answer["checkpoint"])


@audit.command()
@config_option
@json_option
def accept(path: Path, as_json: bool) -> None:
    """Take a log in doubt as it stands, with a second person.

    `edge-gate status` says why it is in doubt. Somebody may have emptied it, or the site has restored an older backup:
    see docs/maintainer.md, "A log in doubt".
    """
    answer = ask(config.load(path), "audit-accept")
    if as_json:
        show_json(answer)
    else:
        say("The audit log is taken as it stands. `edge-gate audit verify` goes on to say what is missing.")


@audit.command()
@click.option("--since", metavar="CHECKPOINT", help="A line of `audit checkpoint` that was kept elsewhere.")
@click.option("--key", "known", metavar="KEY", help="The device's public key, as receipts and `keys status` have it.")
@config_option
@json_option
def verify(since: str | None, known: str | None, path: Path, as_json: bool) -> None:
    """Read the whole log and judge it here. Exit status 1, and the row, where something was changed or is missing.

    Without --since it finds what was changed by somebody who has not the store's key. Root can get that key and the
    keyring, rewrite the log and sign it anew: only a checkpoint that was kept elsewhere shows that.
    """
    kept = Checkpoint.parse(since) if since is not None else None
    key = _public_key(known) if known is not None else None
    settings = config.load(path)
    seen, vouched = examine(*read(settings), kept, key), ask(settings, "audit-vouched")
    if as_json:
        findings = [{"row": each.seq, "text": each.text} for each in seen.findings]
        keys = [{"row": seq, "key": _key_text(each)} for seq, each in seen.keys]
        said = {"rows": seen.rows, "vouched": seen.vouched, "keys": keys, "kept": kept and kept.seq}
        show_json({**said, "findings": findings, "by_the_gate": vouched})
    else:
        for line in (*describe(seen, kept), *_describe_vouched(vouched)):
            say(line)
    sys.exit(1 if seen.findings or vouched["findings"] else 0)


def describe(seen: Examined, kept: Checkpoint | None) -> Iterator[str]:
    """Yield what an examination shows, and what it cannot show."""
    for each in seen.findings:
        yield f"fault: row {each.seq} {each.text}"
    if seen.findings:
        yield f"{seen.rows} rows looked at."
        return
    yield f"{seen.rows} rows, each chained to the one before."
    yield f"Signed by this device up to its last row, {seen.vouched}: nothing was cut off after it."
    if seen.keys:
        yield f"Its key, from row {seen.keys[-1][0]} on, is {_key_text(seen.keys[-1][1])}. Compare it with a receipt's."
    for seq, key in seen.keys[:-1]:
        yield f"Before, from row {seq} on, it was {_key_text(key)}. Somebody should know why."
    if kept is None:
        yield "Who has store's key and keyring could have rewritten it, and an earlier state of all could be put back:"
        yield "only a kept checkpoint (--since) shows that."
    else:
        yield f"Up to row {kept.seq} it is what the kept checkpoint was signed for; nobody rewrote or cut that part."


def _describe_vouched(vouched: dict[str, Any]) -> Iterator[str]:
    for each in vouched["findings"]:
        yield f"fault: {each}"
    if vouched["more"]:
        yield f"fault: and {vouched['more']} more like these"
    if not vouched["findings"]:
        yield "By the gate's word, which has the keyring: events, names and consents are those that were vouched for."


def read(settings: config.Config) -> tuple[list[Row], list[Checkpoint], End | None]:
    """Return the whole log from the running gate, page by page."""
    rows: list[Row] = []
    checkpoints: list[Checkpoint] = []
    end: End | None = None
    more = True
    while more:
        page = ask(settings, "audit", first=rows[-1].seq + 1 if rows else 1)
        fresh = [Row.of(each) for each in page["rows"]]
        if page["more"] and (not fresh or (rows and fresh[-1].seq <= rows[-1].seq)):  # no gate of ours: it never ends
            raise WireError("control", "the gate's audit log does not go on where it ended")
        rows += fresh
        checkpoints += map(Checkpoint.read, page["checkpoints"])
        end = page["end"] and End.read(page["end"])
        more = page["more"]
    return rows, checkpoints, end


def _public_key(text: str) -> bytes:
    with suppress(ValueError):
        if len(key := b64decode(text, validate=True)) == KEY_BYTES:
            return key
    told = "it is no public key. Copy it from the line `public-key: ` of a receipt, or from `edge-gate keys status`."
    raise click.BadParameter(told, param_hint="--key")


def _key_text(announced: str) -> str:
    """Return a key as receipts write it."""
    return b64encode(bytes.fromhex(announced)).decode() if announced else "none"


def _shown(row: Row) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": row.at,
        "actor": _name(row.actor),
        "role": row.role,
        "verb": row.verb,
        "about_a_resident": row.subject is not None,
        "detail": json.loads(row.detail),
    }


def _name(actor: str) -> str:
    """Return the actor with the login name that the system has for the number now."""
    kind, _, number = actor.partition(" ")
    try:
        return f"{pwd.getpwuid(int(number)).pw_name} ({actor})" if kind == "uid" else actor
    except KeyError:
        return actor
