# SPDX-License-Identifier: Apache-2.0
"""Roles, lock-outs and second persons, and the record of them in the audit log."""
