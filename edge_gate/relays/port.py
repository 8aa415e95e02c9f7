# SPDX-License-Identifier: Apache-2.0
"""One open serial port that never waits; what is said on it, and when, is the line's business (line.py).

pyserial opens the port and configures it. Bytes go through the descriptor itself: with a write timeout of zero
pyserial 3.5 spins for ever in `write` on a line that takes no bytes.

A port is gone when its descriptor hangs up, when a control call fails on it, or when its device node was removed.
The name in the configuration is not looked at: a udev link may move to a second board while the first one works.

Some boards restart or click when DTR or RTS move. Linux raises both when a port is opened first. Here neither is moved
unless that is asked for, and HUPCL is cleared, so that they stay as they are at each closing and opening that follows.
"""

from __future__ import annotations

import errno
import fcntl
import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import serial

from edge_gate.core.access import is_there, own_name, why_closed
from edge_gate.core.errors import AccessDenied, RelayError, RelayMissing

MOST_BYTES: Final = 4096
"""As many as a tty keeps: one call takes what has come."""
_GONE: Final = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO)


class Port(Protocol):
    """What the line needs of an open port. Each method raises RelayError and its kinds, and none waits."""

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        ...

    def read(self) -> bytes:
        """Return the bytes that have come, none where none have."""
        ...

    def write(self, data: bytes) -> int:
        """Return how many bytes the line took, 0 included."""
        ...

    def unsent_bytes(self) -> int:
        """Return how many bytes have not left this machine."""
        ...

    def discard_input(self) -> None:
        """Throw away what has come."""
        ...

    def close(self) -> None:
        """Close the port and throw away what has not been sent."""
        ...


class _QuietSerial(serial.Serial):  # type: ignore[misc]  # pyserial has no types
    """pyserial without its two calls at opening: its ``dtr = False`` would lower what Linux has raised, each time."""

    def _update_dtr_state(self) -> None:
        """Leave DTR as it is."""

    def _update_rts_state(self) -> None:
        """Leave RTS as it is."""


class SerialPort:
    """A port, 8N1 without flow control, held exclusively. After an error it is good for `close` alone."""

    def __init__(self, path: str, baud: int, raise_dtr: bool = False) -> None:
        """Open the port; ``raise_dtr`` raises DTR and RTS, where an adapter takes its current from them.

        Raises RelayMissing, or RelayError: another process holds it, or it is no serial port.
        """
        self._path = path
        kind = serial.Serial if raise_dtr else _QuietSerial
        with _translate(path):  # 8N1 without flow control is pyserial's default
            self._handle = kind(timeout=0, write_timeout=0, exclusive=True)
            self._handle.baudrate = baud
            self._handle.dtr = self._handle.rts = raise_dtr  # before the opening, so that it does not raise them
            self._handle.port = path
            self._handle.open()
            try:
                _keep_lines_at_close(self._handle.fileno())
            except BaseException:
                self._handle.close()
                raise

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        descriptor: int = self._handle.fileno()
        return descriptor

    def read(self) -> bytes:
        """Return the bytes that have come, none where none have. Raises RelayMissing once the port is unplugged."""
        with _translate(self._path):
            try:
                data = os.read(self.fileno(), MOST_BYTES)
            except BlockingIOError:
                data = b""
            if not data:
                _ = self._handle.in_waiting  # a port that is gone reads as empty; only a control call fails on it
                if not os.fstat(self.fileno()).st_nlink:
                    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            return data

    def write(self, data: bytes) -> int:
        """Return how many bytes the line took, 0 included. Raises RelayError and its kinds."""
        with _translate(self._path):
            try:
                return os.write(self.fileno(), data)
            except BlockingIOError:
                return 0

    def unsent_bytes(self) -> int:
        """Return how many bytes have not left this machine. Raises RelayError and its kinds."""
        with _translate(self._path):
            count: int = self._handle.out_waiting
            return count

    def discard_input(self) -> None:
        """Throw away what has come. Raises RelayError and its kinds."""
        with _translate(self._path):
            self._handle.reset_input_buffer()

    def close(self) -> None:
        """Close the port and throw away what has not been sent."""
        try:
            # Otherwise closing waits for a line that takes no bytes, and a late "on" may still go out.
            with suppress(OSError, termios.error):  # unplugged: there is nothing left to throw away
                self._handle.reset_output_buffer()
            with suppress(OSError):  # a pulse guard may hold the device for longer; the lock is of this process alone
                fcntl.flock(self._handle.fileno(), fcntl.LOCK_UN)
        finally:
            self._handle.close()


def _keep_lines_at_close(descriptor: int) -> None:
    """Clear HUPCL: the last close of the port then leaves DTR and RTS as they are."""
    attributes = termios.tcgetattr(descriptor)
    if attributes[2] & termios.HUPCL:
        attributes[2] &= ~termios.HUPCL
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


@contextmanager
def _translate(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, termios.error) as error:
        raise _failure(path, error) from error


def _failure(path: str, error: Exception) -> RelayError:
    number = error.errno if isinstance(error, OSError) else error.args[0] if error.args else None
    if number == errno.EAGAIN:
        return RelayError(path, "another process holds it")
    reason = os.strerror(number) if isinstance(number, int) else str(error)
    try:
        gone = number in _GONE or not is_there(Path(path))
    except AccessDenied as denied:
        return RelayError(path, str(denied))
    if number == errno.EACCES:
        return RelayError(path, f"{why_closed(Path(path))}. {_way_in()}")
    return RelayMissing(path, reason) if gone else RelayError(path, reason)


def _way_in() -> str:
    if os.geteuid() == 0:  # whom no group keeps out
        return "Root may not use it either, so a container or the unit's DeviceAllow= closes it"
    return f"At a desk, add {own_name()} to its group and log in again"
