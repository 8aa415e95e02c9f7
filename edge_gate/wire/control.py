# SPDX-License-Identifier: Apache-2.0
"""What both ends of the control socket hold to: the gate says no longer line, and who asks reads no longer one."""

from __future__ import annotations

from typing import Final

LONGEST_ANSWER_BYTES: Final = 262_144
