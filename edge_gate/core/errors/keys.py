# SPDX-License-Identifier: Apache-2.0
"""Of the store's key, the keyring and passphrases: 47 to 49, and from 100."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class KeyMissing(EdgeGateError, FileNotFoundError):
    message = "The store's key is not there: {0}. See docs/maintainer.md, \"The store's key\"."
    exit_code = ExitCode.KEY_MISSING


class KeyUnsafe(EdgeGateError, PermissionError):
    message = "The key file {0} can be read by others (mode {1}). Mend with: chmod 600 {0}"
    exit_code = ExitCode.KEY_UNSAFE


class KeyNotOurs(KeyUnsafe):
    message = "The key file {0} belongs to {1}, and only that user may use it. Run the command as that user."


class KeyMalformed(EdgeGateError, ValueError):
    message = "The key from {0} is not 32 bytes written as 64 hexadecimal digits."
    exit_code = ExitCode.KEY_MALFORMED


class KeyringMissing(EdgeGateError, FileNotFoundError):
    message = (
        "The keyring {0} is not there, so no template in the store can be opened. Nothing was changed. Put it"
        " back; or, where it is lost, begin a new one with `edge-gate keys new-keyring`: then everybody has to be"
        " enrolled again."
    )
    exit_code = ExitCode.KEYRING_MISSING


class KeyringDamaged(EdgeGateError, PermissionError):
    message = (
        "The key does not open the keyring {0}: it is damaged, or belongs to another store. Nothing was changed."
        ' See docs/maintainer.md, "The keyring".'
    )
    exit_code = ExitCode.KEYRING_DAMAGED


class CipherMissing(EdgeGateError, RuntimeError):
    message = (
        "AES-256-GCM-SIV or Argon2id is not in this installation: its OpenSSL is older than 3.2. Install"
        " `cryptography` from its wheel (pip install --force-reinstall cryptography)."
    )
    exit_code = ExitCode.CIPHER_MISSING


class RotationFailed(EdgeGateError):
    message = "The store's key was not changed to the end: {0}. Ask for it again with `edge-gate keys rotate`."
    exit_code = ExitCode.ROTATION_FAILED


class SharesUnfit(EdgeGateError, ValueError):
    message = "These shares do not give a key: {0}. Nothing was written."
    exit_code = ExitCode.SHARES_UNFIT


class KeyLocked(EdgeGateError, PermissionError):
    message = (
        "The store's key in {0} is locked with a passphrase. Where systemd runs the gate, `systemctl start"
        ' edge-gate` asks for it if the site was set up so (docs/installer.md, "A passphrase at the start"). At a'
        " terminal, commands that need the key ask for it; `keys status` and `doctor` do without."
    )
    exit_code = ExitCode.KEY_LOCKED


class PassphraseWrong(EdgeGateError, PermissionError):
    message = "This passphrase does not open the store's key."
    exit_code = ExitCode.PASSPHRASE_WRONG


class LockDamaged(EdgeGateError, ValueError):
    message = (
        "The locked key in {0} is damaged: {1}. No passphrase opens it. Put the key back from paper or shares;"
        ' see docs/maintainer.md, "The store\'s key".'
    )
    exit_code = ExitCode.LOCK_DAMAGED


class PassphraseUnfit(EdgeGateError, ValueError):
    message = "This passphrase is not taken: {0}."
    exit_code = ExitCode.PASSPHRASE_UNFIT


class KeyNotPlaced(EdgeGateError):
    message = "The key in its place was left as it is: {0}."
    exit_code = ExitCode.KEY_NOT_PLACED
