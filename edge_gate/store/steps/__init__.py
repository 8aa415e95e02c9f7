# SPDX-License-Identifier: Apache-2.0
"""The steps that made the tables, one module for each thing that a store learnt. schema.py has them in order."""
