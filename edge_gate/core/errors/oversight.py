# SPDX-License-Identifier: Apache-2.0
"""Of second persons and the audit log: 90 to 99."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class ApprovalNeeded(EdgeGateError):
    message = (
        "{0} needs a second person. Nothing was done. Within {2} minutes somebody else has to say `edge-gate"
        " approve {1}`; then repeat the command."
    )
    exit_code = ExitCode.APPROVAL_NEEDED


class ApprovalUnknown(EdgeGateError, LookupError):
    message = (
        "Nothing waits for approval under {0!r}: it never did, has expired, was approved already, or the gate was"
        " started again since. `edge-gate approvals` lists what waits."
    )
    exit_code = ExitCode.APPROVAL_UNKNOWN


class LockedOut(EdgeGateError, PermissionError):
    message = "{0} was refused too often and is not listened to for {1} s. It is in the audit log."
    exit_code = ExitCode.LOCKED_OUT


class PolicyHeld(EdgeGateError, PermissionError):
    message = (
        "This has to wait: {0}. `edge-gate approvals` shows what waits. Or put the setting back and start the gate and"
        " the eye again."
    )
    exit_code = ExitCode.POLICY_HELD


class LogDoubtful(PolicyHeld):
    message = (
        'This has to wait: the audit log is not the one that this device knows: {0}. See docs/maintainer.md, "A log'
        ' in doubt".'
    )


class LogUndoubted(ApprovalUnknown):
    message = "There is nothing to accept: the audit log is the one that this device knows."


class BadCheckpoint(EdgeGateError, ValueError):
    message = "This checkpoint cannot be used: {0}."
    exit_code = ExitCode.BAD_CHECKPOINT


class KeyringDoubtful(EdgeGateError, PermissionError):
    message = (
        "The keyring {0} is not the newest one of this store: {1}. Nothing was changed. Put the right one back,"
        ' or see docs/maintainer.md, "The keyring".'
    )
    exit_code = ExitCode.KEYRING_DOUBTFUL
