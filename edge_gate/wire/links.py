# SPDX-License-Identifier: Apache-2.0
"""Every link there is. A new one is a module of messages beside edge_gate.wire.eye, and a line here."""

from __future__ import annotations

from typing import Any, Final

from edge_gate.wire.eye import EYE_LINK
from edge_gate.wire.frame import Link

LINKS: Final[tuple[Link[Any, Any], ...]] = (EYE_LINK,)
