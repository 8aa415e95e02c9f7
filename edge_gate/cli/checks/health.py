# SPDX-License-Identifier: Apache-2.0
"""What `edge-gate doctor` looks at: every part of the device, and how to mend what is wrong with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from edge_gate.cli.checks.camera import check_camera
from edge_gate.cli.checks.findings import AS_ROOT, Check, Finding, Patient
from edge_gate.cli.checks.systemd import check_units, times_itself
from edge_gate.cli.common import local_time
from edge_gate.cli.reach import ask
from edge_gate.cli.status import PAUSED, describe_walls, faults_by_part
from edge_gate.core import drivers
from edge_gate.core.access import find
from edge_gate.core.clock import RELEASED, SystemClock
from edge_gate.core.errors import AccessDenied, AlreadyRunning, KeyLocked, ModelError
from edge_gate.provenance import cards
from edge_gate.relays.device import is_serial
from edge_gate.rules.protection import correct_threshold
from edge_gate.seal import kernel_view
from edge_gate.settings.config import DoorSettings, StoreSettings
from edge_gate.wire.status import GateStatus, HardeningStatus


def check_gate(patient: Patient) -> Iterator[Finding]:
    """Tell whether the gate runs, and since when."""
    if patient.status is None:
        yield Finding("gate", "unknown", str(patient.silence or "not asked"))
    else:
        yield Finding("gate", "ok", f"running for {patient.status.uptime_s:.0f} s")
        yield from _find_waiting(patient.status)
        faults = dict(faults_by_part(patient.status))
        yield from (Finding(part, "fault", faults[part], mend) for part, mend in _MENDS.items() if part in faults)


def _find_waiting(status: GateStatus) -> Iterator[Finding]:
    """Tell what somebody wanted, and somebody else may not know of: it is no fault, and it is not healthy."""
    if status.paused:
        yield Finding("gate", "unknown", f"paused: {PAUSED}", "edge-gate resume")
    if status.policy.waiting:
        names = ", ".join(status.policy.waiting)
        yield Finding("approvals", "unknown", f"settings wait for a second person: {names}", _APPROVE)
    if status.approvals_waiting:
        text = f"{status.approvals_waiting} requests wait for a second person"
        yield Finding("approvals", "unknown", text, _APPROVE)


def check_models(patient: Patient) -> Iterator[Finding]:
    """Read each model's card, its signature and its threshold."""
    wanted = patient.settings.models
    card: cards.Card | None = None
    for name in (wanted.detector, wanted.mesh, wanted.lids, wanted.eyes):
        try:
            card = cards.read(wanted, name)
        except ModelError as error:
            card = None
            yield Finding("models", "fault", str(error))
            continue
        if card.signature is None:
            mend = "Sign its card (models/README.md), then take it out of models.allow_unsigned."
            yield Finding("models", "unknown", f"{name}: {card.waived}, let in by models.allow_unsigned", mend)
        else:
            text = f"{name}: card complete, signed by {card.signature.key_id}, SHA-256 matches"
            yield Finding("models", "ok", text)
    if card is None:  # the last one, the eyes
        return
    plain = card.threshold("fused", patient.settings.decision.fmr)
    point = correct_threshold(card.operating_points, plain)
    bound = f"measured FMR {point.fmr:g} (95 % bound {point.fmr_upper95:g})"
    text = f"threshold {point.threshold:.3f} for protected templates, {plain.threshold:.3f} for plain ones; {bound}"
    yield Finding("models", "ok", text)


def check_relay(patient: Patient) -> Iterator[Finding]:
    """Take the gate's word for the relay, or look at the port where no gate runs. Say which kind of board it is."""
    yield from _look_at_relay(patient, patient.settings.door)
    yield _who_ends_a_pulse(patient.settings.door)


def _look_at_relay(patient: Patient, door: DoorSettings) -> Iterator[Finding]:
    if patient.status is not None:
        fault = patient.status.door.fault
        yield Finding("relay", "fault" if fault else "ok", fault or _describe_relay(door))
        return
    port = Path(door.port)
    found = find(port)
    if found is None:
        yield Finding(
            "relay", "fault", f"{port} is not there", "Plug the board in; `ls /dev/serial/by-id` shows its name."
        )
    elif not is_serial(found):
        yield Finding("relay", "fault", f"{port} is not a serial port", "Correct door.port.")
    elif not os.access(port, os.R_OK | os.W_OK):
        yield _judge_closed_port(port, patient.settings.store)
    else:
        yield Finding("relay", "ok", f"{port} is there; start the gate and use `edge-gate relay test` to hear it")


