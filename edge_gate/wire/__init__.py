# SPDX-License-Identifier: Apache-2.0
"""The messages between processes. Every process knows this package, and nothing of the other processes."""
