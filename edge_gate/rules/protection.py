# SPDX-License-Identifier: Apache-2.0
"""The keyed transform of templates: signs of an embedding along secret axes, in the sense of ISO/IEC 24745.

    embedding (d float32)  ──►  bits / d secret rotations of it  ──►  the sign of every component  ──►  bits / 8 bytes

Each rotation is drawn from the key, so each key gives other axes and, for the same eyes, an unrelated code. The share
of differing bits of two codes estimates the angle between the two embeddings (Goemans and Williamson 1995; Charikar
2002): theta = pi * share. `cosine` turns it back into the domain in which a model's card states its thresholds. Axes
at right angles within each rotation estimate better than independent ones (Ji et al. 2012, "super-bit").

**What it is not.** With the key the direction can be recovered nearly whole. docs/templates/README.md has by how much,
for this and for the other published transforms.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from edge_gate.rules.operating_point import OperatingPoint

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]

BITS: Final = 2048
KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
INFO: Final = b"edge-gate template protection v1"

# Of the fit in `SiteTransform.recover`: how sharp the logistic curve is, how far and how often it steps.
_SHARPNESS: Final = np.float32(320)
_PACE: Final = 5.0
_STEPS: Final = 100


def site_key(secret: bytes, salt: bytes) -> bytes:
    """Return the key of a site's transform: HKDF-SHA256 (RFC 5869) of the keyring's secret and the store's salt."""
    return HKDF(SHA256(), KEY_BYTES, salt, INFO).derive(secret)


