# SPDX-License-Identifier: Apache-2.0
"""The store's key, the residents' keys, and what is sealed under them."""
