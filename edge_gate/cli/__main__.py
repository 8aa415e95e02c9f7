# SPDX-License-Identifier: Apache-2.0
"""`python -m edge_gate.cli`, for where no console script was installed."""

from edge_gate.cli import main

main()
