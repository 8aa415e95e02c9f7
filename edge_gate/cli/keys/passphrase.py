# SPDX-License-Identifier: Apache-2.0
"""Passphrases of the store's key: choosing one, and asking for it through systemd's agents at a start."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge_gate.cli.reach import QUESTION
from edge_gate.cli.terminal import say, say_to_copy
from edge_gate.core.errors import KeyLocked, KeyNotPlaced, PassphraseUnfit, PassphraseWrong
from edge_gate.store.keys.asking import ATTEMPTS, at_a_terminal, read_typed
from edge_gate.store.keys.locked import unlock

SHORTEST: Final = 15
_DISTINCT: Final = 8
_WORDS: Final = 6
PAUSE_S: Final = 30.0


def judge(passphrase: str) -> None:
    """Raise PassphraseUnfit, in plain words, for what is surely too easy to guess. No rule finds all that is."""
    if not passphrase.isprintable():
        raise PassphraseUnfit("it has characters that cannot be seen")
    if passphrase != passphrase.strip():
        raise PassphraseUnfit("it begins or ends with a space")
    if len(passphrase) < SHORTEST:
        raise PassphraseUnfit(f"it has {len(passphrase)} characters, and {SHORTEST} are the fewest")
    if len(set(passphrase.lower())) < _DISTINCT:
        raise PassphraseUnfit(f"it has fewer than {_DISTINCT} different characters")


def suggestion() -> str:
    """Return six words by chance from the 1024 of SLIP-39: one of 2^60, each told from the others by four letters."""
    from shamir_mnemonic.wordlist import WORDLIST

    return " ".join(secrets.choice(WORDLIST) for _ in range(_WORDS))


def chosen() -> str:
    """Ask at the terminal for a new passphrase, twice, until both are the same.

    Raises PassphraseUnfit, or KeyNotPlaced where there is no terminal.
    """
    if not at_a_terminal():
        raise KeyNotPlaced(
            "a new passphrase is typed at a terminal, and there is none here; over ssh, `ssh -t` gives one"
        )
    say("Six words by chance, thought of just now and stored nowhere:", err=True)
    say_to_copy(f"  {suggestion()}", err=True)
    say(
        "Take these or a passphrase of your own. Who has a copy of the memory card can try as many as they can pay"
        " for, and what people think up is soon guessed. At a start it is typed unseen, often on an English keyboard.",
        err=True,
    )
    while True:
        first = read_typed("New passphrase: ")
        judge(first)
        if read_typed("The same again: ") == first:
            return first
        say("These are not the same. Try again.", err=True)


def asked_of_agents(content: bytes, place: Path, tell: Callable[[str], None]) -> bytes:
    """Ask through systemd's agents (console, plymouth, `systemd-tty-ask-password-agent`) until it opens this key.

    It never gives up, as the gate's unit does not: after three wrong ones it waits a while each time. ``tell`` is told
    how it stands. Raises KeyLocked where systemd-ask-password cannot be run, LockDamaged or CipherMissing.
    """
    wrong = 0
    while True:
        tell("Waiting for the passphrase" + (f"; {wrong} did not open the key" if wrong else ""))
        question = "Passphrase of the store's key" + (" (the last one was wrong)" if wrong else "")
        command = ["systemd-ask-password", "--no-tty", "--timeout=0", f"--id={QUESTION}", f"{question}:"]
        try:
            answered = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)  # noqa: S603
        except OSError as error:
            raise KeyLocked(place) from error
        if answered.returncode == 0:
            try:
                return unlock(content, answered.stdout.decode(errors="replace").removesuffix("\n"), place)
            except PassphraseWrong:
                wrong += 1
        time.sleep(PAUSE_S if answered.returncode != 0 or wrong % ATTEMPTS == 0 else 1.0)
