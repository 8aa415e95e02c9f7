# SPDX-License-Identifier: Apache-2.0
"""The exception tree: each error has a message, and an exit code of its own that stays."""

from __future__ import annotations

import string
from collections.abc import Iterator

import pytest

from edge_gate.core import errors


def tree(root: type[errors.EdgeGateError]) -> Iterator[type[errors.EdgeGateError]]:
    for each in root.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from tree(each)


ALL = sorted(tree(errors.EdgeGateError), key=lambda each: each.__name__)


def test_exit_codes_are_unique_and_leave_the_shells_own_alone() -> None:
    codes = [each.exit_code for each in ALL]
    assert len(codes) == len(set(codes)) > 30
    assert all(10 <= code < 126 for code in codes)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_the_docstring_is_the_message(kind: type[errors.EdgeGateError]) -> None:
    fields = {name for _, name, _, _ in string.Formatter().parse(kind.__doc__ or "") if name}
    arguments = [0.5] * (1 + max((int(name) for name in fields), default=-1))
    message = str(kind(*arguments))
    assert "{" not in message and message.strip()
    assert "  " not in message and "\n" not in message


def test_an_error_with_too_few_arguments_still_says_what_it_knows() -> None:
    assert str(errors.CardError("a.toml")) == "CardError: a.toml"


def test_errors_are_the_builtins_that_callers_expect() -> None:
    assert issubclass(errors.RelaySilent, TimeoutError)
    assert issubclass(errors.StoreMissing, FileNotFoundError)
    assert issubclass(errors.ResidentUnknown, LookupError)
