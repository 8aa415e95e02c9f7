# SPDX-License-Identifier: Apache-2.0
"""Texts for people: receipts, pages, words."""
