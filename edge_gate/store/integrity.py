# SPDX-License-Identifier: Apache-2.0
"""Whether a store is whole: every page authenticates, the trees are in order, what is referred to is there.

It reads every page twice, which takes seconds in a store of years. `IntegrityCheck` does it on a connection and in a
thread of its own, for a gate whose loop must not wait; SQLite lets go of Python's lock while it reads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlcipher3 import dbapi2

from edge_gate.core.errors import StoreError
from edge_gate.store.faults import faults

_CHECKS: Final = ("cipher_integrity_check", "integrity_check", "foreign_key_check")


def problems(connection: Any, path: Path, stopped: Callable[[], bool] = lambda: False) -> Iterator[str]:
    """Yield what is wrong with a store, one sentence each. Once it is ``stopped()`` it begins no other look."""
    for pragma in _CHECKS:
        if stopped():
            return
        try:
            with faults(path):
                found = [", ".join(map(str, row)) for row in connection.execute(f"PRAGMA {pragma}")]
        except StoreError as error:
            yield str(error)
            continue
        yield from (f"{pragma}: {each}" for each in found if each != "ok")


class IntegrityCheck:
    """Checks a store through ``connection``, which no other thread may use (connection.reader).

    The write-ahead log should be empty when it begins (`Store.empty_log`): then no page changes while it reads, since
    nothing of the log is moved into the file as long as somebody reads what was there without it.
    """

    def __init__(self, connection: Any, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._thread: threading.Thread | None = None
        self._found: list[str] = []
        self._stopped = threading.Event()

    def begin(self) -> None:
        """Begin a check. The one before must be over."""
        self._found = []
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="store-check", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._thread is None or not self._thread.is_alive()

    @property
    def found(self) -> list[str]:
        """What is wrong, one sentence each; complete once it is over."""
        return self._found

    def stop(self) -> None:
        """Break off what is under way. SQLCipher's own look at the pages is not to be interrupted: a second or so."""
        if self._thread is not None:
            self._stopped.set()
            self._connection.interrupt()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        connection = self._connection
        try:
            with faults(self._path):
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on nothing changes
            self._found = list(problems(connection, self._path, self._stopped.is_set))
        except StoreError as error:
            self._found = [str(error)]
        finally:
            with suppress(dbapi2.Error):
                connection.rollback()
