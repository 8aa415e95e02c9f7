# SPDX-License-Identifier: Apache-2.0
"""The door, and its only way to a relay."""
