# SPDX-License-Identifier: Apache-2.0
"""What the published ways of protecting templates cost and stop; `python -m edge_gate.tools.evaluation.protection`."""
