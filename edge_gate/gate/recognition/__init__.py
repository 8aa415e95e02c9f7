# SPDX-License-Identifier: Apache-2.0
"""Who is known: the gallery, its operating point, and the keyring that opens it."""
