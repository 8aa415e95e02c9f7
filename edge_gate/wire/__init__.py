# SPDX-License-Identifier: Apache-2.0
"""What the processes may say to each other. All of them know this package, and nothing of each other."""
