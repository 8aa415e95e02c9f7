# SPDX-License-Identifier: Apache-2.0
"""Independent peers for the gate's tests: an eye that speaks raw bytes, and sites made the way `init` makes them."""

from __future__ import annotations

import hashlib
import itertools
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from edge_gate.core.clock import Clock, SystemClock
from edge_gate.gate import main as gate_main
from edge_gate.gate.gate import Gate
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.settings import config
from edge_gate.tools.trial import make_site
from edge_gate.wire.client import ask, converse
from edge_gate.wire.eye import AcquisitionFailure, EyeMode, PadReason, Quality, Sighting
from tests.support.clerk import Roster
from tests.support.clocks import WindableClock
from tests.support.signing import own_key, sign

DIMENSIONS = 128
THRESHOLD = 0.5
# Longer than a busy machine keeps a thread waiting: tests wind the gate's clock on and wait for none of it.
WINDOW_S, GAP_S = 2.0, 1.5
# PAD scores of a person and of a picture of one.
LIVE, PICTURE = 0.97, 0.02
CARD = """
name = "test-eyes"
file = "test-eyes.tflite"
sha256 = "{digest}"
licence = "Apache-2.0"
source = "made by this test"
task = "eye-region embedding"
not_known = ["everything: this is no model"]
intended_use = "tests of what reads cards"
quantization = "none"
recipe = "none"
recipe_commit = "none"
teacher = "none"
[input]
shape = [1, 48, 112, 3]
[output]
shape = [1, 128]
[[training_data]]
name = "nothing"
licence = "none"
count = 0
basis = "none"
objections = "none"
[[evaluation]]
data = "nothing"
[[operating_point]]
kind = "fused"
fmr = 1e-4
threshold = {threshold}
n_impostor = 100000
fmr_upper95 = 2e-4
"""


LIVENESS_CARD = """
name = "liveness-minifasnet-80"
file = "liveness-minifasnet-80.tflite"
sha256 = "{digest}"
licence = "Apache-2.0"
source = "made by this test"
task = "presentation attack detection"
not_known = ["everything: this is no model"]
intended_use = "tests of what reads cards"
quantization = "none"
recipe = "none"
[input]
shape = [1, 160, 80, 3]
[output]
shape = [1, 6]
[attack_detection]
texture_weight = 1.0
texture_middle = 0.0
texture_limit = 4.0
scene_weight = 8.0
scene_middle = 0.45
scene_for = 1.0
scene_against = 4.0
threshold = 0.5
fewest = 3
margin = 0.5
[[training_data]]
name = "nothing"
licence = "none"
count = 0
basis = "none"
objections = "none"
[[evaluation]]
data = "nothing"
"""


def write_model(folder: Path, threshold: float = THRESHOLD) -> bytes:
    """Write a signed card and the bytes it vouches for, which the gate never opens; return the model id."""
    folder.mkdir(parents=True, exist_ok=True)
    body = b"not a network"
    (folder / "liveness-minifasnet-80.tflite").write_bytes(body)
    file = folder / "liveness-minifasnet-80.toml"
    file.write_text(LIVENESS_CARD.format(digest=hashlib.sha256(body).hexdigest()))
    sign(file)
    digest = hashlib.sha256(body).hexdigest()
    (folder / "test-eyes.tflite").write_bytes(body)
    (folder / "test-eyes.toml").write_text(CARD.format(digest=digest, threshold=threshold))
    sign(folder / "test-eyes.toml")
    return bytes.fromhex(digest)[:8]


