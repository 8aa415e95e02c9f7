# SPDX-License-Identifier: Apache-2.0
"""Rebuilds the models: training, export to int8, measurement, card. See README.md in this folder."""
