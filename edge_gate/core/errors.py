# SPDX-License-Identifier: Apache-2.0
"""The one exception tree of edge-gate.

The docstring of each class is its message: ``{0}``, ``{1}`` … are filled from the arguments. What a maintainer reads
therefore stands beside the class that says it, and each class has an exit code that scripts may rely on
(docs/maintainer.md lists them). Where a builtin says the same thing, the class is one too, so callers may catch
either.
"""

from __future__ import annotations


class EdgeGateError(Exception):
    """{0}"""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message template with the arguments filled in."""
        template = " ".join((type(self).__doc__ or "{0}").split())
        try:
            return template.format(*self.args)
        except IndexError:  # fewer arguments than places: show what there is rather than hide the error
            return f"{type(self).__name__}: {', '.join(map(str, self.args))}"


# --- configuration: 10-19 -------------------------------------------------------------------------------------------
class ConfigError(EdgeGateError, ValueError):
    """{0}:{1}: {2}. {3}"""

    exit_code = 10


class ConfigMissing(EdgeGateError, FileNotFoundError):
    """No configuration at {0}. Make one with `edge-gate init`, or name another with --config."""

    exit_code = 11


class AlreadyInitialised(EdgeGateError, FileExistsError):
    """{0} exists already and was left as it is. To start afresh, move it away by hand first."""

    exit_code = 12


# --- camera: 20-29 --------------------------------------------------------------------------------------------------
class CameraError(EdgeGateError):
    """The camera {0} failed: {1}"""

    exit_code = 20


class CameraMissing(CameraError, FileNotFoundError):
    """The camera {0} is not there: {1}. Check the cable, then `edge-gate doctor`."""

    exit_code = 21


class UnknownDriver(EdgeGateError, ValueError):
    """There is no {0} driver named {1!r}. Installed: {2}."""

    exit_code = 22


# --- models and their cards: 30-39 ----------------------------------------------------------------------------------
class ModelError(EdgeGateError):
    """The model {0} cannot be used: {1}"""

    exit_code = 30


class ModelMissing(ModelError, FileNotFoundError):
    """The model file {0} is not there. Reinstall edge-gate, or set models.folder in the configuration."""

    exit_code = 31


class CardError(ModelError, ValueError):
    """The card {0} does not answer for its model: {1}. A model without a complete card is not loaded."""

    exit_code = 32


class ModelAltered(ModelError):
    """The model {0} is not the one its card describes: SHA-256 {1}, the card says {2}. Reinstall it."""

    exit_code = 33


class NoOperatingPoint(ModelError, ValueError):
    """The card of {0} has no measured threshold for decision.fmr = {1}. It has: {2}."""

    exit_code = 34


class SignatureMissing(ModelError, FileNotFoundError):
    """The card {0} is not signed: {1} is not there. Reinstall edge-gate; or sign a card of your own with minisign, or
    allow this one model by its name in models.allow_unsigned (see models/README.md)."""

    exit_code = 35


class SignatureMalformed(ModelError, ValueError):
    """The file {0} is no signature by minisign: {1}. Reinstall edge-gate; or sign a card of your own again."""

    exit_code = 36


class SignerUnknown(ModelError):
    """The card {0} is signed by the key {1}, which models.trusted_keys does not have (trusted: {2}). If you know whose
    key it is, add it there; or allow this one model by its name in models.allow_unsigned (see models/README.md)."""

    exit_code = 37


class SignatureMismatch(ModelError):
    """The signature {0} by the key {1} does not fit its card: {2}. Card or signature were changed after signing.
    Reinstall edge-gate; or sign a card of your own again."""

    exit_code = 38


# --- store: 40-49 ---------------------------------------------------------------------------------------------------
class StoreError(EdgeGateError):
    """The store {0} failed: {1}"""

    exit_code = 40


class StoreMissing(StoreError, FileNotFoundError):
    """There is no store at {0}. Make one with `edge-gate init`."""

    exit_code = 41


class WrongKey(StoreError, PermissionError):
    """The key does not open {0}, or the file is damaged. Nothing was changed. Check which key this device should
    have, or restore the latest backup under the same key."""

    exit_code = 42


class StoreCorrupt(StoreError):
    """The store {0} is damaged: {1}. Nothing was changed. Keep the file and restore the latest backup."""

    exit_code = 43


class StoreFull(StoreError, OSError):
    """There is no room left for the store {0}. Nothing was changed. Free some space; the gate goes on without
    restart."""

    exit_code = 44


class StoreReadOnly(StoreError, PermissionError):
    """The store {0} cannot be written: {1}. Nothing was changed. A memory card that turns read-only is failing:
    replace it."""

    exit_code = 45


class StoreTooNew(StoreError):
    """The store {0} was written by a newer edge-gate (migration {1}). Update edge-gate; nothing was changed."""

    exit_code = 46


class KeyMissing(EdgeGateError, FileNotFoundError):
    """The store's key is not there: {0}. See docs/maintainer.md, "The store's key"."""

    exit_code = 47


