# SPDX-License-Identifier: Apache-2.0
"""What a resident may be called: by whoever types a name, by the gate and by the store alike."""

from __future__ import annotations

import unicodedata
from typing import Final

from edge_gate.core.errors import EnrolmentFailed
from edge_gate.core.output import escape

LONGEST_NAME: Final = 100


def kept_name(name: str) -> str:
    """Return the name as it is kept, in Unicode's form NFC and without blanks around it.

    Raises EnrolmentFailed for one that is too long, cannot be seen, or would garble a screen or look like another.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > LONGEST_NAME:
        raise EnrolmentFailed(f"a name has 1 to {LONGEST_NAME} characters, this one {len(name)}")
    if not any(map(str.isprintable, name)):  # a joiner or a zero-width space and nothing else
        raise EnrolmentFailed("a name has a character that can be seen")
    for character in name:
        if escape(character) != character:
            raise EnrolmentFailed(f"the character U+{ord(character):04X} cannot be part of a name")
    return name
