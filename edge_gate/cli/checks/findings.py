# SPDX-License-Identifier: Apache-2.0
"""What `edge-gate doctor` finds, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_gate.cli import reach
from edge_gate.cli.checks.settings import judge
from edge_gate.cli.terminal import say, say_hanging
from edge_gate.core.errors import AccessDenied, EdgeGateError, GateNotRunning, KeyNotOurs, NotAllowed
from edge_gate.core.exit_codes import ExitCode
from edge_gate.settings import config
from edge_gate.settings.reader import Mistake, read_text
from edge_gate.wire.client import GateRefused
from edge_gate.wire.status import GateStatus

AS_ROOT = "sudo edge-gate doctor"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``state`` is ok, fault, or unknown where it could not be judged; ``mend`` says
    how."""

    part: str
    state: str
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What there is to examine: the settings, and the running gate's own word; else ``silence``, why there is none.

    ``text``: what the configuration held when it was judged. Nothing opens its path again: by then it may lead to a
    file that whoever examines may read, and whoever wrote the configuration may not.
    """

    path: Path
    settings: config.Config
    status: GateStatus | None
    silence: EdgeGateError | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A look at one part. ``part`` names the finding where the look itself fails."""

    part: str
    look: Callable[[Patient], Iterator[Finding]]


def examine(path: Path, checks: Iterable[Check]) -> list[Finding]:
    """Run every check; one that fails does not keep the others from being made."""
    try:
        text = read_text(path)
        findings = [_tell(each) for each in judge(text, path)] or [Finding("configuration", "ok", str(path))]
    except AccessDenied as error:
        return [Finding("configuration", "unknown", str(error), AS_ROOT)]
    except Mistake as mistake:
        return [_tell(mistake)]
    except EdgeGateError as error:
        return [Finding("configuration", "fault", str(error))]
    try:
        settings = config.parse(text, path)
    except Mistake:
        return findings
    status, silence = _status(settings)
    patient = Patient(path, settings, status, silence, text)
    for each in checks:
        try:
            for finding in each.look(patient):
                findings.append(finding)  # one by one: what was found before a failure counts
        except (EdgeGateError, OSError) as error:
            findings.append(_unfinished(each.part, error))
    return findings


def _tell(mistake: Mistake) -> Finding:
    place = f"line {mistake.line}: " if mistake.line else ""
    return Finding("configuration", "fault" if mistake.stops else "unknown", f"{place}{mistake.what}", mistake.fix)


def _unfinished(part: str, error: EdgeGateError | OSError) -> Finding:
    """Return what it means that a look could not be taken to its end: for want of rights nothing is known to be wrong.

    The gate's own refusals have the codes of its errors, and no class of ours.
    """
    if isinstance(error, KeyNotOurs):
        return Finding(part, "unknown", str(error))
    if isinstance(error, EdgeGateError):
        if error.exit_code == ExitCode.BUSY:
            return Finding(part, "unknown", str(error), "Ask again in a moment.")
        rights = error.exit_code == ExitCode.NOT_ALLOWED
    else:
        rights = isinstance(error, PermissionError)
    return Finding(part, "unknown", str(error), AS_ROOT) if rights else Finding(part, "fault", str(error))


def _status(settings: config.Config) -> tuple[GateStatus | None, EdgeGateError | None]:
    try:
        return reach.status(settings), None
    except (GateNotRunning, NotAllowed, GateRefused) as error:
        return None, error


def show(findings: list[Finding]) -> None:
    """Print the findings for people: what is wrong stands out, and under it how to mend it; last, how many of each."""
    colours = {"ok": "green", "fault": "red", "unknown": "yellow"}
    for each in findings:
        head = [(f"{each.state:<8}", colours[each.state]), (f"{each.part:<13}", "")]
        say_hanging(head, each.text)
        if each.mend and each.state != "ok":
            say_hanging([(" " * 21, "")], f"→ {each.mend}")
    counted = [sum(each.state == state for each in findings) for state in colours]
    say(", ".join(f"{count} {state}" for count, state in zip(counted, colours, strict=True)))
