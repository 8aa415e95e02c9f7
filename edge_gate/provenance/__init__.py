# SPDX-License-Identifier: Apache-2.0
"""The origin of a model: its card, and the signature that vouches for the card."""
