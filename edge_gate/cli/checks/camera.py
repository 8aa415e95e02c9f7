# SPDX-License-Identifier: Apache-2.0
"""The camera check of `edge-gate doctor`: whoever runs it may be root and has the store's key, so another looks.

A process without rights takes one picture (edge_gate/eye/glance.py). As root it is started as the eye's user. It gets
the configuration's text through a pipe, no file, no terminal, and little of the environment. What it says is bounded
and checked. It is killed when it has answered or is late, so whatever a driver does to it is a finding.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from types import MappingProxyType
from typing import Final

from edge_gate.cli.checks.findings import AS_ROOT, Finding, Patient
from edge_gate.core.errors import WireError
from edge_gate.core.isolation import module_command
from edge_gate.seal.policy import WITHOUT_DEVICE
from edge_gate.settings.config import CameraSettings, SocketSettings
from edge_gate.wire.glance import IDENTITY, LONGEST_BYTES, PICTURE, Glance, decode

# For the start of an interpreter and its libraries on a slow board, and then five seconds for a picture.
PATIENCE_S: Final = 30.0
_FAREWELL_S: Final = 1.0
_NOBODY: Final = "nobody"
_GROUP: Final = "video"
_KEPT: Final = ("LANG", "LC_ALL", "LC_CTYPE", "PATH", "PYTHONPATH")
_MEND: Final = "Check the cable and {0}.source; `v4l2-ctl --list-devices` helps."
_REPLACED: Final = "replaced"
_MEND_STATE: Final = MappingProxyType(
    {
        _REPLACED: "Look at the camera and its cable; the eye's log says which camera is there.",
        "suspect": "See whether somebody feeds it a film; the eye's log says more.",
    }
)
_MEND_CRASH: Final = "Unplug the camera and plug it in again; update its driver, or choose another one (camera.driver)."


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who looks through the camera in root's place: somebody without rights. ``named``: by the configuration."""

    name: str
    user: int
    group: int
    groups: tuple[int, ...]
    named: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What the other process is asked: a picture of the camera of a section, or only which camera it is. ``text`` is
    the configuration; its ``path`` only names it, and is not opened."""

    path: Path
    text: str
    camera: CameraSettings
    asked: str = PICTURE


def check_camera(patient: Patient, patience_s: float = PATIENCE_S) -> Iterator[Finding]:
    """Take the eye's word for the camera, or have one picture taken where no eye runs; and tell which camera it is."""
    asked = PICTURE
    if patient.status is not None and patient.status.eye.connected:
        state = patient.status.eye.camera or "starting"
        fine = state in ("working", "starting")
        mend = "" if fine else _MEND_STATE.get(state, "Check the cable.")
        yield Finding("camera", "ok" if fine else "fault", f"the eye says: {state}", mend)
        if not fine and state != _REPLACED:
            return
        asked = IDENTITY
    try:
        stranger = stand_in(patient.settings.sockets) if os.geteuid() == 0 else None
    except KeyError as error:
        yield Finding("camera", "unknown", f"not looked at: {error.args[0]}", "Correct sockets.eye_user.")
        return
    for each in (patient.settings.camera, patient.settings.infrared):
        if each.driver and (asked == PICTURE or each.driver not in WITHOUT_DEVICE):
            yield from _examine(Question(patient.path, patient.text, each, asked), stranger, patience_s)


def _examine(question: Question, stranger: Stranger | None, patience_s: float) -> Iterator[Finding]:
    seen = _look(question, stranger, patience_s)
    found = _judge(seen, question)
    if found.state == "fault" and question.asked == IDENTITY:
        mend = found.mend if os.geteuid() == 0 else AS_ROOT
        yield replace(found, state="unknown", text=f"which one it is was not told: {found.text}", mend=mend)
    elif found.state == "fault" and stranger is not None and not stranger.named:
        text = f"looked at as the user {stranger.name}, since sockets.eye_user names no other: {found.text}"
        yield replace(found, state="unknown", text=text, mend="Run doctor as the user who runs the eye.")
    elif question.asked == PICTURE:
        yield found
    if isinstance(seen, Glance) and seen.identity:
        yield _judge_identity(seen.identity, question.camera)


def _judge_identity(identity: str, camera: CameraSettings) -> Finding:
    """Tell which camera it is. Another one than the pinned one has been refused by now."""
    if camera.pinned:
        return Finding(camera.section, "ok", f"it is the one that is pinned: {identity}")
    text = f"it is {identity}; it is not pinned, so any other camera in its place is used too"
    mend = f"Write pinned = '{identity}' under [{camera.section}], and start the eye again."
    return Finding(camera.section, "unknown", text, mend)


