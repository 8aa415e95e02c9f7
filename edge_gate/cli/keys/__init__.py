# SPDX-License-Identifier: Apache-2.0
"""`edge-gate keys`: the place of the store's key, and its lock."""
