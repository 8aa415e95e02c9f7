# SPDX-License-Identifier: Apache-2.0
"""Where a model comes from: its card, and the signature that vouches for the card."""
