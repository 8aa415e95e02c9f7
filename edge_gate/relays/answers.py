# SPDX-License-Identifier: Apache-2.0
"""Which bytes on the line are the answer, which are noise, and which answer an older question. Nothing here waits.

A frame counts only if it is whole: byte for byte the one right answer, or bytes that the framing recognises by their
check. Noise before and behind it is passed over. A line that returns what is sent on it shows that by the first
question whose answer differs from it; from then on a command's own echo is not taken for its answer.

Serial protocols do not number their questions. So a question whose answer has not come stays in `LateAnswers`, and
nothing that could be answered with the same bytes is asked until that answer has come or is out of date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_gate.core.errors import RelayEchoed, RelayError, RelayGarbled, RelayLate, RelayNoisy, RelaySilent
from edge_gate.relays.framing import Exchange, hex_spaced

NOISE_BYTES: Final = 24
"""So many bytes beside echo and answer are passed over: more is no noise, but another conversation."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole frame, and whether the line echoes: None where that is still unknown."""

    frame: bytes
    echoes: bool | None


def find_answer(exchange: Exchange, received: bytes, echoes: bool | None) -> Answer | None:
    """Return the answer among the bytes that came since the question was sent, None while there is none."""
    request, length = exchange.request, exchange.reply_length
    echo_at = received.find(request)
    behind_echo = 0 if echo_at < 0 else echo_at + len(request)
    if exchange.reply == request:
        answer_at = received.find(request, behind_echo) if echoes else echo_at
        return None if answer_at < 0 else Answer(request, echoes)
    for at in range(behind_echo, len(received) - length + 1):
        if exchange.accepts(frame := received[at : at + length]):
            return Answer(frame, echo_at >= 0)
    return None


def explain_failure(path: str, exchange: Exchange, received: bytes, reply_ms: int, late_ms: int | None) -> RelayError:
    """Return the error that names what came instead of the answer."""
    wanted = f"{exchange.reply_length} bytes" if exchange.reply is None else hex_spaced(exchange.reply)
    if exchange.request in received and not received.replace(exchange.request, b"", 1):
        return RelayEchoed(path, hex_spaced(received[: exchange.reply_length]), wanted)
    if late_ms is not None:
        return RelayLate(path, f"after {late_ms} ms where {reply_ms} ms are allowed")
    if not received:
        return RelaySilent(path, reply_ms)
    if _has_doubled_byte(exchange, received):
        return RelayNoisy(path, hex_spaced(received), wanted, "one byte came twice")
    return RelayGarbled(path, hex_spaced(received), wanted)


def _has_doubled_byte(exchange: Exchange, received: bytes) -> bool:
    """Tell whether the answer would be there if one byte had not come twice."""
    for at in range(1, len(received)):
        if received[at] == received[at - 1]:
            single = received[:at] + received[at + 1 :]
            if exchange.recognise is None and exchange.reply is None:
                return False
            if find_answer(exchange, single, echoes=False) is not None:
                return True
    return False


@dataclass(slots=True, eq=False)
class _Unanswered:
    exchange: Exchange
    sent_ns: int
    until_ns: int


class LateAnswers:
    """The questions whose answers may still come, and the bytes that came while nothing was asked."""

    def __init__(self) -> None:
        self._unanswered: list[_Unanswered] = []
        self._stray = b""
        self._late_ms: int | None = None

    @property
    def late_ms(self) -> int | None:
        """How long after its question the last late answer came; None where none has come since `forget_lateness`."""
        return self._late_ms

    def forget_lateness(self) -> None:
        """Start anew: the board has answered in time."""
        self._late_ms = None

    def expect(self, exchange: Exchange, sent_ns: int, until_ns: int) -> None:
        """Note a question whose answer may come until then."""
        self._unanswered.append(_Unanswered(exchange, sent_ns, until_ns))

    def hear(self, data: bytes, now_ns: int) -> None:
        """Take bytes that belong to no question of the moment, and strike out the questions that they answer."""
        self._stray = (self._stray + data)[-4 * NOISE_BYTES :]
        for each in list(self._unanswered):
            answer = find_answer(each.exchange, self._stray, echoes=False)
            if answer is not None:
                at = self._stray.find(answer.frame)
                self._stray = self._stray[at + len(answer.frame) :]
                self._unanswered.remove(each)
                self._late_ms = (now_ns - each.sent_ns) // 1_000_000

    def clear_ns(self, exchange: Exchange, now_ns: int) -> int | None:
        """Return until when an older answer could pass for the answer to this; None where none can."""
        self._unanswered = [each for each in self._unanswered if each.until_ns > now_ns]
        return max((each.until_ns for each in self._unanswered if each.exchange.resembles(exchange)), default=None)
