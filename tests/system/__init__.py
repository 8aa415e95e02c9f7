# SPDX-License-Identifier: Apache-2.0
"""What needs root or a whole operating system. The guests' programs run by themselves, inside."""
