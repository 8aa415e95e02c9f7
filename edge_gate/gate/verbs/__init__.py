# SPDX-License-Identifier: Apache-2.0
"""What can be asked of the gate, a module for each noun."""
