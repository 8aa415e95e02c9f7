# SPDX-License-Identifier: Apache-2.0
"""The process that decides: keys, store and door; no camera, no network, no image library."""
