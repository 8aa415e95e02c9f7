# SPDX-License-Identifier: Apache-2.0
"""What the terminal says to the person in front of it: something they can act on, in Chinese and English."""

from __future__ import annotations

from typing import Final

from edge_gate.rules.challenge import Act
from edge_gate.wire.eye import AcquisitionFailure

_TEXTS: Final = {
    AcquisitionFailure.NONE: {"zh": "请保持不动", "en": "Hold still"},
    AcquisitionFailure.TOO_FAR: {"zh": "请靠近一点", "en": "Come closer"},
    AcquisitionFailure.TOO_CLOSE: {"zh": "请后退一点", "en": "Step back a little"},
    AcquisitionFailure.BLURRED: {"zh": "请站稳，不要晃动", "en": "Hold still"},
    AcquisitionFailure.TOO_DARK: {"zh": "太暗了，请面向灯光", "en": "Too dark: face the light"},
    AcquisitionFailure.TOO_BRIGHT: {"zh": "太亮了，请避开强光", "en": "Too bright: turn out of the strong light"},
    AcquisitionFailure.TURNED_AWAY: {"zh": "请正对摄像头", "en": "Look straight at the camera"},
    AcquisitionFailure.EYES_CLOSED: {"zh": "请睁开双眼", "en": "Open both eyes"},
    AcquisitionFailure.CUT_OFF: {"zh": "请站到画面中央", "en": "Move to the middle"},
}
# Each says the other way in as well: not everybody can turn their head, or close their eyes at will.
_ASKED: Final = {
    None: {"zh": "请正对摄像头，睁开双眼", "en": "Look straight at the camera, eyes open"},
    Act.TURN_LEFT: {
        "zh": "请把头慢慢转向您的左边（或使用门禁卡）",
        "en": "Turn your head a little to your left (or use your card)",
    },
    Act.TURN_RIGHT: {
        "zh": "请把头慢慢转向您的右边（或使用门禁卡）",
        "en": "Turn your head a little to your right (or use your card)",
    },
    Act.CLOSE_EYES: {"zh": "请闭眼一秒钟（或使用门禁卡）", "en": "Close your eyes for a second (or use your card)"},
}

_OTHERWISE: Final = {"zh": "请使用门禁卡，或按门铃", "en": "Please use your card, or ring"}


def otherwise(language: str) -> str:
    """Return the sentence, in ``zh`` or ``en``, for somebody for whom the eyes alone do not open."""
    return _OTHERWISE[language]


def asked(act: Act | None, language: str) -> str:
    """Return the sentence, in ``zh`` or ``en``, for what somebody is asked to do; None for a straight look."""
    return _ASKED[act][language]


def text(refusal: AcquisitionFailure, language: str) -> str:
    """Return the sentence for a refusal in ``zh`` or ``en``."""
    return _TEXTS[refusal][language]
