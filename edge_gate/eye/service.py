# SPDX-License-Identifier: Apache-2.0
"""The process `edge-gate-eye`: camera in, numbers out.

A picture is a local name in one function (`Eye.once`) and is gone when it returns. Nothing is written anywhere but to
the gate's socket, to systemd, and to stderr, where neither pictures nor embeddings go.
"""

from __future__ import annotations

import logging
import os
import signal
from functools import partial
from types import FrameType
from typing import Final, Protocol

import cv2

from edge_gate.core.clock import Clock, SystemClock
from edge_gate.core.errors import SecondEye
from edge_gate.core.notify import ServiceNotifier
from edge_gate.eye.camera_supervisor import CameraSupervisor
from edge_gate.eye.face.quality import for_enrolment
from edge_gate.eye.link import GateLink
from edge_gate.eye.liveness.infrared import open_witness
from edge_gate.eye.pace import Pace
from edge_gate.eye.pipeline import Models, Observation, Perception, open_models
from edge_gate.eye.stderr_limit import limit_stderr
from edge_gate.rules.agreed_policy import digest
from edge_gate.seal import enforce, policy
from edge_gate.settings.config import Config
from edge_gate.wire.eye import Command, EyeMode, Health, InfraredCamera

_POLL_S: Final = 0.2
_GREETING_S: Final = 0.5
_HEALTH_NS: Final = 1_000_000_000
_MOST_COUNTED: Final = 2**16 - 1
_log = logging.getLogger(__name__)


class Notifier(Protocol):
    """Tells the supervisor how things are (sd_notify(3))."""

    def notify(self, state: str) -> None:
        """Send lines such as READY=1."""
        ...


class Eye:
    """Watches until told to stop; the gate's commands say for what."""

    def __init__(self, settings: Config, models: Models, clock: Clock, notifier: Notifier, sealed: int = 0) -> None:
        """``sealed``: the walls that stand around this process (edge_gate.seal.Hardening), to be told to the gate."""
        self._sealed = sealed
        self._settings = digest(settings)
        self._limits = settings.quality
        self._clock = clock
        self._notifier = notifier
        self._model_id = models.embedder.model_id
        self._perception = Perception(models, settings.quality)
        self._open_infrared = partial(open_witness, settings.infrared, models.detector, clock)
        self._has_infrared = bool(settings.infrared.driver)
        self._use_infrared(True)
        self._lookout = CameraSupervisor(settings.camera, clock)
        self._gate_path = settings.sockets.eye
        self._link = GateLink(self._gate_path, clock)
        self._pace = Pace()
        self._verb = EyeMode.WATCH
        self._sightings = self._healths = 0
        self._health_ns = 0
        self._status = ""
        self._running = True

    def run(self) -> None:
        """Open the camera, say that the eye is ready, and watch. Returns after `stop`.

        Raises SecondEye where the gate has an eye already, and what `CameraSupervisor.open` raises.
        """
        try:
            self._hear_greeting()
            self._lookout.open()
            self._notifier.notify("READY=1")
            while self._running:
                self.once()
        finally:
            self._notifier.notify("STOPPING=1")
            self._lookout.release()
            self._use_infrared(False)
            self._link.close()

    def stop(self) -> None:
        """End after the picture at hand."""
        self._running = False

    def once(self) -> None:
        """Do what the gate asks, deal with one picture, and report once a second."""
        self._hear()
        if self._verb is EyeMode.PAUSE:
            self._link.wait(_POLL_S)
        else:
            self._look()
        self._report()

    def _hear_greeting(self) -> None:
        """Hear the gate out before the camera is touched: it may be another eye's."""
        self._hear()
        if self._link.connected:
            self._link.wait(_GREETING_S)
            self._hear()

    def _hear(self) -> None:
        before = self._link.told
        for command in self._link.receive():
            self._obey(command.verb)
        if before is None and self._link.told is not None:  # it hears how this eye is before it hears of anybody twice
            self._health_ns = 0

    def _obey(self, verb: EyeMode) -> None:
        if verb is EyeMode.LEAVE:
            raise SecondEye(self._gate_path)
        if verb is self._verb:
            return
        _log.info("asked to %s", verb.name.lower())
        self._verb = verb
        self._perception.limits = for_enrolment(self._limits) if verb is EyeMode.ENROL else self._limits
        self._use_infrared(verb is not EyeMode.PAUSE)
        if verb is EyeMode.PAUSE:
            self._lookout.release()
            self._perception.forget()

    def _use_infrared(self, wanted: bool) -> None:
        """Have the infrared camera open, where a site has one, or let go of it."""
        witness = self._perception.witness
        if wanted and witness is None and self._has_infrared:
            self._perception.witness = self._open_infrared()
        elif witness is not None and not wanted:
            witness.close()
            self._perception.witness = None

    def _look(self) -> None:
        """Take the newest picture; somebody is only looked for while there is a gate to tell."""
        frame = self._lookout.read(_POLL_S)
        if frame is None:
            return
        began_ns = self._clock.monotonic_ns()
        if (told := self._link.told) is not None:
            seen = self._perception.see(frame.bgr, frame.captured_ns)
            if seen is not None:
                self._say(seen, told)
        ended_ns = self._clock.monotonic_ns()
        self._pace.add(ended_ns, (ended_ns - began_ns) / 1e6)

    def _say(self, seen: Observation, told: Command) -> None:
        self._sightings += 1
        self._link.send(seen.sighting(told, self._sightings, self._model_id))

    def _report(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._health_ns < _HEALTH_NS:
            return
        self._health_ns = now_ns
        if self._perception.witness is not None:
            self._perception.witness.tend()
        if (told := self._link.told) is not None:
            self._say_health(told, now_ns)
        self._notifier.notify("WATCHDOG=1")
        self._tell_status()

    def _say_health(self, told: Command, now_ns: int) -> None:
        self._healths += 1
        fps, p50_ms, p95_ms = self._pace.figures(now_ns)
        count = self._lookout.count
        health = Health(
            order=told.order,
            eye=told.eye,
            sequence=self._healths,
            sent_ns=now_ns,
            frames=self._pace.frames,
            fps=fps,
            loop_p50_ms=p50_ms,
            loop_p95_ms=p95_ms,
            luminance=self._perception.luminance,
            camera=self._lookout.state,
            sealed=self._sealed,
            arrived=min(count.arrived, _MOST_COUNTED),
            skipped=min(count.skipped, _MOST_COUNTED),
            scene=self._perception.scene,
            infrared=InfraredCamera.NONE if self._perception.witness is None else self._perception.witness.state,
            settings=self._settings,
        )
        self._link.send(health)

    def _tell_status(self) -> None:
        gate = "gate connected" if self._link.connected else "waiting for the gate"
        doing = "paused" if self._verb is EyeMode.PAUSE else f"camera {self._lookout.state.name.lower()}"
        status = f"{doing}, {gate}"
        if status != self._status:
            self._status = status
            self._notifier.notify(f"STATUS={status}")


def serve(settings: Config) -> None:
    """Seal this process, and be the eye until SIGTERM. Raises EdgeGateError."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    clock = SystemClock()
    # Before models and camera are opened: what they are made of is parsed inside the walls, and the threads that
    # they start are inside too.
    sealed = enforce(policy.eye(settings), settings.seal.required)
    with limit_stderr(clock):
        eye = Eye(
            settings,
            open_models(settings.models, settings.liveness),
            clock,
            ServiceNotifier(os.environ),
            sealed.standing,
        )

        def end(_signal: int, _frame: FrameType | None) -> None:
            eye.stop()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        eye.run()
