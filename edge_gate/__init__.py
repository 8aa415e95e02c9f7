# SPDX-License-Identifier: Apache-2.0
"""edge-gate: opens a gate by the eye region alone, without keeping or sending a picture."""

__version__ = "0.1.0"
