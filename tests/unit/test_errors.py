# SPDX-License-Identifier: Apache-2.0
"""The exception tree: each error has a message, and an exit code that stays."""

from __future__ import annotations

import string
import subprocess
import sys
from collections.abc import Iterator
from types import MappingProxyType

import pytest

from edge_gate.core import errors
from edge_gate.core.exit_codes import ExitCode

# Scripts rely on these: none may ever change. A new error is a new line, or has the code of its base class.
PINNED = MappingProxyType(
    {
        "ConfigError": 10,
        "ConfigMissing": 11,
        "AlreadyInitialised": 12,
        "CameraError": 20,
        "CameraMissing": 21,
        "UnknownDriver": 22,
        "ModelError": 30,
        "ModelMissing": 31,
        "CardError": 32,
        "ModelAltered": 33,
        "NoOperatingPoint": 34,
        "SignatureMissing": 35,
        "SignatureMalformed": 36,
        "SignerUnknown": 37,
        "SignatureMismatch": 38,
        "StoreError": 40,
        "StoreMissing": 41,
        "WrongKey": 42,
        "StoreCorrupt": 43,
        "StoreFull": 44,
        "StoreReadOnly": 45,
        "StoreTooNew": 46,
        "KeyMissing": 47,
        "KeyUnsafe": 48,
        "KeyMalformed": 49,
        "RelayError": 50,
        "RelayMissing": 51,
        "RelaySilent": 52,
        "RelayGarbled": 53,
        "BadPulse": 54,
        "GuardLost": 55,
        "ConsentMissing": 60,
        "ResidentUnknown": 61,
        "DuplicateResident": 62,
        "EnrolmentFailed": 63,
        "NameTaken": 64,
        "WireError": 70,
        "GateNotRunning": 71,
        "NotAllowed": 72,
        "AlreadyRunning": 73,
        "EyeAbsent": 74,
        "Busy": 75,
        "NotSealed": 76,
        "UnknownEventKind": 77,
        "BadEvaluationData": 80,
        "ExtraMissing": 81,
        "DemoFailed": 82,
        "ApprovalNeeded": 90,
        "ApprovalUnknown": 91,
        "LockedOut": 92,
        "PolicyHeld": 93,
        "BadCheckpoint": 94,
        "KeyringDoubtful": 95,
        "KeyringMissing": 100,
        "KeyringDamaged": 101,
        "CipherMissing": 102,
        "ReceiptInvalid": 103,
        "RotationFailed": 104,
        "SharesUnfit": 105,
        "KeyLocked": 106,
        "PassphraseWrong": 107,
        "LockDamaged": 108,
        "PassphraseUnfit": 109,
        "KeyNotPlaced": 110,
        "SystemRefused": 115,
        "OutputLost": 116,
        "InternalFault": 117,
    }
)


def tree(root: type[errors.EdgeGateError]) -> Iterator[type[errors.EdgeGateError]]:
    for each in root.__subclasses__():
        if each.__module__.startswith(errors.__name__):
            yield each
            yield from tree(each)


ALL = sorted(tree(errors.EdgeGateError), key=lambda each: each.__name__)


def test_exit_codes_are_unique_and_leave_the_shells_own_alone() -> None:
    codes = [code.value for code in ExitCode.__members__.values()]  # aliases too
    assert len(codes) == len(set(codes)) > 30
    assert all(10 <= each.exit_code < 126 for each in ALL)
    own = [each.exit_code for each in ALL if "exit_code" in vars(each)]
    assert len(own) == len(set(own)) > 30, "a class that shares a code does not say so again"
    assert {*own, errors.EdgeGateError.exit_code} == set(codes), "a code without an error"


def test_an_exit_code_that_was_given_never_changes() -> None:
    now = {each.__name__: int(each.exit_code) for each in ALL}
    assert {name: now.get(name) for name in PINNED} == dict(PINNED)
    assert {code.name: code.value for code in ExitCode}.items() >= {
        "EDGE_GATE_ERROR": 1,
        "CONFIG_ERROR": 10,
        "STORE_ERROR": 40,
        "KEY_MALFORMED": 49,
        "KEY_NOT_PLACED": 110,
    }.items()


def test_an_error_without_a_code_of_its_own_has_its_categorys() -> None:
    class StoreOnFire(errors.StoreError):
        message = "The store {0} is on fire: {1}"

    assert StoreOnFire.exit_code == errors.StoreError.exit_code == 40
    assert str(StoreOnFire("a.db", "smoke")) == "The store a.db is on fire: smoke"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_each_error_has_a_message_of_its_own_in_one_line(kind: type[errors.EdgeGateError]) -> None:
    assert "message" in vars(kind) and kind.__doc__ == kind.message
    fields = {name for _, name, _, _ in string.Formatter().parse(kind.message) if name}
    arguments = [0.5] * (1 + max((int(name) for name in fields), default=-1))
    message = str(kind(*arguments))
    assert "{" not in message and message.strip()
    assert "  " not in message and "\n" not in message


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_no_error_sends_to_the_command_that_shows_it(kind: type[errors.EdgeGateError]) -> None:
    assert "edge-gate doctor" not in kind.message, "doctor shows the errors of every part"


def test_a_message_is_there_where_python_drops_docstrings() -> None:
    program = "from edge_gate.core import errors; print(errors.CameraError('a', 'b')); print(ascii(errors.__doc__))"
    said = subprocess.run([sys.executable, "-OO", "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["The camera a failed: b", "None"]


def test_an_error_with_too_few_arguments_still_says_what_it_knows() -> None:
    assert str(errors.CardError("a.toml")) == "CardError: a.toml"


def test_errors_are_the_builtins_that_callers_expect() -> None:
    assert issubclass(errors.RelaySilent, TimeoutError)
    assert issubclass(errors.StoreMissing, FileNotFoundError)
    assert issubclass(errors.ResidentUnknown, LookupError)


def test_every_error_can_be_had_from_one_place() -> None:
    assert {errors.EdgeGateError.__name__, *(each.__name__ for each in ALL)} == set(errors.__all__)
