# SPDX-License-Identifier: Apache-2.0
"""The section [liveness]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_gate.settings.setting import setting

OFF: Final = "off"
WATCH: Final = "watch"
REQUIRE: Final = "require"
# From the loosest to the strictest.
MODES: Final = (OFF, WATCH, REQUIRE)


@dataclass(frozen=True, slots=True)
class LivenessSettings:
    """Whether a picture of a resident may open."""

    mode: str = setting(
        REQUIRE,
        "whether a person has to be told from a picture of one before the door opens: require; watch tells of"
        " attacks and opens all the same; off looks for none, for trials only",
        one_of=MODES,
    )
