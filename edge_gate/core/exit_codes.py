# SPDX-License-Identifier: Apache-2.0
"""The exit codes of edge-gate, which scripts rely on."""

from __future__ import annotations

import enum


@enum.unique
class ExitCode(enum.IntEnum):
    """Append only: a number that was given is never changed, removed or given again.

    A new error takes a new number, or none: then it has the number of its category, its base class. Shells use 0 to 2
    and all from 126 on.
    """

    EDGE_GATE_ERROR = 1
    CONFIG_ERROR = 10
    CONFIG_MISSING = 11
    ALREADY_INITIALISED = 12
    CAMERA_ERROR = 20
    CAMERA_MISSING = 21
    UNKNOWN_DRIVER = 22
    MODEL_ERROR = 30
    MODEL_MISSING = 31
    CARD_ERROR = 32
    MODEL_ALTERED = 33
    NO_OPERATING_POINT = 34
    SIGNATURE_MISSING = 35
    SIGNATURE_MALFORMED = 36
    SIGNER_UNKNOWN = 37
    SIGNATURE_MISMATCH = 38
    STORE_ERROR = 40
    STORE_MISSING = 41
    WRONG_KEY = 42
    STORE_CORRUPT = 43
    STORE_FULL = 44
    STORE_READ_ONLY = 45
    STORE_TOO_NEW = 46
    KEY_MISSING = 47
    KEY_UNSAFE = 48
    KEY_MALFORMED = 49
    RELAY_ERROR = 50
    RELAY_MISSING = 51
    RELAY_SILENT = 52
    RELAY_GARBLED = 53
    BAD_PULSE = 54
    GUARD_LOST = 55
    CONSENT_MISSING = 60
    RESIDENT_UNKNOWN = 61
    DUPLICATE_RESIDENT = 62
    ENROLMENT_FAILED = 63
    NAME_TAKEN = 64
    WIRE_ERROR = 70
    GATE_NOT_RUNNING = 71
    NOT_ALLOWED = 72
    ALREADY_RUNNING = 73
    EYE_ABSENT = 74
    BUSY = 75
    NOT_SEALED = 76
    UNKNOWN_EVENT_KIND = 77
    SOCKET_UNUSABLE = 78
    SECOND_EYE = 79
    BAD_EVALUATION_DATA = 80
    EXTRA_MISSING = 81
    DEMO_FAILED = 82
    APPROVAL_NEEDED = 90
    APPROVAL_UNKNOWN = 91
    LOCKED_OUT = 92
    POLICY_HELD = 93
    BAD_CHECKPOINT = 94
    KEYRING_DOUBTFUL = 95
    KEYRING_MISSING = 100
    KEYRING_DAMAGED = 101
    CIPHER_MISSING = 102
    RECEIPT_INVALID = 103
    ROTATION_FAILED = 104
    SHARES_UNFIT = 105
    KEY_LOCKED = 106
    PASSPHRASE_WRONG = 107
    LOCK_DAMAGED = 108
    PASSPHRASE_UNFIT = 109
    KEY_NOT_PLACED = 110
    SYSTEM_REFUSED = 115
    OUTPUT_LOST = 116
    INTERNAL_FAULT = 117
    LIBRARY_UNUSABLE = 118