def stand_in(sockets: SocketSettings) -> Stranger:
    """Return the eye's user, or nobody where the configuration names none. Raises KeyError for one that is unknown."""
    account = pwd.getpwnam(sockets.eye_user or _NOBODY)
    named = bool(sockets.eye_user) and account.pw_uid != 0
    if not named:
        account = pwd.getpwnam(_NOBODY)
    groups = {*os.getgrouplist(account.pw_name, account.pw_gid), *_camera_group()} - {0}
    return Stranger(account.pw_name, account.pw_uid, account.pw_gid, tuple(sorted(groups)), named)


def _camera_group() -> tuple[int, ...]:
    """Return the group that the eye's unit has besides its user's own."""
    with suppress(KeyError):
        return (grp.getgrnam(_GROUP).gr_gid,)
    return ()


def look_through(question: Question, stranger: Stranger | None, patience_s: float = PATIENCE_S) -> Finding:
    """Have another process take one picture, as ``stranger`` or as this user, and return what came of it."""
    return _judge(_look(question, stranger, patience_s), question)


def _look(question: Question, stranger: Stranger | None, patience_s: float) -> Glance | Finding:
    """Return what the other process saw, or why nothing came of it."""
    part = question.camera.section
    try:
        line, ended = _ask(question, stranger, patience_s)
    except OSError as error:
        who = f"the user {stranger.name}" if stranger else "this user"
        text = f"not looked at: {who} may not run {sys.executable}"
        mend = "Install edge-gate where that user may read it (docs/installer.md)."
        return Finding(part, "unknown", f"{text} ({error.strerror})", mend)
    if not line:
        return _judge_silence(part, ended, patience_s)
    try:
        return decode(line)
    except WireError:
        return Finding(part, "fault", "what looked through it answered nonsense", _MEND_CRASH)


def _ask(question: Question, stranger: Stranger | None, patience_s: float) -> tuple[bytes, int | None]:
    """Return what the other process answered, and how it ended; None where it did not by itself. Raises OSError."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as answer:
        try:
            child = _start(question, stranger, writer)
        finally:
            os.close(writer)
        try:
            line = _read_line(answer, time.monotonic() + patience_s)
            with suppress(subprocess.TimeoutExpired):
                child.wait(0 if line is None else _FAREWELL_S)
            return line or b"", child.returncode
        finally:
            child.kill()
            with suppress(subprocess.TimeoutExpired):  # a driver may hang in the kernel, where no signal reaches it
                child.wait(_FAREWELL_S)


def _start(question: Question, stranger: Stranger | None, writer: int) -> subprocess.Popen[bytes]:
    asked = [str(question.path.absolute()), str(writer), question.camera.section, question.asked]
    command = [*module_command("edge_gate.eye.glance"), *asked]
    with _poured(question.text) as configuration:
        return subprocess.Popen(  # noqa: S603 - our own module, no shell
            command,
            stdin=configuration,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(writer,),
            cwd="/",
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            start_new_session=True,
            user=stranger.user if stranger else None,
            group=stranger.group if stranger else None,
            extra_groups=stranger.groups if stranger else None,
            umask=0o077,
        )


def _poured(text: str) -> FileIO:
    """Return the end of a pipe that holds the text: it has room for the longest configuration. Raises OSError."""
    reader, writer = os.pipe()
    held = FileIO(reader)
    try:
        os.set_blocking(writer, False)
        if os.write(writer, content := text.encode()) < len(content):
            raise BlockingIOError(errno.EAGAIN, "the configuration does not fit into a pipe")
    except BaseException:
        held.close()
        raise
    finally:
        os.close(writer)
    return held


def _read_line(pipe: FileIO, deadline: float) -> bytes | None:
    """Return what comes until the end of a line or of the pipe, or too much of it; None where it takes too long."""
    line = b""
    while not line.endswith(b"\n") and len(line) <= LONGEST_BYTES:
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        if not (part := pipe.read(LONGEST_BYTES + 1)):
            break
        line += part
    return line


def _judge(glance: Glance | Finding, question: Question) -> Finding:
    if isinstance(glance, Finding):
        return glance
    part = question.camera.section
    if glance.fault:
        return Finding(part, "fault", glance.fault, _MEND.format(part))
    if question.asked == PICTURE and not glance.width:
        return Finding(part, "fault", "no picture came in time", "Is another program using it?")
    text = f"{glance.width} x {glance.height} pixels, mean brightness {glance.brightness:.0%}"
    return Finding(part, "ok", text)


def _judge_silence(part: str, ended: int | None, patience_s: float) -> Finding:
    if ended is None:
        return Finding(part, "fault", f"its driver hung for {patience_s:.0f} s", _MEND_CRASH)
    how = f"by {signal.Signals(-ended).name}" if ended < 0 else f"with status {ended}"
    return Finding(part, "fault", f"what looked through it ended {how}, without an answer", _MEND_CRASH)
