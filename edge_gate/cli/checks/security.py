# SPDX-License-Identifier: Apache-2.0
"""`edge-gate doctor --security`: the state of each wall of docs/threat-model.md on the device that it runs on.

What the kernel can tell is asked of the kernel (edge_gate.seal.kernel_view), for the running processes and not for
their unit files. As root: everybody else is told `unknown` where a wall keeps them from looking.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from edge_gate.cli import audit
from edge_gate.cli.checks import health, installation
from edge_gate.cli.checks.findings import AS_ROOT, Check, Finding, Patient
from edge_gate.cli.checks.systemd import GUARD_UNIT, run_tool, show_unit
from edge_gate.cli.common import local_time
from edge_gate.cli.keys import place as keyplace
from edge_gate.cli.reach import ask
from edge_gate.core.access import find
from edge_gate.core.errors import AccessDenied
from edge_gate.core.plain_files import ANY_LENGTH, open_plain
from edge_gate.gate.authorisation import roles
from edge_gate.seal import kernel_view
from edge_gate.spec.model import Role
from edge_gate.store.audit.chain import examine
from edge_gate.store.keys.keyring import MAGIC, keyring_path
from edge_gate.wire.status import HardeningStatus

# The exposure that systemd may find, and the unit, of each process (.ci/run holds the shipped units to the same).
UNITS: Final = MappingProxyType({"eye": ("edge-gate-eye.service", 0.4), "gate": ("edge-gate.service", 0.3)})
_PLAIN_SQLITE: Final = b"SQLite format 3\0"
_MEND_UNIT: Final = (
    "Run it as the unit that comes with edge-gate, without drop-ins that weaken it. At a desk this is expected."
)
_TELLS: Final = {True: "ok", False: "fault", None: "unknown"}


def _check_eye(patient: Patient) -> Iterator[Finding]:
    pid, walls = (patient.status.processes.eye, patient.status.sealed.eye) if patient.status else (None, None)
    yield from _check_process("eye", pid, walls, ())


def _check_gate(patient: Patient) -> Iterator[Finding]:
    sockets = patient.settings.sockets
    folders = {patient.settings.store.path.parent, sockets.eye.parent, sockets.control.parent}
    may_write = (*sorted(folders), Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - private ones
    pid, walls = (patient.status.processes.gate, patient.status.sealed.gate) if patient.status else (None, None)
    yield from _check_process("gate", pid, walls, may_write)


def _check_process(
    name: str, pid: int | None, walls: HardeningStatus | None, may_write: tuple[Path, ...]
) -> Iterator[Finding]:
    if pid is None:
        yield Finding(f"the {name}", "unknown", "judged only while it runs and this user may ask the gate")
        return
    for each in kernel_view.observe(pid, may_write):
        yield Finding(f"the {name}", _TELLS[each.stands], f"{each.wall}: {each.text}", _MEND_UNIT)
    yield from health.judge_walls(f"the {name}", name, walls)
    yield from _check_unit(name, kernel_view.unit(pid))


def _check_unit(name: str, runs_in: str) -> Iterator[Finding]:
    """Judge the unit as it is loaded here, drop-ins and all, with systemd's own measure."""
    unit, limit = UNITS[name]
    if runs_in != unit:
        where = f"it runs in {runs_in}" if runs_in else "it runs in no unit"
        yield Finding(f"the {name}", "fault", f"unit: {where}, not in {unit}", _MEND_UNIT)
        return
    said = run_tool("systemd-analyze", "security", "--no-pager", unit)
    if (found := re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)) is None:
        yield Finding(f"the {name}", "unknown", f"unit: {unit}; systemd-analyze does not say how exposed it is")
        return
    shown = show_unit(unit)
    devices, drop_ins = shown.get("DevicePolicy", "not known"), shown.get("DropInPaths", "").split()
    text = f"unit: {unit}, exposure {found[1]} of 10 (at most {limit}), devices: {devices}"
    text += f", with {', '.join(drop_ins)}" if drop_ins else ""
    closed = float(found[1]) <= limit and devices in ("closed", "strict")
    yield Finding(f"the {name}", _TELLS[closed], text, _MEND_UNIT)


def _check_store(patient: Patient) -> Iterator[Finding]:
    path = patient.settings.store.path
    yield _judge_head(
        path,
        lambda head: head != _PLAIN_SQLITE,
        ("is encrypted (SQLCipher)", "is not encrypted"),
        "This is no store of edge-gate.",
    )
    yield _judge_head(
        keyring_path(path),
        lambda head: head.startswith(MAGIC[:6]),  # of any version
        ("is sealed, apart from the database", "is no keyring"),
        "Restore a copy: docs/maintainer.md, The keyring.",
    )
    yield from health.check_keyring(patient)
    yield from health.check_permissions(patient)


def _judge_head(path: Path, sound: Callable[[bytes], bool], texts: tuple[str, str], mend: str) -> Finding:
    """Judge a file by its first 16 bytes; ``texts`` are what is said of it where they are sound and where not."""
    try:
        with open_plain(path, ANY_LENGTH) as file:
            well = sound(file.read(16))
    except OSError as error:
        return Finding("store", "unknown", f"{path}: {error.strerror}", AS_ROOT)
    return Finding("store", _TELLS[well], f"{path} {texts[0] if well else texts[1]}", mend)


