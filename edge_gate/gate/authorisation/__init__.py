# SPDX-License-Identifier: Apache-2.0
"""Who may do what, what takes two people, and what is written down of it."""
