# SPDX-License-Identifier: Apache-2.0
"""Tells a person in front of the camera from a picture of one."""
