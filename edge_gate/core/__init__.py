# SPDX-License-Identifier: Apache-2.0
"""What every part uses and nobody owns: time, errors, files, drivers. It imports nothing else of edge-gate."""
