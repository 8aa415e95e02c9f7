# SPDX-License-Identifier: Apache-2.0
"""How fast and how small edge-gate is on this machine, against goals and against the pipeline that others use."""
