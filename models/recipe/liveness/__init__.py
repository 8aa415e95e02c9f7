# SPDX-License-Identifier: Apache-2.0
"""Tunes the network that tells a person from a picture (MiniFASNetV2). See README.md in the folder above."""
