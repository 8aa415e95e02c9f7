# SPDX-License-Identifier: Apache-2.0
"""Asking for the passphrase of the store's key: at the terminal, or through systemd's agents at a start."""

from __future__ import annotations

import getpass
import os
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from edge_gate.cli.reach import QUESTION
from edge_gate.cli.terminal import say
from edge_gate.core.errors import EdgeGateError, KeyLocked, PassphraseUnfit, PassphraseWrong
from edge_gate.store.keys.locked import unlock

ATTEMPTS: Final = 3
SHORTEST: Final = 15
_DISTINCT: Final = 8
_WORDS: Final = 6
_TERMINAL: Final = Path("/dev/tty")
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
    """Ask at the terminal for a new passphrase, twice, until both are the same. Raises PassphraseUnfit or Abort."""
    say(
        f"Six words by chance, thought of just now and stored nowhere: {suggestion()}\n"
        "Take these or a passphrase of your own. Who has a copy of the memory card can try as many as they can pay\n"
        "for, and what people think up is soon guessed. At a start it is typed unseen, often on an English keyboard.",
        err=True,
    )
    while True:
        first = read_typed("New passphrase: ")
        judge(first)
        if read_typed("The same again: ") == first:
            return first
        say("These are not the same. Try again.", err=True)


def ask_passphrase(content: bytes, place: Path) -> tuple[bytes, str]:
    """Ask at the terminal until the passphrase opens this locked key, three times at most; return key and passphrase.

    Raises KeyLocked where there is no terminal, PassphraseWrong, LockDamaged, CipherMissing or Abort.
    """
    if not at_a_terminal():
        raise KeyLocked(place)
    for left in reversed(range(ATTEMPTS)):
        passphrase = read_typed("Passphrase of the store's key: ")
        try:
            return unlock(content, passphrase, place), passphrase
        except PassphraseWrong as error:
            if not left:
                raise
            say(str(error), err=True)
    raise AssertionError("unreachable")


def ask_in_child(content: bytes, place: Path) -> bytes:
    """Do the same as `asked` in a process of its own, whose memory goes when it ends.

    Raises KeyLocked; SystemExit, with the failure's own code, where the other process has told what failed.
    """
    if not at_a_terminal():
        raise KeyLocked(place)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(writer, ask_passphrase(content, place)[0])
            code = 0
        except EdgeGateError as error:
            say(f"edge-gate: {error}", err=True)
            code = error.exit_code
        finally:
            os._exit(code)  # whatever happens, this copy of the process does not go on
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        key = pipe.read()
    if (status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) != 0:
        raise SystemExit(status)
    return key


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


def at_a_terminal() -> bool:
    """Tell whether somebody can be asked."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return False
    return True


def read_typed(question: str) -> str:
    """Return what was typed at the terminal, without an echo. Raises Abort."""
    try:
        return getpass.getpass(question)
    except (EOFError, KeyboardInterrupt) as error:
        raise click.Abort from error
