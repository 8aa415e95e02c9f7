# SPDX-License-Identifier: Apache-2.0
"""What a line learned from what it heard: whether it echoes, and which answers may still come. Nothing here waits."""

from __future__ import annotations

import logging

from edge_gate.core.errors import RelayError
from edge_gate.relays.answers import NOISE_BYTES, LateAnswers, explain_failure, find_answer
from edge_gate.relays.framing import Exchange
from edge_gate.relays.jobs import Attempt

_log = logging.getLogger(__name__)


class Hearing:
    """Judges the bytes of one line. ``reply_ms`` is the time for an answer, ``late_ns`` how much later it may come."""

    def __init__(self, path: str, reply_ms: int, late_ns: int) -> None:
        self._path = path
        self._reply_ms = reply_ms
        self._late_ns = late_ns
        self._late = LateAnswers()
        self._echoes: bool | None = None

    @property
    def echoes(self) -> bool:
        """Whether the line is known to return what is sent on it."""
        return self._echoes is True

    def start_anew(self) -> None:
        """Forget the echo: the port was closed. Answers may still come through the next opening."""
        self._echoes = None

    def note_stray(self, data: bytes, now_ns: int) -> None:
        """Take bytes that came while no answer was awaited."""
        self._late.hear(data, now_ns)

    def note_bytes(self, attempt: Attempt, data: bytes) -> None:
        """Take bytes that came since the request was sent; what is too much for noise is dropped."""
        most = len(attempt.exchange.request) + attempt.exchange.reply_length + NOISE_BYTES
        attempt.received += data[: most - len(attempt.received)]

    def find(self, attempt: Attempt) -> bytes | None:
        """Return the whole answer, None while there is none; learn from it whether the line echoes."""
        answer = find_answer(attempt.exchange, bytes(attempt.received), self._echoes)
        if answer is None:
            return None
        if answer.echoes and not self._echoes:
            _log.info("the line on %s returns what is sent on it; that is allowed for", self._path)
        self._echoes = answer.echoes
        if attempt.exchange.reply in (None, answer.frame):
            self._late.forget_lateness()
        return answer.frame

    def explain(self, attempt: Attempt, now_ns: int, given_up_ns: int) -> RelayError:
        """Return the error of an answer that did not come, and expect it all the same."""
        self._late.hear(bytes(attempt.received), now_ns)
        self.expect(attempt, given_up_ns)
        late_ms = None if self._echoes else self._late.late_ms
        return explain_failure(self._path, attempt.exchange, bytes(attempt.received), self._reply_ms, late_ms)

    def expect(self, attempt: Attempt, given_up_ns: int, *, unheard: bool = False) -> None:
        """Note that the answer may still come. ``unheard``: so may the echo, which has the same bytes."""
        for _ in range(1 + (unheard and self._echoes is not False)):
            self._late.expect(attempt.exchange, attempt.sent_ns, given_up_ns + self._late_ns)

    def clear_ns(self, exchange: Exchange, now_ns: int) -> int | None:
        """Return until when an older answer could pass for the answer to this; None where none can."""
        return self._late.clear_ns(exchange, now_ns)
