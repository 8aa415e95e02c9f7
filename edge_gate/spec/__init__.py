# SPDX-License-Identifier: Apache-2.0
"""What edge-gate can do, declared once as data: a module for each capability, and the registry of them all.

Nothing here acts, and importing it loads nothing heavy: processes, command line, store and documents are made from it.
"""