class KeyUnsafe(EdgeGateError, PermissionError):
    """The key file {0} can be read by others (mode {1}). Mend with: chmod 600 {0}"""

    exit_code = 48


class KeyMalformed(EdgeGateError, ValueError):
    """The key from {0} is not 32 bytes written as 64 hexadecimal digits."""

    exit_code = 49


# --- relay and door: 50-59 ------------------------------------------------------------------------------------------
class RelayError(EdgeGateError):
    """The relay on {0} failed: {1}"""

    exit_code = 50


class RelayMissing(RelayError, FileNotFoundError):
    """The relay's port {0} is not there: {1}. Check the cable, then `edge-gate doctor`."""

    exit_code = 51


class RelaySilent(RelayError, TimeoutError):
    """The relay on {0} did not answer within {1} ms. Check its power, wiring and address."""

    exit_code = 52


class RelayGarbled(RelayError, ValueError):
    """The relay on {0} answered {1}, where {2} was expected. Check wiring, termination, baud rate and address."""

    exit_code = 53


class BadPulse(EdgeGateError, ValueError):
    """A pulse of {0} ms on channel {1} is not possible with {2}: {3}."""

    exit_code = 54


class GuardLost(RelayError):
    """The pulse guard of {0} has ended, and a sealed gate cannot start another. The gate ends, so that whatever
    supervises it starts both afresh."""

    exit_code = 55


# --- people: 60-69 --------------------------------------------------------------------------------------------------
class ConsentMissing(EdgeGateError, PermissionError):
    """{0} has no consent on record. Record it first: who agreed, to what purpose, until when (`edge-gate enrol
    --help`)."""

    exit_code = 60


class ResidentUnknown(EdgeGateError, LookupError):
    """There is no resident {0!r}. `edge-gate residents` lists them."""

    exit_code = 61


class DuplicateResident(EdgeGateError, ValueError):
    """This person is too like {0}, who is enrolled already (comparison score {1:.2f}, threshold {2:.2f}). Nothing was
    stored. If they are two people, both need a second factor."""

    exit_code = 62


class EnrolmentFailed(EdgeGateError):
    """Enrolment was not completed: {0}. Nothing was stored."""

    exit_code = 63


class NameTaken(EdgeGateError, ValueError):
    """There is a resident named {0!r} already. Give another name, or `edge-gate forget` the old one first."""

    exit_code = 64


# --- the two processes and the CLI: 70-79 ---------------------------------------------------------------------------
class WireError(EdgeGateError, ValueError):
    """A message on the {0} socket was refused: {1}"""

    exit_code = 70


class GateNotRunning(EdgeGateError, ConnectionError):
    """The gate is not running (nothing answers at {0}). Start it: systemctl start edge-gate, or `edge-gate run`."""

    exit_code = 71


class NotAllowed(EdgeGateError, PermissionError):
    """{0} may not do this. {1}"""

    exit_code = 72


class AlreadyRunning(EdgeGateError):
    """Another process serves {0} already. Stop it first: systemctl stop edge-gate."""

    exit_code = 73


class EyeAbsent(EdgeGateError):
    """The eye is not connected, so nobody can be seen. Start it: systemctl start edge-gate-eye, or `edge-gate eye`."""

    exit_code = 74


class Busy(EdgeGateError):
    """{0} is under way. Try again when it has ended."""

    exit_code = 75


class NotSealed(EdgeGateError):
    """The {0} could not seal itself and does not start: {1}. See docs/maintainer.md, "Sealed"; seal.required = false
    lets it start all the same."""

    exit_code = 76


