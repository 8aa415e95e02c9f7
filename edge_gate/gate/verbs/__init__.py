# SPDX-License-Identifier: Apache-2.0
"""The verbs of the control socket, a module for each noun."""
