# SPDX-License-Identifier: Apache-2.0
"""Exceptions of other people's libraries, put into words."""

from __future__ import annotations

from typing import Final

LONGEST_DESCRIPTION: Final = 300


def describe_exception(error: BaseException) -> str:
    """Return the kind and the words of an exception of somebody else's, on one line, whatever it does when asked."""
    try:
        words = " ".join(str(error).split())
    except Exception:  # it is somebody else's
        words = ""
    shown = "".join(each if each.isprintable() else "?" for each in words[:LONGEST_DESCRIPTION])
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__
