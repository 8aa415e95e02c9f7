# SPDX-License-Identifier: Apache-2.0
"""The one exception tree of edge-gate, a module for each area.

The message of each class stands beside the class that says it. Each class has an exit code that scripts may rely on
(docs/maintainer.md lists them); a class without a code of its own has its category's. Where a builtin says the same
thing, the class is one too, so callers may catch either.
"""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.errors.configuration import AlreadyInitialised, ConfigError, ConfigMissing
from edge_gate.core.errors.door import BadPulse, GuardLost, RelayError, RelayGarbled, RelayMissing, RelaySilent
from edge_gate.core.errors.eye import (
    CameraError,
    CameraLibraryUnusable,
    CameraMissing,
    DriverRaised,
    DriverUnusable,
    UnknownDriver,
)
from edge_gate.core.errors.keys import (
    CipherMissing,
    KeyLocked,
    KeyMalformed,
    KeyMissing,
    KeyNotPlaced,
    KeyringDamaged,
    KeyringMissing,
    KeyUnsafe,
    LockDamaged,
    PassphraseUnfit,
    PassphraseWrong,
    RotationFailed,
    SharesUnfit,
)
from edge_gate.core.errors.models import (
    CardError,
    ModelAltered,
    ModelError,
    ModelMissing,
    NoOperatingPoint,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    SignerUnknown,
)
from edge_gate.core.errors.oversight import (
    ApprovalNeeded,
    ApprovalUnknown,
    BadCheckpoint,
    KeyringDoubtful,
    LockedOut,
    PolicyHeld,
)
from edge_gate.core.errors.processes import (
    AlreadyRunning,
    Busy,
    EyeAbsent,
    EyeFailed,
    GateNotRunning,
    NotAllowed,
    NotSealed,
    SecondEye,
    UnknownEventKind,
    WireError,
)
from edge_gate.core.errors.residents import (
    ConsentMissing,
    DuplicateResident,
    EnrolmentFailed,
    NameTaken,
    ReceiptInvalid,
    ResidentUnknown,
)
from edge_gate.core.errors.store import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreMissing,
    StoreReadOnly,
    StoreTooNew,
    WrongKey,
)
from edge_gate.core.errors.tools import BadEvaluationData, DemoFailed, ExtraMissing

__all__ = [
    "AlreadyInitialised",
    "AlreadyRunning",
    "ApprovalNeeded",
    "ApprovalUnknown",
    "BadCheckpoint",
    "BadEvaluationData",
    "BadPulse",
    "Busy",
    "CameraError",
    "CameraLibraryUnusable",
    "CameraMissing",
    "CardError",
    "CipherMissing",
    "ConfigError",
    "ConfigMissing",
    "ConsentMissing",
    "DemoFailed",
    "DriverRaised",
    "DriverUnusable",
    "DuplicateResident",
    "EdgeGateError",
    "EnrolmentFailed",
    "ExtraMissing",
    "EyeAbsent",
    "EyeFailed",
    "GateNotRunning",
    "GuardLost",
    "KeyLocked",
    "KeyMalformed",
    "KeyMissing",
    "KeyNotPlaced",
    "KeyUnsafe",
    "KeyringDamaged",
    "KeyringDoubtful",
    "KeyringMissing",
    "LockDamaged",
    "LockedOut",
    "ModelAltered",
    "ModelError",
    "ModelMissing",
    "NameTaken",
    "NoOperatingPoint",
    "NotAllowed",
    "NotSealed",
    "PassphraseUnfit",
    "PassphraseWrong",
    "PolicyHeld",
    "ReceiptInvalid",
    "RelayError",
    "RelayGarbled",
    "RelayMissing",
    "RelaySilent",
    "ResidentUnknown",
    "RotationFailed",
    "SecondEye",
    "SharesUnfit",
    "SignatureMalformed",
    "SignatureMismatch",
    "SignatureMissing",
    "SignerUnknown",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreMissing",
    "StoreReadOnly",
    "StoreTooNew",
    "UnknownDriver",
    "UnknownEventKind",
    "WireError",
    "WrongKey",
]