class UnknownEventKind(EdgeGateError, LookupError):
    """There is no kind of event named {0!r}{1}. There are: {2}."""

    exit_code = 77


# --- evaluation, benchmark, demo: 80-89 -----------------------------------------------------------------------------
class BadEvaluationData(EdgeGateError, ValueError):
    """{0} cannot be evaluated: {1}"""

    exit_code = 80


class ExtraMissing(EdgeGateError, ImportError):
    """This needs an optional part. Install it: pip install 'edge-gate[{0}]'"""

    exit_code = 81


class DemoFailed(EdgeGateError):
    """The demo could not run: {0}"""

    exit_code = 82


# --- insiders: 90-99 ------------------------------------------------------------------------------------------------
class ApprovalNeeded(EdgeGateError):
    """{0} needs a second person. Nothing was done. Within {2} minutes somebody else has to say `edge-gate approve
    {1}`; then repeat the command."""

    exit_code = 90


class ApprovalUnknown(EdgeGateError, LookupError):
    """Nothing waits for approval under {0!r}: it never did, has expired, was approved already, or the gate was started
    again since. `edge-gate approvals` lists what waits."""

    exit_code = 91


class LockedOut(EdgeGateError, PermissionError):
    """{0} was refused too often and is not listened to for {1} s. It is in the audit log."""

    exit_code = 92


class PolicyHeld(EdgeGateError, PermissionError):
    """This has to wait: {0}. A second person has to agree first (`edge-gate approvals`), or the setting be put back and
    the gate started again."""

    exit_code = 93


class BadCheckpoint(EdgeGateError, ValueError):
    """This checkpoint cannot be used: {0}."""

    exit_code = 94


class KeyringDoubtful(EdgeGateError, PermissionError):
    """The keyring {0} is not the newest one of this store: {1}. Nothing was changed. Put the right one back, or see
    docs/maintainer.md, "The keyring"."""

    exit_code = 95


# --- keys and forgetting: 100-119 -----------------------------------------------------------------------------------
class KeyringMissing(EdgeGateError, FileNotFoundError):
    """The keyring {0} is not there, so no template in the store can be opened. Nothing was changed. Put it back; or,
    where it is lost, begin a new one with `edge-gate keys new-keyring`: then everybody has to be enrolled again."""

    exit_code = 100


class KeyringDamaged(EdgeGateError, PermissionError):
    """The key does not open the keyring {0}: it is damaged, or belongs to another store. Nothing was changed. See
    docs/maintainer.md, "The keyring"."""

    exit_code = 101


class CipherMissing(EdgeGateError, RuntimeError):
    """AES-256-GCM-SIV or Argon2id is not in this installation: its OpenSSL is older than 3.2. Install `cryptography`
    from its wheel (pip install --force-reinstall cryptography)."""

    exit_code = 102


class ReceiptInvalid(EdgeGateError, ValueError):
    """This is no good receipt: {0}."""

    exit_code = 103


class RotationFailed(EdgeGateError):
    """The store's key was not changed to the end: {0}. Ask for it again with `edge-gate keys rotate`."""

    exit_code = 104


class SharesUnfit(EdgeGateError, ValueError):
    """These shares do not give a key: {0}. Nothing was written."""

    exit_code = 105


class KeyLocked(EdgeGateError, PermissionError):
    """The store's key in {0} is locked with a passphrase. Where systemd runs the gate, `systemctl start edge-gate`
    asks for it if the site was set up so (docs/installer.md, "A passphrase at the start"); other commands ask at a
    terminal."""

    exit_code = 106


class PassphraseWrong(EdgeGateError, PermissionError):
    """This passphrase does not open the store's key."""

    exit_code = 107


class LockDamaged(EdgeGateError, ValueError):
    """The locked key in {0} is damaged: {1}. No passphrase opens it. Put the key back from paper or shares; see
    docs/maintainer.md, "The store's key"."""

    exit_code = 108


class PassphraseUnfit(EdgeGateError, ValueError):
    """This passphrase is not taken: {0}."""

    exit_code = 109


class KeyNotPlaced(EdgeGateError):
    """The key in its place was left as it is: {0}."""

    exit_code = 110
