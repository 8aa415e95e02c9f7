# SPDX-License-Identifier: Apache-2.0
"""A made-up capability, added to a copy of edge-gate as a developer would add a real one."""