def _check_keys(patient: Patient) -> Iterator[Finding]:
    place = keyplace.find(patient.settings.store)
    open_to_all = place.tier in ("key file", "null") and not place.locked
    state = "fault" if open_to_all else "unknown" if place.tier == "unknown" else "ok"
    better = "Choose a better place: docs/installer.md, Key, store and configuration."
    unseen = place.tier == "unknown" and os.geteuid() != 0
    yield Finding("keys", state, f"{place.what}. {place.limits}", AS_ROOT if unseen else better)


def _check_templates(patient: Patient) -> Iterator[Finding]:
    if patient.status is None:
        yield Finding("templates", "unknown", "judged only while the gate runs and this user may ask it")
        return
    now = ask(patient.settings, "templates-status")
    text = f"{now['templates']} counted, not opened; each {now['bits']} signs along secret axes, under its own key;"
    day = local_time(patient.settings).show_day(now["since"])
    since = f"axes of {day}, renewed {now['renewals']} times"
    yield Finding("templates", "ok", f"{text} {since}")


def _check_audit(patient: Patient) -> Iterator[Finding]:
    if patient.status is None:
        yield Finding("audit log", "unknown", "judged only while the gate runs and this user may ask it")
        return
    seen = examine(*audit.read(patient.settings), None)
    for each in seen.findings:
        mend = "Keep a copy of the store; see docs/maintainer.md, The audit log."
        yield Finding("audit log", "fault", f"row {each.seq} {each.text}", mend)
    if not seen.findings:
        yield Finding(
            "audit log", "ok", f"{seen.rows} rows, each chained to the one before, signed up to {seen.vouched}"
        )


def _check_people(patient: Patient) -> Iterator[Finding]:
    """Judge who may do what: a second person can only agree where there is one."""
    control = patient.settings.sockets.control
    try:
        found = find(control)
    except AccessDenied as error:
        found = None
        yield Finding("people", "unknown", str(error), AS_ROOT)
    if found is not None:
        mode = stat.S_IMODE(found.st_mode)
        text = f"{control} is {'open to everybody' if mode & 0o007 else 'closed to all but the groups below'}"
        yield Finding("people", "fault" if mode & 0o007 else "ok", text, f"chmod 660 {control}")
    members = roles.members(patient.settings, roles.SystemLists())
    for role, users in members.items():
        names = sorted(filter(None, map(_login_name, users)))
        yield Finding("people", "ok", f"{role.value}: {', '.join(names) or 'nobody'}")
    maintainers = [user for user in members.get(Role.MAINTAINER, ()) if _login_name(user)]
    if len(maintainers) < 2:
        mend = "Add a second one: docs/maintainer.md, Roles."
        yield Finding("people", "unknown", f"maintainers: {len(maintainers)}, so nobody can be the second person", mend)
    if patient.status and patient.status.policy.waiting:
        waiting = ", ".join(patient.status.policy.waiting)
        yield Finding("people", "unknown", f"settings wait for a second person: {waiting}", "edge-gate approvals")


def _check_door(patient: Patient) -> Iterator[Finding]:
    port = Path(patient.settings.door.port)
    try:
        found = port.stat()
    except OSError as error:
        yield Finding("door", "unknown", f"{port}: {error.strerror}")
        return
    mode = stat.S_IMODE(found.st_mode)
    open_to_all, by_group = bool(mode & 0o006), bool(mode & 0o060)
    text = f"{port} has mode {mode:o}: " + ("everybody can move the relay" if open_to_all else "")
    text += "" if open_to_all else "its group can move the relay too" if by_group else "its owner alone moves the relay"
    yield Finding("door", "fault" if open_to_all or by_group else "ok", text, "systemd/udev/70-edge-gate.rules")
    if patient.status is not None:
        yield _find_guard(patient.status.processes.gate)


def _find_guard(gate: int) -> Finding:
    try:
        lists = Path(f"/proc/{gate}/task").glob("*/children")
        children = [each for children in lists for each in children.read_text().split()]
        guards = [each for each in children if b"guard_process" in Path(f"/proc/{each}/cmdline").read_bytes()]
    except OSError as error:
        return Finding("door", "unknown", f"pulse guard: {error.strerror}")
    if guards:
        return Finding("door", "ok", f"pulse guard: process {guards[0]} switches the relay off if the gate cannot")
    if show_unit(GUARD_UNIT).get("ActiveState") == "active":
        return Finding("door", "ok", f"pulse guard: {GUARD_UNIT} switches the relay off if the gate cannot")
    return Finding("door", "unknown", "pulse guard: none; only a board that times its pulses itself does without")


def _name_what_is_not_stopped(_: Patient) -> Iterator[Finding]:
    text = "a good picture of a resident's eyes, look-alikes, root, two people who agree, whoever reaches the wires"
    yield Finding("not stopped", "unknown", f"{text}: docs/threat-model.md", "Judge whether this door bears that.")


def _login_name(user: int) -> str | None:
    """Return the login name of a user who can log in; accounts such as the gate's own are no people."""
    found = pwd.getpwuid(user)
    return None if found.pw_shell.endswith(("/nologin", "/false")) else found.pw_name


CHECKS: Final[tuple[Check, ...]] = (
    Check("the eye", _check_eye),
    Check("the gate", _check_gate),
    Check("store", _check_store),
    Check("keys", _check_keys),
    Check("templates", _check_templates),
    Check("audit log", _check_audit),
    Check("people", _check_people),
    Check("models", health.check_models),
    Check("door", _check_door),
    Check(installation.PART, installation.check_installation),
    Check("not stopped", _name_what_is_not_stopped),
)
