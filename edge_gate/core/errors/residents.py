# SPDX-License-Identifier: Apache-2.0
"""Of residents and their receipts: 60 to 69, and 103."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class ConsentMissing(EdgeGateError, PermissionError):
    message = (
        "{0} has no consent on record. Record it first: who agreed, to what purpose, until when (`edge-gate enrol"
        " --help`)."
    )
    exit_code = ExitCode.CONSENT_MISSING


class ConsentUnstated(ConsentMissing):
    message = (
        "{0} was not enrolled: nobody is without consent. Say who gave it with --consent WHO: the person's own name, or"
        " that of a guardian."
    )


class ConsentOver(ConsentMissing):
    message = "The consent of {0} would be over: it would hold until {1}. Name a later last day with --until."


class NothingToWithdraw(ConsentMissing):
    message = (
        "There is nothing to withdraw: {0} has no consent that still counts, and no template. Nothing was changed, and"
        " no receipt was signed. `edge-gate forget` erases the rest."
    )


class ResidentUnknown(EdgeGateError, LookupError):
    message = "There is no resident {0!r}. `edge-gate residents` lists them."
    exit_code = ExitCode.RESIDENT_UNKNOWN


class DuplicateResident(EdgeGateError, ValueError):
    message = (
        "This person is too like {0}, who is enrolled already."
        " Nothing was stored. If they are two people, both need a second factor."
    )
    exit_code = ExitCode.DUPLICATE_RESIDENT


class EnrolmentFailed(EdgeGateError):
    message = "Enrolment was not completed: {0}. Nothing was stored."
    exit_code = ExitCode.ENROLMENT_FAILED


class NameUnfit(EnrolmentFailed):
    message = "This cannot be kept as a name: {0}. Nothing was stored."


class NameTaken(EdgeGateError, ValueError):
    message = "There is a resident named {0!r} already. Give another name, or `edge-gate forget` the old one first."
    exit_code = ExitCode.NAME_TAKEN


class NameAlike(NameTaken):
    message = (
        "The name {0!r} looks like {1!r}, which a resident has already. Add what tells the two apart, such as a second"
        " name or the number of the flat."
    )


class ReceiptInvalid(EdgeGateError, ValueError):
    message = "This is no good receipt: {0}."
    exit_code = ExitCode.RECEIPT_INVALID


class ReceiptForeign(ReceiptInvalid):
    message = (
        "The receipt {0} is not of this gate: the key {1} signed it, and this gate signs with {2}. Nothing was looked"
        " for. Verify it at the gate that signed it."
    )
