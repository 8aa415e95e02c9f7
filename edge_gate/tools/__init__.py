# SPDX-License-Identifier: Apache-2.0
"""Demo, benchmark and evaluation. No process imports them."""
