# SPDX-License-Identifier: Apache-2.0
"""Decisions as functions of values: no store, no clock, no socket, no file."""
