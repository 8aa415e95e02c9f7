# SPDX-License-Identifier: Apache-2.0
"""The second wall, from inside: each process gives up what it does not need. systemd's sandbox is the first."""

from __future__ import annotations

from edge_gate.seal.apply import confine, enforce, seal
from edge_gate.seal.hardening import Hardening, Sealed

__all__ = ["Hardening", "Sealed", "confine", "enforce", "seal"]
