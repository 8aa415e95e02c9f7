# SPDX-License-Identifier: Apache-2.0
"""The demo: people who do not exist walk up to the real gate. Imports nothing by itself, so that the eye may use the
street camera without the rest."""
