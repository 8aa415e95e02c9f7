# SPDX-License-Identifier: Apache-2.0
"""Relay boards on a serial line: what is said (framing), how it is said (port), and that it ends (board, guard).

A protocol is one class that satisfies `edge_gate.relays.framing.Framing`, named in the entry point group
``edge_gate.relays``. The port, its reconnects and its timeouts are written once. Nothing outside this package imports
``serial``.
"""
