# SPDX-License-Identifier: Apache-2.0
"""`edge-gate doctor`: what is wrong on this device, and how to mend it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

import edge_gate
from edge_gate import cards, config
from edge_gate.cli.common import config_option, json_option, show_json
from edge_gate.cli.status import describe_walls
from edge_gate.client import ask
from edge_gate.errors import CameraError, EdgeGateError, GateNotRunning, NotAllowed
from edge_gate.protection import corrected

CAMERA_PATIENCE_S: Final = 5.0


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
    """What there is to examine: the settings, and the running gate's own word where there is a running gate."""

    path: Path
    settings: config.Config
    status: dict[str, Any] | None


Check = Callable[[Patient], Iterator[Finding]]


@click.command("doctor")
@config_option
@json_option
def command(path: Path, as_json: bool) -> None:
    """Check every part and say how to mend it.

    Camera, relay, models, store, keyring, clock, permissions and sandbox. Exit status 1 if anything is at fault.

    Nothing is changed and no relay is moved. While the gate runs, camera and relay are judged by what the gate says
    of them.
    """
    findings = examine(path)
    faults = sum(each.state == "fault" for each in findings)
    if as_json:
        show_json({"faults": faults, "findings": [asdict(each) for each in findings]})
    else:
        show(findings)
    sys.exit(1 if faults else 0)


def examine(path: Path) -> list[Finding]:
    """Run every check; one that fails does not keep the others from being made."""
    try:
        settings = config.load(path)
    except EdgeGateError as error:
        return [Finding("configuration", "fault", str(error), "Correct the file, then run doctor again.")]
    patient = Patient(path, settings, _status(settings))
    findings = [Finding("configuration", "ok", str(path))]
    for part, check in CHECKS.items():
        try:
            findings += check(patient)
        except EdgeGateError as error:
            findings.append(Finding(part, "fault", str(error)))
    return findings


def _status(settings: config.Config) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = ask(settings, "status")
    except (GateNotRunning, NotAllowed):
        return None
    return answer


def _gate(patient: Patient) -> Iterator[Finding]:
    if patient.status is None:
        yield Finding("gate", "unknown", "not running, or this user may not ask it", "systemctl start edge-gate")
    else:
        yield Finding("gate", "ok", f"running for {patient.status['uptime_s']:.0f} s")


def _models(patient: Patient) -> Iterator[Finding]:
    wanted = patient.settings.models
    for name in (wanted.detector, wanted.mesh, wanted.lids, wanted.eyes):
        card = cards.read(wanted, name)
        if card.signature is None:
            mend = "Sign its card (models/README.md), then take it out of models.allow_unsigned."
            yield Finding("models", "unknown", f"{name}: {card.waived}, let in by models.allow_unsigned", mend)
        else:
            text = f"{name}: card complete, signed by {card.signature.key_id}, SHA-256 matches"
            yield Finding("models", "ok", text)
    plain = card.threshold("fused", patient.settings.decision.fmr)
    point = corrected(card.operating_points, plain)
    bound = f"measured FMR {point.fmr:g} (95 % bound {point.fmr_upper95:g})"
    text = f"threshold {point.threshold:.3f} for protected templates, {plain.threshold:.3f} for plain ones; {bound}"
    yield Finding("models", "ok", text)


def _camera(patient: Patient) -> Iterator[Finding]:
    if patient.status is not None and patient.status["eye"]["connected"]:
        state = patient.status["eye"]["camera"] or "starting"
        fine = state in ("working", "starting")
        yield Finding("camera", "ok" if fine else "fault", f"the eye says: {state}", "" if fine else "Check the cable.")
        return
    from edge_gate.eye.cameras import open_camera

    try:
        camera = open_camera(patient.settings.camera)
        try:
            frame = camera.read(CAMERA_PATIENCE_S)
        finally:
            camera.close()
    except CameraError as error:
        yield Finding(
            "camera", "fault", str(error), "Check the cable and camera.source; `v4l2-ctl --list-devices` helps."
        )
        return
    if frame is None:
        yield Finding("camera", "fault", f"no picture within {CAMERA_PATIENCE_S:.0f} s", "Is another program using it?")
    else:
        height, width = frame.bgr.shape[:2]
        yield Finding("camera", "ok", f"{width} x {height} pixels, mean brightness {frame.bgr.mean() / 255:.0%}")


def _relay(patient: Patient) -> Iterator[Finding]:
    door = patient.settings.door
    if patient.status is not None:
        fault = patient.status["door"]["fault"]
        yield Finding("relay", "fault" if fault else "ok", fault or f"{door.relay} on {door.port} answers the gate")
        return
    port = Path(door.port)
    if not port.exists():
        yield Finding(
            "relay", "fault", f"{port} is not there", "Plug the board in; `ls /dev/serial/by-id` shows its name."
        )
    elif not stat.S_ISCHR(port.stat().st_mode):
        yield Finding("relay", "fault", f"{port} is not a serial port", "Correct door.port.")
    elif not os.access(port, os.R_OK | os.W_OK):
        yield Finding("relay", "fault", f"this user may not use {port}", "Add the user to the group dialout.")
    else:
        yield Finding("relay", "ok", f"{port} is there; start the gate and use `edge-gate relay test` to hear it")


