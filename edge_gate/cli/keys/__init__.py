# SPDX-License-Identifier: Apache-2.0
"""`edge-gate keys`: where the store's key lies, and how it is locked."""
