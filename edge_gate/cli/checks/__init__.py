# SPDX-License-Identifier: Apache-2.0
"""What `edge-gate doctor` looks at."""