def _store(patient: Patient) -> Iterator[Finding]:
    if patient.status is not None:
        problems = ask(patient.settings, "check")["store"]
    else:
        from edge_gate.clock import SystemClock
        from edge_gate.store.database import Store
        from edge_gate.store.keys import load_key

        key = load_key(patient.settings.store, os.environ)
        with Store.open(patient.settings.store.path, key, SystemClock()) as store:
            problems = store.check()
    for problem in problems:
        yield Finding("store", "fault", problem, "Keep the file; restore the latest backup.")
    if not problems:
        yield Finding("store", "ok", f"{patient.settings.store.path}: key fits, every page intact")


def _keyring(patient: Patient) -> Iterator[Finding]:
    """Tell whether the keyring is the newest one of this store: the gate compares it with its audit log."""
    fault = patient.status and patient.status["keyring"]["fault"]
    if patient.status is None:
        yield Finding("keyring", "unknown", "judged only while the gate runs")
    elif fault:
        mend = "Stop the gate, put the newest copy back, start. Without one: docs/maintainer.md, The keyring."
        yield Finding("keyring", "fault", fault, mend)
    else:
        yield Finding("keyring", "ok", "not older than the audit log says")


def _clock(patient: Patient) -> Iterator[Finding]:
    now = datetime.now(UTC)
    built = datetime.fromtimestamp(Path(edge_gate.__file__).stat().st_mtime, UTC)
    if now < built:
        mend = "Set the time (timedatectl), or fit a battery-backed clock: consents are judged by it."
        yield Finding("clock", "fault", f"{now:%Y-%m-%d %H:%M} UTC is before edge-gate was installed", mend)
    else:
        yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC")


def _permissions(patient: Patient) -> Iterator[Finding]:
    from edge_gate.store.keyring import keyring_path

    store = patient.settings.store
    private = [store.path, keyring_path(store.path), store.key_file]
    for each, unwanted in [(patient.path, 0o022), *((each, 0o077) for each in private if each != Path())]:
        if each.exists() and each.stat().st_mode & unwanted:
            mode = stat.S_IMODE(each.stat().st_mode)
            mend = f"chmod {mode & ~unwanted:o} {each}"
            yield Finding("permissions", "fault", f"{each} has mode {mode:o}", mend)
            return
    yield Finding("permissions", "ok", "configuration, key and store are closed to others")


def _sandbox(patient: Patient) -> Iterator[Finding]:
    """Ask the kernel, not the unit file: what is true of the running processes is what counts."""
    if patient.status is None:
        yield Finding("sandbox", "unknown", "judged only while the gate runs")
        return
    for name in ("gate", "eye"):
        pid = patient.status["processes"][name]
        if pid is None:
            continue
        yield from _sealed(name, patient.status["sealed"][name])
        walls = _walls(pid)
        missing = [wall for wall, stands in walls.items() if not stands]
        if missing:
            mend = "Run it as the systemd unit that comes with edge-gate. At a desk this is expected."
            yield Finding("sandbox", "unknown", f"the {name} runs without: {', '.join(missing)}", mend)
        else:
            yield Finding("sandbox", "ok", f"the {name}: {', '.join(walls)}")


def _sealed(name: str, walls: dict[str, Any] | None) -> Iterator[Finding]:
    """Tell which walls a process built around itself (edge_gate.seal)."""
    if walls is None:
        yield Finding("seal", "unknown", f"the {name} has not said yet")
        return
    text = f"the {name}: {describe_walls(walls)}"
    if walls["missing"]:
        yield Finding("seal", "unknown", text, "Its log says why; see docs/maintainer.md, Sealed.")
    elif walls["not_here"]:
        yield Finding(
            "seal",
            "unknown",
            text,
            "Landlock comes with a newer kernel; the units lift the limit on locked memory.",
        )
    else:
        yield Finding("seal", "ok", text)


def _walls(pid: int) -> dict[str, bool]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return {
        "no new privileges": fields.get("NoNewPrivs") == "1",
        "system call filter": fields.get("Seccomp") == "2",
        "no capabilities": int(fields.get("CapEff", "1"), 16) == 0,
    }


CHECKS: Final[dict[str, Check]] = {
    "gate": _gate,
    "camera": _camera,
    "relay": _relay,
    "models": _models,
    "store": _store,
    "keyring": _keyring,
    "clock": _clock,
    "permissions": _permissions,
    "sandbox": _sandbox,
}


def show(findings: list[Finding]) -> None:
    """Print the findings for people: what is wrong stands out, and under it how to mend it."""
    from rich.console import Console
    from rich.text import Text

    colours = {"ok": "green", "fault": "red", "unknown": "yellow"}
    console = Console()
    for each in findings:
        line = Text(f"{each.state:<8}", colours[each.state]) + Text(f"{each.part:<14} {each.text}", "default")
        console.print(line, soft_wrap=True)
        if each.mend and each.state != "ok":
            console.print(Text(f"{'':<8}{'':<14} → {each.mend}", "dim"), soft_wrap=True)