def secret_axes(key: bytes, dimensions: int, bits: int) -> Floats:
    """Return ``bits`` axes of length 1, (bits, dimensions) float32, drawn from the key alone.

    Each run of ``dimensions`` rows is a rotation drawn evenly from all of them: the orthonormal factor of a Gaussian
    matrix, with the signs of the other factor's diagonal taken out (Mezzadri 2007). One is made after the other: all at
    once would cost the gate ten megabytes.
    """
    blocks, size = -(-bits // dimensions), dimensions * dimensions
    axes = np.empty((blocks, dimensions, dimensions), np.float32)
    for block in range(blocks):
        normal = _gaussians(key, blocks * size, block * size, (block + 1) * size).reshape(dimensions, dimensions)
        rotation, other = np.linalg.qr(normal)
        axes[block] = rotation * np.sign(np.diagonal(other))
    return np.ascontiguousarray(axes.reshape(-1, dimensions)[:bits])


class SiteTransform:
    """The transform under one key. ``bits`` is a multiple of 64."""

    __slots__ = ("_axes", "_key", "bits")

    def __init__(self, key: bytes, bits: int = BITS) -> None:
        self._key = key
        self._axes: dict[int, Floats] = {}
        self.bits = bits

    def axes(self, dimensions: int) -> Floats:
        """Return the axes for embeddings of so many dimensions; drawn once."""
        if dimensions not in self._axes:
            self._axes[dimensions] = secret_axes(self._key, dimensions, self.bits)
        return self._axes[dimensions]

    def encode(self, vectors: Floats) -> Codes:
        """Return the code of each direction: (n, d) to (n, bits / 8), the first axis in the highest bit."""
        return np.packbits(vectors @ self.axes(vectors.shape[-1]).T >= 0, axis=-1)

    def recover(self, codes: Codes, dimensions: int) -> Floats:
        """Return the directions (n, d) that explain codes best: what whoever has the key can do.

        A logistic fit to the signs by gradient descent with momentum (Nesterov 1983). At 2048 bits of 128 dimensions
        the cosine to what was encoded is 0.996. It is what lets a site renew its templates without its residents.
        """
        axes = self.axes(dimensions)
        signs = np.where(np.unpackbits(codes, axis=-1), np.float32(1), np.float32(-1))
        guess = before = _unit(signs @ axes)
        for step in range(1, _STEPS + 1):
            ahead = guess + np.float32(step / (step + 3)) * (guess - before)
            doubt = (1 - np.tanh(_SHARPNESS / 2 * signs * (ahead @ axes.T))) / 2
            before, guess = guess, _unit(ahead + np.float32(_PACE / self.bits) * ((signs * doubt) @ axes))
        return guess


def cosine_table(bits: int) -> Floats:
    """Return the comparison score (cosine) for every number of differing bits, 0 to ``bits``."""
    return np.cos(np.pi * np.arange(bits + 1) / bits).astype(np.float32)


def words(codes: Codes) -> NDArray[np.uint64]:
    """Return codes (n, bits / 8) as columns of 64-bit words (bits / 64, n), which compare fastest."""
    return np.ascontiguousarray(np.ascontiguousarray(codes).view(np.uint64).T)


def differing(columns: NDArray[np.uint64], probe: Codes) -> NDArray[np.uint16]:
    """Return in how many bits the probe's code differs from each of the codes that `words` laid out."""
    count = np.zeros(columns.shape[1], np.uint16)
    for column, word in zip(columns, np.ascontiguousarray(probe).view(np.uint64), strict=True):
        count += np.bitwise_count(column ^ word)
    return count


def _normal_slope(point: OperatingPoint) -> float:
    from statistics import NormalDist  # here, because the cards that come with edge-gate never need it

    return float((NormalDist().inv_cdf(1 - point.fmr) ** 2 + 1) / max(point.threshold, 0.1))


def _unit(vectors: NDArray[np.floating]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def _gaussians(key: bytes, count: int, start: int, stop: int) -> NDArray[np.float64]:
    """Return some of the ``count`` standard normal numbers that the key's stream gives: Box and Muller (1958).

    The first half of the stream gives radii, the second angles; their cosines come first, then their sines.
    """
    half, made = count // 2, []
    while start < stop:
        at = start % half
        run = min(stop - start, half - at)
        radius = np.sqrt(-2 * np.log(_evenly(key, at, at + run)))
        angle = 2 * np.pi * _evenly(key, half + at, half + at + run)
        made.append(radius * (np.cos(angle) if start < half else np.sin(angle)))
        start += run
    return np.concatenate(made)


def _evenly(key: bytes, start: int, stop: int) -> NDArray[np.float64]:
    """Return numbers between 0 and 1 from a part of the key's stream, eight bytes each. A block of ChaCha20 has eight
    of them, and the cipher begins at any block, so that the whole stream, two megabytes, is never in memory.
    """
    block, skipped = divmod(start, 8)
    cipher = Cipher(algorithms.ChaCha20(key, block.to_bytes(16, "little")), None).encryptor()
    drawn = np.frombuffer(cipher.update(bytes(8 * (skipped + stop - start))), "<u8")[skipped:]
    return np.asarray(((drawn >> 11) + 0.5) * 2.0**-53)


def correct_threshold(points: tuple[OperatingPoint, ...], point: OperatingPoint, bits: int = BITS) -> OperatingPoint:
    """Return the operating point at which codes are wrongly matched no more often than embeddings are at ``point``.

    A code estimates a cosine with an error of spread sigma, and false matches are a falling tail of scores: where it
    falls as exp(-slope * score), the error raises it by exp(slope^2 sigma^2 / 2), which a threshold higher by
    slope * sigma^2 / 2 takes back. Sigma is taken as that of independent axes, the slope as the steepest between
    neighbours among the card's points of this kind and, where it has one alone, as that of a normal distribution
    around 0: each of these errs towards the higher threshold. The card's FMR is kept; the FNMR rises a little.
    """
    angle = np.arccos(np.clip(point.threshold, -1, 1))
    share = angle / np.pi
    sigma = np.pi * np.sqrt(share * (1 - share) / bits) * np.sin(angle)
    falling = sorted((each.threshold, np.log(each.fmr)) for each in points if each.kind == point.kind)
    slopes = [(one - two) / (high - low) for (low, one), (high, two) in pairwise(falling) if high > low]
    slope = max(slopes) if slopes else _normal_slope(point)
    higher = min(1.0, point.threshold + float(slope * sigma**2 / 2))
    return replace(point, threshold=math.ceil(higher * 1e4 - 1e-6) / 1e4)
