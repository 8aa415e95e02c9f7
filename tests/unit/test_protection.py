# SPDX-License-Identifier: Apache-2.0
"""The keyed transform of templates, and the threshold that goes with it."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from edge_gate.rules.operating_point import OperatingPoint
from edge_gate.rules.protection import (
    BITS,
    SiteTransform,
    _gaussians,
    correct_threshold,
    cosine_table,
    differing,
    secret_axes,
    site_key,
    words,
)

KEY, OTHER_KEY = bytes(32), bytes(31) + b"\x01"
PEOPLE = np.random.default_rng(1).standard_normal((300, 128)).astype(np.float32)
PEOPLE /= np.linalg.norm(PEOPLE, axis=1, keepdims=True)


def test_the_site_key_is_hkdf_of_the_store_key_and_the_salt() -> None:
    extracted = hmac.digest(b"salt", KEY, hashlib.sha256)
    expanded = hmac.digest(extracted, b"edge-gate template protection v1\x01", hashlib.sha256)
    assert site_key(KEY, b"salt") == expanded
    assert len({site_key(KEY, b"salt"), site_key(KEY, b"tlas"), site_key(OTHER_KEY, b"salt")}) == 3


def test_the_same_key_makes_the_same_code_in_any_object_and_any_batch() -> None:
    whole = SiteTransform(KEY).encode(PEOPLE)
    alone = np.stack([SiteTransform(KEY).encode(each) for each in PEOPLE[:5]])
    assert whole.shape == (300, BITS // 8)
    assert (np.unpackbits(whole[:5] ^ alone).sum()) <= 2  # a component within rounding of 0 may fall either way


def test_numbers_are_those_of_the_whole_stream_wherever_they_are_taken_from() -> None:
    """Codes in stores rest on them: Box and Muller over ChaCha20, half radii and half angles."""
    for count in (16, 30, 4 * 49):
        stream = Cipher(algorithms.ChaCha20(KEY, bytes(16)), None).encryptor().update(bytes(8 * count))
        evenly = ((np.frombuffer(stream, "<u8") >> 11) + 0.5) * 2.0**-53
        radius, angle = np.sqrt(-2 * np.log(evenly[: count // 2])), 2 * np.pi * evenly[count // 2 :]
        whole = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        for start, stop in ((0, count), (0, 3), (5, 9), (count // 2 - 3, count // 2 + 5), (count - 1, count)):
            assert np.allclose(_gaussians(KEY, count, start, stop), whole[start:stop], rtol=1e-12, atol=0)


def test_axes_are_rotations_whose_components_are_spread_as_a_sphere_s_are() -> None:
    axes = secret_axes(KEY, 128, 512).astype(np.float64)
    for block in axes.reshape(4, 128, 128):
        np.testing.assert_allclose(block @ block.T, np.eye(128), atol=1e-5)
    assert abs(axes.mean()) < 0.002
    assert np.var(axes) == pytest.approx(1 / 128, rel=1e-3)
    assert abs(axes[:128] @ axes[128:256].T).max() < 0.5


def test_codes_of_one_person_under_two_keys_are_as_far_apart_as_coin_tosses() -> None:
    mine, other = (np.unpackbits(SiteTransform(key).encode(PEOPLE), axis=1) for key in (KEY, OTHER_KEY))
    share = (mine != other).mean(axis=1)
    assert share.mean() == pytest.approx(0.5, abs=0.005)
    assert abs(share - 0.5).max() < 0.07


def test_the_share_of_differing_bits_is_the_angle() -> None:
    a, b = PEOPLE[0], PEOPLE[1] - (PEOPLE[1] @ PEOPLE[0]) * PEOPLE[0]
    b /= np.linalg.norm(b)
    transform, table = SiteTransform(KEY), cosine_table(BITS)
    for cosine in (1.0, 0.9, 0.62, 0.3, 0.0, -0.5):
        probe = np.float32(cosine) * a + np.float32(np.sqrt(1 - cosine**2)) * b
        distance = differing(words(transform.encode(a[None])), transform.encode(probe))
        assert table[distance[0]] == pytest.approx(cosine, abs=0.08)


def test_whoever_has_the_key_recovers_the_direction_and_whoever_guesses_it_does_not() -> None:
    codes = SiteTransform(KEY).encode(PEOPLE[:20])
    recovered = SiteTransform(KEY).recover(codes, 128)
    guessed = SiteTransform(OTHER_KEY).recover(codes, 128)
    assert (recovered * PEOPLE[:20]).sum(axis=1).min() > 0.99
    assert abs((guessed * PEOPLE[:20]).sum(axis=1)).max() < 0.5


def test_the_corrected_threshold_keeps_the_fmr_of_a_tail_that_falls_as_the_card_says() -> None:
    """Impostors whose scores are normal with spread 0.16, compared through codes: simulated, 4 million."""
    spread = 0.16
    quantiles = {1e-2: 2.3263, 1e-3: 3.0902, 1e-4: 3.7190}
    points = tuple(OperatingPoint("fused", fmr, spread * z, 10**6, fmr) for fmr, z in quantiles.items())
    draw = np.random.default_rng(2)
    true = np.clip(draw.normal(0, spread, 4_000_000), -1, 1)
    seen = np.cos(np.pi * draw.binomial(BITS, np.arccos(true) / np.pi) / BITS)
    for point in points[1:]:
        raised = correct_threshold(points, point)
        assert (seen >= point.threshold).mean() > point.fmr * 1.03
        assert (seen >= raised.threshold).mean() <= point.fmr * 1.06
        assert 0 < raised.threshold - point.threshold < 0.03
        assert (raised.fmr, raised.kind) == (point.fmr, point.kind)
    alone = correct_threshold(points[2:], points[2])
    assert 0.005 < alone.threshold - points[2].threshold < 0.03
