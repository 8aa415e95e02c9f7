# SPDX-License-Identifier: Apache-2.0
"""minisign's format, tried against py-minisign; tests/system/test_minisign_tool.py tries the real tool."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisign import KeyPair
from minisign import Signature as PeersSignature

from edge_gate.provenance.minisign import LONGEST_BYTES, Malformed, Mismatch, PublicKey, Signature
from tests.support.signing import own_key, own_pair, text_of

# From minisign's own manual; "test" is the message, signed in the legacy way.
MANUALS_KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
MANUALS_SIGNATURE = b"""untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
"""
MESSAGE = "a card, 卡\n".encode()


def signed(message: bytes = MESSAGE, *, prehash: bool = True, comment: str = "timestamp:1\tfile:x") -> bytes:
    made = own_pair().secret_key.sign(message, prehash=prehash, trusted_comment=comment)
    return bytes(made) + b"\n"


def verify(content: bytes, message: bytes = MESSAGE, key: str | None = None) -> Signature:
    signature = Signature.parse(content)
    signature.verify(message, PublicKey.parse(key or own_key()))
    return signature


def test_the_example_of_the_manual_verifies_and_its_key_is_named_as_the_tool_names_it() -> None:
    signature = verify(MANUALS_SIGNATURE, b"test", MANUALS_KEY)
    assert signature.key_id == PublicKey.parse(MANUALS_KEY).key_id == "E7620F1842B4E81F"
    assert signature.trusted_comment == "timestamp:1555779966 file:test"
    with pytest.raises(Mismatch, match="not a signature of this text"):
        verify(MANUALS_SIGNATURE, b"test\n", MANUALS_KEY)


def test_a_number_that_begins_with_zeros_is_written_without_them_as_the_tool_does() -> None:
    key = PublicKey.parse("RWReYaZHIPptBJkpZJHhFKFPq/fu5lWNp0FD4nXXDFEhvAU+QAIqW9Yf")  # made by minisign 0.11
    assert key.key_id == "46DFA2047A6615E"


@pytest.mark.parametrize("prehash", [True, False])
def test_both_ways_of_signing_verify_and_neither_passes_for_the_other(prehash: bool) -> None:
    content = signed(prehash=prehash)
    verify(content)
    lines = content.split(b"\n")
    head = base64.b64decode(lines[1])
    lines[1] = base64.b64encode((b"Ed" if prehash else b"ED") + head[2:])
    with pytest.raises(Mismatch):
        verify(b"\n".join(lines))


@given(message=st.binary(max_size=200), prehash=st.booleans(), bit=st.integers(0, 8 * 200), comment=st.text("ab \t#"))
def test_any_message_verifies_and_none_with_a_bit_changed(
    message: bytes, prehash: bool, bit: int, comment: str
) -> None:
    content = signed(message, prehash=prehash, comment=comment)
    assert verify(content, message).comment == comment.encode()
    changed = bytearray(message or b"\0")
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    with pytest.raises(Mismatch):
        verify(content, bytes(changed))


@given(st.data())
def test_no_byte_of_a_signature_that_counts_can_be_changed(data: st.DataObject) -> None:
    content = signed()
    begin = content.index(b"\n") + 1  # the first comment is not signed
    place = data.draw(st.integers(begin, len(content) - 2))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    changed = content[:place] + bytes([other]) + content[place + 1 :]
    try:
        signature = Signature.parse(changed)
    except Malformed:
        return
    if signature.number != PublicKey.parse(own_key()).number:  # then it claims to be by a key that nobody trusts
        return
    if signature == Signature.parse(content):  # a carriage return at the end, spare bits of Base64
        return
    with pytest.raises(Mismatch):
        signature.verify(MESSAGE, PublicKey.parse(own_key()))


def test_a_trusted_comment_that_was_edited_is_no_longer_trusted() -> None:
    with pytest.raises(Mismatch, match="trusted comment was changed"):
        verify(signed(comment="version 1").replace(b"version 1", b"version 2"))


def test_another_key_does_not_verify_even_under_the_same_number() -> None:
    ours, theirs = (PublicKey.parse(text_of(pair)) for pair in (own_pair(), KeyPair.generate()))
    with pytest.raises(Mismatch):
        Signature.parse(signed()).verify(MESSAGE, PublicKey(ours.number, theirs.point))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "four lines, not 1"),
        (signed()[:150], "four lines, not 2"),
        (signed()[:-3], "Base64"),
        (signed() + b"\n", "four lines, not 5"),
        (signed() * 2, "four lines, not 8"),
        (b"\x00\xff" * 500, "four lines"),
        (b"x" * (LONGEST_BYTES + 1), "too long"),
        (signed().replace(b"untrusted", b"trusted"), "comments"),
        (signed().replace(b"\ntrusted comment: ", b"\n"), "comments"),
        (signed().replace(b"\nR", b"\n!"), "Base64"),
        (MANUALS_SIGNATURE.replace(b"RWQf", b""), "should hold 74 bytes, not 71"),
        (MANUALS_SIGNATURE.replace(b"QtKM", b""), "should hold 64 bytes, not 61"),
        (MANUALS_SIGNATURE.replace(b"RWQf", b"RXQf"), "another algorithm"),
        (MANUALS_SIGNATURE.replace(b"RWQf", b"AAQf"), "another algorithm"),
    ],
)
def test_what_is_no_signature_is_refused_with_the_reason(content: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        Signature.parse(content)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_signature_or_a_clear_refusal(content: bytes) -> None:
    with pytest.raises(Malformed):
        Signature.parse(content)


def test_line_ends_of_another_system_change_nothing() -> None:
    assert verify(signed().replace(b"\n", b"\r\n")) == verify(signed())


def test_a_comment_cannot_move_the_cursor_of_a_terminal() -> None:
    content = signed().replace(b"file:x", b"\x1b[2J\xff")
    assert "\x1b" not in Signature.parse(content).trusted_comment


def test_the_peer_reads_the_same_out_of_a_file() -> None:
    ours, theirs = Signature.parse(signed()), PeersSignature.from_bytes(signed())
    assert ours.comment == theirs.trusted_comment.encode()
    assert (ours.algorithm == b"ED") is theirs.is_prehashed()


@pytest.mark.parametrize(
    "text", ["", "RW", MANUALS_KEY[:-1], f" {MANUALS_KEY}", f"{MANUALS_KEY}\n", "é" * 56, "Z" * 56]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        PublicKey.parse(text)
