# SPDX-License-Identifier: Apache-2.0
"""The protected templates, and their renewal."""
