# SPDX-License-Identifier: Apache-2.0
"""`pad-record` and `pad-report`: what people and attacks are found to be at this very camera. No picture is kept, and
no score told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from edge_gate.core.clock import Clock
from edge_gate.core.errors import Busy, EdgeGateError, PresentationMissing, WireError
from edge_gate.gate.control.requests import Handler, Request
from edge_gate.gate.recognition.attacks import AttackWatch
from edge_gate.gate.services import Authorisation, Journal, Mode
from edge_gate.rules.lending import Lending
from edge_gate.rules.liveness import Liveness, LivenessPoint, Look, judge
from edge_gate.settings.liveness import OFF
from edge_gate.store.database import Store
from edge_gate.store.pad_trials import LIVE, SPECIES, PadTrial
from edge_gate.wire.eye import Sighting

LONGEST_S: Final = 60
USUAL_S: Final = 10
LONGEST_SOURCE: Final = 20


@dataclass(slots=True, eq=False)
class _Recording:
    """One presentation that is being measured."""

    request: Request
    species: str
    source: str
    ends_ns: int
    looks: list[Look] = field(default_factory=list)
    told: int = 0
    live: bool = False
    _track: tuple[int, int] | None = None
    _of_track: list[Look] = field(default_factory=list)

    def add(self, sighting: Sighting, point: LivenessPoint) -> None:
        """Take one look, if it was measured, and judge as the door does: track by track, at each look."""
        look = Look.of(sighting)
        if look is None:
            return
        if (sighting.eye, sighting.track) != self._track:
            self._track, self._of_track = (sighting.eye, sighting.track), []
        self.looks.append(look)
        self._of_track.append(look)
        self.live = self.live or judge(self._of_track, point) is Liveness.LIVE


class LivenessVerbs:
    """Serves them. While a presentation is measured nobody is let in."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        mode: Mode,
        authorisation: Authorisation,
        attacks: AttackWatch,
        lending: Lending,
        clock: Clock,
    ) -> None:
        self._store = store
        self._journal = journal
        self._mode = mode
        self._authorisation = authorisation
        self._attacks = attacks
        self._lending = lending
        self._clock = clock
        self._recording: _Recording | None = None
        self.handlers: Mapping[str, Handler] = {"pad-record": self._begin, "pad-report": self._report}

    @property
    def recording(self) -> bool:
        """Whether a presentation is being measured."""
        return self._recording is not None

    def take(self, sighting: Sighting) -> bool:
        """Use a sighting for the presentation that is measured. Returns False where none is."""
        recording = self._recording
        if recording is None:
            return False
        recording.add(sighting, self._attacks.point)
        return True

    def tick(self, now_ns: int) -> None:
        """Tell how far it is; end it when its time is over, or nobody can be seen or waits for it any more."""
        recording = self._recording
        if recording is None:
            return
        try:
            self._mode.require_eye()
            if recording.request.gone:
                self._end()
            elif now_ns >= recording.ends_ns:
                self._finish(recording)
            elif len(recording.looks) > recording.told:
                recording.told = len(recording.looks)
                recording.request.progress({"looks": recording.told})
        except EdgeGateError as error:
            self._end()
            recording.request.fail(error)

    def _end(self) -> None:
        self._recording = None
        self._lending.give_back(self._clock.monotonic_ns())

    def _begin(self, request: Request) -> None:
        species, source = request.line("species", 20), request.line("source", LONGEST_SOURCE)
        if species not in SPECIES:
            raise WireError("control", f"species is one of {', '.join(SPECIES)}")
        seconds = request.number("seconds", USUAL_S, 1, LONGEST_S)
        if self.recording:
            raise Busy("a presentation is being measured")
        if self._attacks.mode == OFF:
            raise PresentationMissing("liveness.mode is off, so nothing is measured. Set it to watch or require")
        self._mode.refuse_enrolling()
        self._mode.require_eye()
        now_ns = self._clock.monotonic_ns()
        self._lending.check(now_ns)
        self._journal.record("field test began", detail={"operator": request.operator, "species": species})
        self._lending.lend(now_ns)
        self._recording = _Recording(request, species, source, now_ns + seconds * 10**9)

    def _finish(self, recording: _Recording) -> None:
        """Write what was measured. Raises PresentationMissing where nothing was, or StoreError."""
        self._end()
        trial = self._attacks.trial(recording.species, recording.source, recording.looks, live=recording.live)
        if not trial.looks:
            raise PresentationMissing("nobody was seen well enough to be measured. Stand before the camera, and stay")
        with self._store.transaction():
            self._attacks.keep(trial)
            detail = {"species": trial.species, "looks": trial.looks}
            self._authorisation.acted(recording.request, detail=detail)
        self._attacks.count_people()
        recording.request.answer({"looks": trial.looks, "verdict": trial.verdict})

    def _report(self, request: Request) -> None:
        trials = self._attacks.trials()
        by_species = {species: [each for each in trials if each.species == species] for species in SPECIES}
        request.answer(
            {
                "camera": self._attacks.camera,
                "model": self._attacks.name,
                "threshold": self._attacks.point.threshold,
                "mode": self._attacks.mode,
                "tried": [counted(species, own) for species, own in by_species.items() if own],
            }
        )


def counted(species: str, trials: Sequence[PadTrial]) -> dict[str, Any]:
    """Return how much of a species was presented, and how much of it went wrong: people not found live, attacks that
    were."""
    wrong = [each for each in trials if (each.verdict == Liveness.LIVE.value) is not (species == LIVE)]
    return {
        "species": species,
        "sources": len({each.source for each in trials}),
        "presentations": len(trials),
        "wrong": len(wrong),
        "sources_wrong": len({each.source for each in wrong}),
    }