def _who_ends_a_pulse(door: DoorSettings) -> Finding:
    """Say which kind of board hangs there: one that ends a pulse itself needs nobody alive for it."""
    if times_itself(door):
        return Finding("board", "ok", f"{door.relay} times its pulses itself")
    text = f"{door.relay} leaves the end of a pulse to this machine, whose gate or pulse guard has to live"
    return Finding("board", "ok", f"{text}; for a door that matters take one that times its pulses itself")


def _judge_closed_port(port: Path, store: StoreSettings) -> Finding:
    """At a desk this user is the gate's. On a device the port is the gate's user's alone, as it should be."""
    text = f"this user may not use {port}"
    if store.key_file == Path():
        return Finding("relay", "unknown", text, AS_ROOT)
    return Finding("relay", "fault", text, "Add this user to the group dialout, then log out and in again.")


def _describe_relay(door: DoorSettings) -> str:
    """Say what is known of a board without a fault: not every board answers."""
    if drivers.load("edge_gate.relays", door.relay)(door).read() is not None:
        return f"{door.relay} on {door.port} answers the gate"
    return f"{door.relay} on {door.port} is plugged in; such a board never answers: `edge-gate relay test`, and listen"


def check_store(patient: Patient) -> Iterator[Finding]:
    """Let the store's every page be checked. The gate's own word counts too: a full disk has intact pages."""
    fault = patient.status and patient.status.store.fault
    if fault:
        yield Finding("store", "fault", fault, "docs/maintainer.md, What the status means, has what it may be.")
    if patient.status is not None:
        problems = ask(patient.settings, "store-check")["store"]
    else:
        from edge_gate.cli.keys.unlock import unlock_key
        from edge_gate.store.database import Store
        from edge_gate.store.lock import sole_use

        try:
            key = unlock_key(patient.settings.store, may_ask=False)
        except KeyLocked as error:
            yield Finding("store", "unknown", str(error), _TYPE_IT)
            return
        path = patient.settings.store.path
        try:
            with sole_use(path), Store.open(path, key, SystemClock()) as store:
                problems = store.check()
        except AlreadyRunning as error:  # a gate that starts, or is not to be asked now
            yield Finding("store", "unknown", str(error), "Ask again in a moment.")
            return
    for problem in problems:
        yield Finding("store", "fault", problem, "Keep the file; restore the latest backup.")
    if not problems and not fault:
        yield Finding("store", "ok", f"{patient.settings.store.path}: key fits, every page intact")


def check_keyring(patient: Patient) -> Iterator[Finding]:
    """Tell whether the keyring is the newest one of this store: the gate compares it with its audit log."""
    fault = patient.status and patient.status.keyring.fault
    if patient.status is None:
        yield Finding("keyring", "unknown", "judged only while the gate runs and this user may ask it")
    elif fault:
        mend = "Stop the gate, put the newest copy back, start. Without one: docs/maintainer.md, The keyring."
        yield Finding("keyring", "fault", fault, mend)
    else:
        yield Finding("keyring", "ok", "not older than the audit log says")


def check_drivers(_: Patient) -> Iterator[Finding]:
    """Name the installed packages whose driver has the name of one of edge-gate's own."""
    for told in (told for group in drivers.BUILT_IN for told in drivers.list_shadowing(group)):
        yield Finding("drivers", "unknown", told, "Remove that package, or use another name for its driver.")


def check_clock(patient: Patient) -> Iterator[Finding]:
    """Take the gate's word for the time, or compare the date with this software's own where no gate runs."""
    local, now = local_time(patient.settings), SystemClock().now()
    shown = f"{local.show(now)} ({local.name})"
    told = patient.status and patient.status.clock.fault
    if told or now < RELEASED:
        text = told or f"{shown} is before this software was made"
        yield Finding("clock", "fault", text, "Set the date with timedatectl; see docs/maintainer.md, The time.")
    else:
        known = "the gate knows of none that is later" if patient.status else "after this software was made"
        yield Finding("clock", "ok", f"{shown}, {known}; nothing here knows whether it is right")


