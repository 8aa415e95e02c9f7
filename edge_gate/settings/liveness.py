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

NEVER: Final = "never"
IN_DOUBT: Final = "in-doubt"
ALWAYS: Final = "always"
# From the loosest to the strictest.
CHALLENGES: Final = (NEVER, IN_DOUBT, ALWAYS)


@dataclass(frozen=True, slots=True)
class LivenessSettings:
    """Whether a picture of a resident may open."""

    mode: str = setting(
        REQUIRE,
        "whether a person has to be told from a picture of one before the door opens: require; watch tells of"
        " attacks and opens all the same; off looks for none, for trials only",
        one_of=MODES,
    )
    challenge: str = setting(
        NEVER,
        "whether somebody has to turn their head or close their eyes as they are asked, before the door opens: never;"
        " in-doubt: after an attack, where the scene is not known, or the score is not clear; always. It needs a"
        " display at the gate that shows `edge-gate guidance`, and counts where the mode is require",
        one_of=CHALLENGES,
    )
