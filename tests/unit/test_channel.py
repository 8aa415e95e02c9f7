# SPDX-License-Identifier: Apache-2.0
"""What one peer's stream may be, whatever the link: in order, fresh, not too much, and patience with the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import WireError
from edge_gate.wire.channel import Channel, ChannelLimits
from tests.support.made_up_link import Alive, Card

SECOND = 10**9
LIMITS = ChannelLimits(messages_per_s=5, oldest_ns=SECOND, most_refused=4, refused_per_s=1)
ENDLESS = ChannelLimits(messages_per_s=10**6, oldest_ns=SECOND, most_refused=10**6, refused_per_s=1)


@dataclass
class SetClock:
    """A clock that stands where it is put."""

    ns: int = 100 * SECOND

    def monotonic_ns(self) -> int:
        return self.ns

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.ns / 1e9, UTC)


def card(sequence: int, at_ns: int, sender: int = 7) -> Card:
    return Card(sender, sequence, at_ns, bytes(32))


def admitted(channel: Channel, message: Card | Alive) -> bool | None:
    """Return what the channel makes of it; None: the peer is to be dropped."""
    try:
        return channel.admit(message)
    except WireError as error:
        assert "on the reader socket" in str(error)
        return None


STEPS = st.lists(
    st.tuples(
        st.integers(0, SECOND),  # passes before the message
        st.integers(0, 30),  # its number
        st.integers(-SECOND, 3 * SECOND),  # its age
        st.sampled_from([Card, Alive]),
    ),
    max_size=60,
)


@given(STEPS)
def test_what_is_admitted_is_in_order_within_its_kind_fresh_and_within_the_rate(
    steps: list[tuple[int, int, int, type]],
) -> None:
    clock = SetClock()
    began_ns = clock.ns
    channel = Channel("reader", LIMITS, clock)
    last, count = {Card: -1, Alive: -1}, 0
    for passed_ns, sequence, age_ns, kind in steps:
        clock.ns += passed_ns
        at_ns = clock.ns - age_ns
        message = card(sequence, at_ns) if kind is Card else Alive(7, sequence, at_ns)
        verdict = admitted(channel, message)
        if sequence <= last[kind]:
            assert verdict is None, "a number that is not larger ends it"
        last[kind] = max(last[kind], sequence)
        if verdict:
            count += 1
            assert 0 <= age_ns <= LIMITS.oldest_ns
    assert count <= LIMITS.messages_per_s * (1 + (clock.ns - began_ns) / SECOND)


@given(st.lists(st.integers(0, 1000), unique=True, max_size=50).map(sorted), st.integers(0, SECOND))
def test_fresh_messages_in_order_within_the_rate_are_all_admitted(sequences: list[int], age_ns: int) -> None:
    clock = SetClock()
    channel = Channel("reader", ENDLESS, clock)
    assert all(channel.admit(card(each, clock.ns - age_ns)) for each in sequences)


@pytest.mark.parametrize(("age_ns", "fresh"), [(-1, False), (0, True), (SECOND, True), (SECOND + 1, False)])
def test_the_bounds_of_age_belong_to_what_is_fresh(age_ns: int, fresh: bool) -> None:
    clock = SetClock()
    assert Channel("reader", LIMITS, clock).admit(card(1, clock.ns - age_ns)) is fresh


def test_a_second_worth_comes_at_once_and_then_so_many_a_second() -> None:
    clock = SetClock()
    channel = Channel("reader", LIMITS, clock)
    assert [channel.admit(card(number, clock.ns)) for number in range(7)] == [True] * 5 + [False] * 2
    clock.ns += SECOND // 5
    assert [channel.admit(card(number, clock.ns)) for number in (7, 8)] == [True, False]


def test_old_messages_use_up_patience_and_not_the_rate() -> None:
    clock = SetClock()
    channel = Channel("reader", LIMITS, clock)
    assert [channel.admit(card(number, 0)) for number in range(4)] == [False] * 4
    assert [channel.admit(card(number, clock.ns)) for number in range(4, 9)] == [True] * 5
    with pytest.raises(WireError, match=r"reader .* flood"):
        channel.admit(card(9, 0))


def test_a_new_connection_has_its_whole_patience_and_its_old_numbers() -> None:
    clock = SetClock()
    channel = Channel("reader", LIMITS, clock)
    for number in range(4):
        channel.admit(card(number, 0))
    channel.begin()
    with pytest.raises(WireError, match="sequence 3 after 3"):
        channel.admit(card(3, clock.ns))
    assert [channel.admit(card(number, 0)) for number in range(4, 8)] == [False] * 4
    channel.begin()
    assert channel.admit(card(0, clock.ns, sender=8)), "a peer that was started again counts from the beginning"


def test_a_connection_has_one_sender() -> None:
    clock = SetClock()
    channel = Channel("reader", LIMITS, clock)
    assert channel.admit(card(1, clock.ns))
    with pytest.raises(WireError, match="second sender"):
        channel.admit(card(2, clock.ns, sender=8))


@given(st.lists(st.integers(0, SECOND), min_size=2, max_size=20), st.booleans())
def test_times_never_go_back_on_the_next_connection_neither(ages_ns: list[int], joins_anew: bool) -> None:
    clock = SetClock()
    channel = Channel("reader", ENDLESS, clock)
    newest_ns = 0
    for number, age_ns in enumerate(ages_ns):
        if joins_anew:
            channel.begin()
        at_ns = clock.ns - age_ns
        verdict = admitted(channel, card(number if not joins_anew else 1, at_ns, sender=number if joins_anew else 7))
        assert verdict is (None if at_ns < newest_ns else True)
        newest_ns = max(newest_ns, at_ns)


def test_a_time_that_is_still_to_come_sets_no_bound() -> None:
    clock = SetClock()
    channel = Channel("reader", LIMITS, clock)
    assert not channel.admit(card(1, clock.ns + SECOND))
    assert channel.admit(card(2, clock.ns))
