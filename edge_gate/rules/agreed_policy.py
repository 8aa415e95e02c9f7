# SPDX-License-Identifier: Apache-2.0
"""The settings that decide how easily the door opens, as they were last agreed to, and what the file now asks for.

Whoever writes the configuration file can make the door easier to open for everybody. So what is stricter holds at
once, and what is looser waits for a second person. A threshold and the like: the stricter of the two holds meanwhile.
Trust in models: whether the widened trust is used cannot be told from here (the eye loads models too), so nothing is
opened meanwhile. What was agreed to last stands in the audit log itself, in its last row with the verb POLICY.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from edge_gate.settings.config import Config, DecisionSettings
from edge_gate.settings.liveness import CHALLENGES, MODES, REQUIRE

POLICY: Final = "policy"
# Each setting with the section it stands in, and what makes it stricter.
_LOWER: Final = ("fmr", "attempts", "pulse_ms", "people_per_hour")
_HIGHER: Final = ("min_sightings",)
LIVENESS: Final = "liveness"
CHALLENGE: Final = "challenge"
TRUST: Final = ("trusted_keys", "allow_unsigned")


@dataclass(frozen=True, slots=True)
class AgreedPolicy:
    """The settings by name, as edge_gate.settings.config has them."""

    fmr: float
    min_sightings: int
    attempts: int
    pulse_ms: int
    people_per_hour: int
    liveness: str
    challenge: str
    trusted_keys: tuple[str, ...]
    allow_unsigned: tuple[str, ...]

    @classmethod
    def of(cls, config: Config) -> AgreedPolicy:
        """Return what a configuration asks for."""
        decision, models = config.decision, config.models
        return cls(
            decision.fmr,
            decision.min_sightings,
            decision.attempts,
            config.door.pulse_ms,
            config.roles.people_per_hour,
            config.liveness.mode,
            config.liveness.challenge,
            tuple(sorted(models.trusted_keys)),
            tuple(sorted(models.allow_unsigned)),
        )

    @classmethod
    def read(cls, said: dict[str, Any], wanted: AgreedPolicy) -> AgreedPolicy:
        """Return what `written` wrote, from an audit row. A setting that did not count then is taken as agreed to."""
        # Whoever wrote the row knew of no attack detection: letting pictures pass was never agreed to.
        values = asdict(wanted) | {LIVENESS: REQUIRE} | said
        values |= {name: tuple(values[name]) for name in TRUST}
        return cls(**{each.name: values[each.name] for each in fields(cls)})

    def written(self) -> dict[str, Any]:
        """Return the settings as the detail of an audit row, just as `Row.said` gives it back."""
        return asdict(self) | {name: list(getattr(self, name)) for name in TRUST}

    def looser(self, agreed: AgreedPolicy) -> list[str]:
        """Return the names of the settings in which this allows more than what was agreed to."""
        lower = [name for name in _LOWER if getattr(self, name) > getattr(agreed, name)]
        higher = [name for name in _HIGHER if getattr(self, name) < getattr(agreed, name)]
        if MODES.index(self.liveness) < MODES.index(agreed.liveness):
            lower.append(LIVENESS)
        if CHALLENGES.index(self.challenge) < CHALLENGES.index(agreed.challenge):
            lower.append(CHALLENGE)
        trust = [name for name in TRUST if not set(getattr(self, name)) <= set(getattr(agreed, name))]
        return [*lower, *higher, *trust]

    def compared(self, agreed: AgreedPolicy) -> str:
        """Return what the second person is to agree to, from what to what."""
        return "; ".join(f"{name} from {_shown(agreed, name)} to {_shown(self, name)}" for name in self.looser(agreed))

    def stricter(self, agreed: AgreedPolicy) -> AgreedPolicy:
        """Return this, with what was agreed to in place of each setting that is looser."""
        return replace(self, **{name: getattr(agreed, name) for name in self.looser(agreed)})

    def decision(self, settings: DecisionSettings) -> DecisionSettings:
        """Return the settings of decisions with these numbers."""
        return replace(settings, fmr=self.fmr, min_sightings=self.min_sightings, attempts=self.attempts)


def _shown(policy: AgreedPolicy, name: str) -> str:
    value = getattr(policy, name)
    if name in (LIVENESS, CHALLENGE):
        return str(value)
    return (", ".join(value) or "none") if name in TRUST else f"{value:g}"
