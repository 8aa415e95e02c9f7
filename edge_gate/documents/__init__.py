# SPDX-License-Identifier: Apache-2.0
"""What people are given to read: receipts, pages, words."""
