# SPDX-License-Identifier: Apache-2.0
"""Simulated presentation attacks: pictures of a face as paper or a screen would show them to the gate's camera.

Nothing here was photographed. Whatever is measured with it says "simulated".
"""
