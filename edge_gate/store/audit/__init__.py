# SPDX-License-Identifier: Apache-2.0
"""The audit log: its rows, the chain that binds them, and its signed end."""
