# SPDX-License-Identifier: Apache-2.0
"""What every part uses and no part owns: time, errors, exit codes, drivers. It imports nothing else of edge-gate."""