def check_permissions(patient: Patient) -> Iterator[Finding]:
    """Tell whether others may read what is private."""
    from edge_gate.store.keys.keyring import keyring_path

    store = patient.settings.store
    private = [store.path, keyring_path(store.path), store.key_file]
    fine, unseen = True, []
    for each, unwanted in [(patient.path, 0o022), *((each, 0o077) for each in private if each != Path())]:
        try:
            found = find(each)
        except AccessDenied:
            unseen.append(str(each))
            continue
        if found is not None and not stat.S_ISREG(found.st_mode):  # the configuration's finding says that it is no file
            fine = False
        elif found is not None and found.st_mode & unwanted:
            fine, mode = False, stat.S_IMODE(found.st_mode)
            mend = f"chmod {mode & ~unwanted:o} {each}"
            yield Finding("permissions", "fault", f"{each} has mode {mode:o}", mend)
    if unseen:
        yield Finding("permissions", "unknown", f"this user may not look at {', '.join(unseen)}", AS_ROOT)
    elif fine:
        text = "key, keyring and store are closed to others, and the configuration to others' changes"
        yield Finding("permissions", "ok", text)


def check_sandbox(patient: Patient) -> Iterator[Finding]:
    """Ask the kernel, not the unit file: what is true of the running processes is what counts."""
    if patient.status is None:
        yield Finding("sandbox", "unknown", "judged only while the gate runs and this user may ask it")
        return
    of, walls = patient.status.processes, patient.status.sealed
    for name, pid, said in (("gate", of.gate, walls.gate), ("eye", of.eye, walls.eye)):
        if pid is None:
            yield Finding("sandbox", "unknown", f"the {name} does not run, so it was not looked at")
            continue
        yield from judge_walls("seal", name, said)
        seen = [each for each in kernel_view.observe(pid, ()) if each.wall in _SANDBOX]
        missing = [each.text for each in seen if not each.stands]
        if missing:
            mend = "Run it as the systemd unit that comes with edge-gate. At a desk this is expected."
            yield Finding("sandbox", "unknown", f"the {name}: {'; '.join(missing)}", mend)
        else:
            yield Finding("sandbox", "ok", f"the {name}: no rights to gain, and a filter of system calls")


def judge_walls(part: str, name: str, walls: HardeningStatus | None) -> Iterator[Finding]:
    """Tell which walls a process says that it built around itself (edge_gate.seal)."""
    if walls is None:
        yield Finding(part, "unknown", f"the {name} has not said yet")
        return
    text = f"the {name} says that it built: {describe_walls(walls)}"
    if walls.missing:
        yield Finding(part, "unknown", text, "Its log says why; see docs/maintainer.md, Sealed.")
    elif walls.not_here:
        mend = "Landlock comes with a newer kernel; the units lift the limit on locked memory."
        yield Finding(part, "unknown", text, mend)
    else:
        yield Finding(part, "ok", text)


def look_at_camera(patient: Patient) -> Iterator[Finding]:
    """Judge the camera, unless the eye was told to let go of it."""
    if patient.status is not None and patient.status.paused and patient.status.eye.connected:
        yield Finding(
            "camera", "unknown", "released while the gate is paused, so it was not judged", "edge-gate resume"
        )
        return
    yield from check_camera(patient)


_TYPE_IT: Final = "sudo systemctl start edge-gate, or edge-gate run at a desk, and type the passphrase."
_APPROVE: Final = "edge-gate approvals"
_SANDBOX: Final = ("rights", "system calls")
# What the gate says that no other check looks at.
_MENDS: Final = MappingProxyType(
    {
        "eye": "sudo systemctl start edge-gate-eye; journalctl -u edge-gate-eye says why. At a desk: edge-gate eye.",
        "liveness": "edge-gate pad record live p1, or enrol somebody; docs/pad-field-test.md",
        "infrared": "The second camera: [infrared] in the configuration, its cable, and journalctl -u edge-gate-eye.",
        "guidance": "edge-gate guidance, on a display that people at the gate see; docs/maintainer.md",
        "policy": _APPROVE,
        "log": "docs/maintainer.md, A log in doubt",
        "events": "edge-gate audit verify; docs/maintainer.md, A log in doubt",
        "people": "edge-gate residents; docs/maintainer.md, A resident in doubt",
        "residents": "edge-gate events --kind 'many erased' says who; docs/maintainer.md, What takes two people.",
    }
)
CHECKS: Final[tuple[Check, ...]] = (
    Check("gate", check_gate),
    Check("units", check_units),
    Check("camera", look_at_camera),
    Check("relay", check_relay),
    Check("models", check_models),
    Check("store", check_store),
    Check("keyring", check_keyring),
    Check("drivers", check_drivers),
    Check("clock", check_clock),
    Check("permissions", check_permissions),
    Check("sandbox", check_sandbox),
)
