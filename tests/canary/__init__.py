# SPDX-License-Identifier: Apache-2.0
"""The canary: marked pictures of nobody who exists, shown to the eye, and looked for wherever it could leak."""
