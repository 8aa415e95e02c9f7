# SPDX-License-Identifier: Apache-2.0
"""Of models, their cards and signatures: 30 to 39."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class ModelError(EdgeGateError):
    message = "The model {0} cannot be used: {1}"
    exit_code = ExitCode.MODEL_ERROR


class ModelMissing(ModelError, FileNotFoundError):
    message = "The model file {0} is not there. Reinstall edge-gate, or set models.folder in the configuration."
    exit_code = ExitCode.MODEL_MISSING


class ModelUnknown(ModelMissing):
    message = "There is no model named {0!r}. There are: {1}."


class CardError(ModelError, ValueError):
    message = "The card {0} does not answer for its model: {1}. A model without a complete card is not loaded."
    exit_code = ExitCode.CARD_ERROR


class ModelAltered(ModelError):
    message = "The model {0} is not the one its card describes: SHA-256 {1}, the card says {2}. Reinstall it."
    exit_code = ExitCode.MODEL_ALTERED


class NoOperatingPoint(ModelError, ValueError):
    message = "The card of {0} has no measured threshold for decision.fmr = {1}. It has: {2}."
    exit_code = ExitCode.NO_OPERATING_POINT


class SignatureMissing(ModelError, FileNotFoundError):
    message = (
        "The card {0} is not signed: {1} is not there. Reinstall edge-gate; or sign a card of your own with"
        " minisign, or allow this one model by its name in models.allow_unsigned (see models/README.md)."
    )
    exit_code = ExitCode.SIGNATURE_MISSING


class SignatureMalformed(ModelError, ValueError):
    message = "The file {0} is no signature by minisign: {1}. Reinstall edge-gate; or sign a card of your own again."
    exit_code = ExitCode.SIGNATURE_MALFORMED


class SignerUnknown(ModelError):
    message = (
        "The card {0} is signed by the key {1}, which models.trusted_keys does not have (trusted: {2}). If you"
        " know whose key it is, add it there; or allow this one model by its name in models.allow_unsigned (see"
        " models/README.md)."
    )
    exit_code = ExitCode.SIGNER_UNKNOWN


class SignatureMismatch(ModelError):
    message = (
        "The signature {0} by the key {1} does not fit its card: {2}. Card or signature were changed after"
        " signing. Reinstall edge-gate; or sign a card of your own again."
    )
    exit_code = ExitCode.SIGNATURE_MISMATCH