def direction(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return one person's direction: any two of them are nearly at right angles."""
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def embedding(person: int, noise: float = 0.05, seed: int = 0) -> bytes:
    """Return one noisy view of a person as the wire carries it."""
    noisy = direction(person) + noise * np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return bytes(np.rint(noisy * 127 / np.abs(noisy).max()).astype(np.int8).tobytes())


@dataclass
class RawEye:
    """Speaks the eye's side of the socket with its own struct, so that a change of layout on one side is noticed.

    It says what the gate wants to hear: ``eye`` and ``order`` are the newest command's. ``changes`` are for
    lies, and ``last`` is for playing it again. ``obedient``: while the gate is paused it says nothing of what it sees.
    """

    path: Path
    model_id: bytes
    eye: int = 0
    order: int = 0
    sequence: int = 0
    last: bytes = b""
    obedient: bool = False
    verb: int = 0
    clock: Clock = field(default_factory=SystemClock)
    wait: Callable[[float], None] = time.sleep
    connection: socket.socket = field(init=False)

    LAYOUT = struct.Struct("<2sBBB x H 3QI 4H 8f B 8s BH 256s")
    COMMAND = struct.Struct("<2sBBB B H Q")

    def __post_init__(self) -> None:
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.connection.settimeout(5)
        self.connection.connect(str(self.path))

    def hear(self) -> int:
        """Take the gate's commands, waiting for the first one; return the newest verb, 0 where nothing was said."""
        verb = 0
        while select.select([self.connection], [], [], 0 if self.order else 5)[0]:
            command = self.connection.recv(64)
            if not command:
                break
            *_, verb, self.order, self.eye = self.COMMAND.unpack(command)
            self.verb = verb
        return verb

    def see(
        self,
        view: bytes = b"",
        *,
        track: int = 1,
        refusal: int = 0,
        x: int = 320,
        pad: float = LIVE,
        yaw: float = 0.0,
        eyes: float = 0.3,
        **changes: Any,
    ) -> None:
        """Send one sighting: of this view, or refused; ``pad`` is its PAD score, nan for one that was not measured;
        the head is turned by ``yaw`` degrees, and the ``eyes`` are open so far."""
        self.hear()
        if self.obedient and self.verb == EyeMode.PAUSE:
            return
        self.sequence += 1
        fields = {"magic": b"EG", "link": 1, "version": 6, "kind": 1, "order": self.order, "eye": self.eye}
        fields |= {"sequence": self.sequence}
        fields |= {"captured_ns": self.clock.monotonic_ns(), "track": track, "x": x, "y": 200}
        fields |= {"width": 640, "height": 480}
        figures = (60.0, 0.6, 0.5, yaw, 0.0, eyes, 0.9, pad)
        reason = 1 if pad != pad else 0 if pad >= 0.5 else 2
        tail = {
            "refusal": refusal,
            "model_id": self.model_id,
            "pad_reason": reason,
            "dimensions": len(view),
            "embedding": view,
        }
        head, end = {**fields, **changes}, {**tail, **{k: v for k, v in changes.items() if k in tail}}
        self.last = self.LAYOUT.pack(*list(head.values())[:13], *figures, *end.values())
        self.connection.send(self.last)

    def health(
        self,
        camera: int = 1,
        *,
        arrived: int = 15,
        skipped: int = 0,
        settings: int = 0,
        scene: int = 1,
        infrared: int = 0,
    ) -> None:
        """Say how the camera is, by the number of edge_gate.wire.eye.CameraState, what came in a second, by which
        settings, and whether the scene is known and how the second camera is, by numbers of SceneState and
        InfraredCamera."""
        self.hear()
        self.sequence += 1
        now = self.clock.monotonic_ns()
        figures = (15.0, 8.0, 12.0, 0.4)
        head = (b"EG", 1, 6, 2, self.order, self.eye, self.sequence, now, 99, settings)
        tail = (camera, 0, arrived, skipped, scene, infrared)
        self.connection.send(struct.pack("<2sBBB x H 5Q 4f BB 2H BB", *head, *figures, *tail))

    def walk_up(self, person: int, *, track: int, views: int = 6, pause_s: float = 0.04) -> None:
        """Show somebody several times, as an approach does."""
        for number in range(views):
            self.see(embedding(person, seed=100 * track + number), track=track)
            self.wait(pause_s)

    def step_away(self) -> None:
        """Show nobody for so long that the approach is over."""
        self.wait(GAP_S + 0.1)

    def __del__(self) -> None:
        self.connection.close()


@contextmanager
def running_gate(folder: Path, port: str, **overrides: dict[str, Any]) -> Iterator[tuple[Gate, config.Config]]:
    """Run a whole gate in a thread: real store, real sockets, the relay on ``port``.

    A gate that is started again in a folder goes on by the clock of the run before.
    """
    clock = WindableClock.of(folder)
    write_model(folder / "models")
    settings: dict[str, dict[str, Any]] = {
        "models": {"folder": str(folder / "models"), "eyes": "test-eyes", "trusted_keys": (own_key(),)},
        "door": {"relay": "lcus1", "port": port, "pulse_ms": 150},
        "decision": {"window_s": WINDOW_S, "gap_s": GAP_S, "hold_off_s": 0.0, "attempts": 2},
    }
    for section, values in overrides.items():
        settings[section] = {**settings.get(section, {}), **values}
    file = folder / "site" / "edge-gate.toml"
    loaded = config.load(file if file.exists() else make_site(folder / "site", settings))
    started, box = threading.Event(), list[Gate]()

    def body() -> None:
        try:
            with gate_main.open_gate(loaded, clock=clock, lists=Roster()) as gate:
                box.append(gate)
                started.set()
                gate.run()
        finally:
            started.set()

    thread = threading.Thread(target=body)
    thread.start()
    started.wait(20)
    if not box:
        thread.join()
        raise AssertionError("the gate did not start; see the thread's error above")
    try:
        yield box[0], loaded
    finally:
        box[0].stop()
        thread.join(20)
        clock.leave_in(folder)


def sighting(
    view: bytes = b"",
    *,
    at_s: float = 0.0,
    track: int = 1,
    x: int = 320,
    weight: float = 0.9,
    pad: float = LIVE,
    refused: AcquisitionFailure = AcquisitionFailure.BLURRED,
    yaw: float = 0.0,
    eyes: float = 0.3,
) -> Sighting:
    """Return one sighting without a socket; without a view it is one that was ``refused``."""
    refusal = AcquisitionFailure.NONE if view else refused
    quality = Quality(60.0, 0.6, 0.5, yaw, 0.0, eyes, weight)
    reason = PadReason.NOT_MEASURED if pad != pad else PadReason.NONE if pad >= 0.5 else PadReason.SURFACE
    at_ns = 10**12 + round(at_s * 1e9)
    return Sighting(7, 1, at_ns, track, x, 200, 640, 480, quality, pad, reason, refusal, b"12345678", view)


YEAR = (datetime.now(UTC) + timedelta(days=365)).isoformat()
CONSENT = {"purpose": "opening the gate", "given_by": "Ann", "until": YEAR}


def until(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)
    return value


def opened(board: BoardSimulator) -> int:
    """Return how often the relay was switched on."""
    return sum(each.on for each in board.history)


def pulsed(board: BoardSimulator) -> bool:
    """Wait for one whole pulse, which may be over already."""
    return board.wait_until(lambda: [change.on for change in board.history][-2:] == [True, False], 5)


def events(settings: config.Config, *kinds: str) -> list[dict[str, Any]]:
    """Return the newest events of these kinds, or of all; of several kinds those of the first come first."""
    found: list[dict[str, Any]] = []
    for kind in kinds or (None,):
        found += ask(settings, "events", kind=kind, limit=100)
    return found


def enrol(settings: config.Config, eye: RawEye, name: str, person: int, *, track: int) -> Any:
    """Ask for an enrolment and stand in front of the camera until it is over."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: list(converse(settings, "enrol", name=name, consent=CONSENT)))
        until(lambda: asked.done() or ask(settings, "status")["enrolling"])
        stand(eye, person, track=track, until_done=asked.done)
        return asked.result()


def stand(eye: RawEye, person: int, *, track: int, until_done: Callable[[], bool]) -> None:
    """Show somebody again and again until something is done."""
    for number in itertools.count(1):
        if until_done():
            return
        eye.see(embedding(person, seed=1000 * track + number), track=track)
        eye.wait(0.2)
