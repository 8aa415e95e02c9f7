# SPDX-License-Identifier: Apache-2.0
"""What the gate says of itself, as it goes over the control socket: the gate writes it, a caller reads it strictly."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from edge_gate.core.errors import WireError


@dataclass(frozen=True, slots=True)
class DoorStatus:
    """The door's state (secure, released, fault), why it is at fault, and the relay's serial port."""

    state: str
    fault: str | None
    port: str


@dataclass(frozen=True, slots=True)
class EyeStatus:
    """The eye's link, and the eye's own figures; these are None until the eye has sent them.

    ``messages_refused`` counts messages, ``turned_away`` connections. ``pictures`` came in the last second, and
    ``pictures_skipped`` of them could not be used. ``scene``: whether the empty scene behind people is known.
    ``infrared``: how the second camera is, if there is one.
    """

    connected: bool
    camera: str | None
    fps: float | None
    loop_p95_ms: float | None
    frames: int | None
    pictures: int | None
    pictures_skipped: int | None
    messages_refused: int
    turned_away: int
    scene: str | None
    infrared: str | None


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A part of which nothing is to be said but its fault, None where there is none."""

    fault: str | None


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """The gate's time, and why the machine's date is not trusted, None where it is."""

    now: str
    fault: str | None


@dataclass(frozen=True, slots=True)
class ThresholdStatus:
    """The comparison score that opens, and the false match rate that it is taken for."""

    fmr: float
    comparison_score: float


@dataclass(frozen=True, slots=True)
class LivenessStatus:
    """Whether attacks are refused (off, watch, require), when people are asked to move (never, in-doubt, always), by
    which model attacks are told, on how many people this camera was measured, how many attacks were told since the
    start, and why eyes alone do not open, None where they do."""

    mode: str
    challenge: str
    model: str
    people_measured: int
    attacks: int
    fault: str | None


@dataclass(frozen=True, slots=True)
class LimiterStatus:
    """What refusals have made of the gate (open, slower, stricter, token, rest), in how many seconds it becomes milder
    if nobody else is refused, None where it is open, and how many judgements ended in a refusal since the start."""

    state: str
    milder_in_s: float | None
    refusals: int


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """The settings that wait for a second person, and why nothing is opened meanwhile; empty where it is."""

    waiting: tuple[str, ...]
    held: str


@dataclass(frozen=True, slots=True)
class HardeningStatus:
    """The walls that a process built around itself, those that are not to be had here, and those that are missing."""

    standing: tuple[str, ...]
    not_here: dict[str, str]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SealedStatus:
    """The walls of both processes; None for an eye that has not said."""

    gate: HardeningStatus
    eye: HardeningStatus | None


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """The numbers of both processes; None for an eye that is not connected."""

    gate: int
    eye: int | None


@dataclass(frozen=True, slots=True)
class GateStatus:
    """The answer to the verb `status`.

    ``approach`` is what a person in front of the camera is told, None where nobody is there. ``unsigned_models`` has
    the reason for each. ``residents_in_gallery`` are those whose consent holds. ``many_erased``: how many were
    withdrawn or erased within a day beyond the hourly number, for which nobody else has to agree.
    """

    site: str
    door: DoorStatus
    eye: EyeStatus
    store: PartStatus
    keyring: PartStatus
    clock: ClockStatus
    log: PartStatus
    events: PartStatus
    people: PartStatus
    approach: str | None
    liveness: LivenessStatus
    limiter: LimiterStatus
    guidance: PartStatus
    enrolling: bool
    paused: bool
    residents_in_gallery: int
    threshold: ThresholdStatus
    model: str
    unsigned_models: dict[str, str]
    policy: PolicyStatus
    approvals_waiting: int
    many_erased: int
    sealed: SealedStatus
    processes: ProcessStatus
    uptime_s: float

    @classmethod
    def read(cls, answer: Any) -> Self:
        """Read the answer of a gate. Keys of a newer gate are left out.

        Raises WireError where a key is missing, or its value is of another type.
        """
        import msgspec  # here, because the gate only writes

        try:
            return msgspec.convert(answer, cls)
        except (ValueError, OverflowError) as error:
            raise WireError("control", f"the gate's status is not understood: {error}") from error

    def write(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return asdict(self)
