# SPDX-License-Identifier: Apache-2.0
"""The gallery, its operating point, the keyring that opens it, and the judgement of an approach."""
