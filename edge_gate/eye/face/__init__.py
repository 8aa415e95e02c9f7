# SPDX-License-Identifier: Apache-2.0
"""From a picture to a strip of eyes and brows, and whether it is good enough."""
