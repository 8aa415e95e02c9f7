# SPDX-License-Identifier: Apache-2.0
"""Residents and their consent, and their removal."""
