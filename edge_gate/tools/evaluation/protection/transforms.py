# SPDX-License-Identifier: Apache-2.0
"""The candidates: published keyed transforms of an embedding, as plain numpy, none of it on the gate's way.

Every transform maps unit vectors to *features* of its own, and its comparison score is a rising function of the inner
product of two features. So one protocol compares them all. Where a paper leaves a choice it is named in the class.
"""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_gate.rules.protection import secret_axes
from edge_gate.store.keys.sealing import KEY_BYTES, seal_row

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Transform(Protocol):
    """A transform under one key."""

    @property
    def size(self) -> int:
        """Bytes of one stored template."""
        ...

    def features(self, vectors: Floats) -> Floats:
        """Return the features (n, f) float32 of unit vectors (n, d)."""
        ...

    def score(self, product: Floats) -> Floats:
        """Return comparison scores for inner products of features; cosines where the method allows it."""
        ...


@dataclass(frozen=True, slots=True)
class Method:
    """A way of protecting templates: ``make(key, dimensions)`` is it under one key (any whole number)."""

    name: str
    make: Callable[[int, int], Transform]


def key_bytes(key: int) -> bytes:
    """Return 32 bytes for a numbered key."""
    return key.to_bytes(32, "big")


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """No protection: float16, as the store has it without a transform."""

    dimensions: int

    @property
    def size(self) -> int:
        """Two bytes a component."""
        return 2 * self.dimensions

    def features(self, vectors: Floats) -> Floats:
        """Return the vectors as float16 keeps them."""
        return vectors.astype(np.float16).astype(np.float32)

    def score(self, product: Floats) -> Floats:
        """Return the cosine."""
        return product


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """A keyed rotation: the control. It costs nothing, and with the key it gives everything away."""

    axes: Floats

    @classmethod
    def make(cls, key: int, dimensions: int) -> Rotation:
        """Draw the rotation."""
        return cls(secret_axes(key_bytes(key), dimensions, dimensions))

    @property
    def size(self) -> int:
        """Two bytes a component."""
        return 2 * int(self.axes.shape[1])

    def features(self, vectors: Floats) -> Floats:
        """Return the rotated vectors as float16 keeps them."""
        return (vectors @ self.axes.T).astype(np.float16).astype(np.float32)

    def score(self, product: Floats) -> Floats:
        """Return the cosine."""
        return product


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """Signs along keyed axes (m, d).

    With axes at right angles and m <= d it is BioHashing (Teoh et al. 2004); with m > d several rotations follow one
    another, which is the transform of edge_gate.rules.protection; with independent axes it is plain sign random
    projection (Charikar 2002). The threshold of each bit is 0.
    """

    axes: Floats

    @classmethod
    def orthogonal(cls, bits: int) -> Callable[[int, int], Signs]:
        """Return what draws axes that stand at right angles within each d of them."""
        return lambda key, dimensions: cls(secret_axes(key_bytes(key), dimensions, bits))

    @classmethod
    def independent(cls, bits: int) -> Callable[[int, int], Signs]:
        """Return what draws every axis on its own."""

        def make(key: int, dimensions: int) -> Signs:
            axes = np.random.default_rng([key, 1]).standard_normal((bits, dimensions))
            return cls((axes / np.linalg.norm(axes, axis=1, keepdims=True)).astype(np.float32))

        return make

    @property
    def size(self) -> int:
        """One bit an axis."""
        return len(self.axes) // 8

    def features(self, vectors: Floats) -> Floats:
        """Return the signs, -1 or 1."""
        return np.where(vectors @ self.axes.T >= 0, np.float32(1), np.float32(-1))

    def score(self, product: Floats) -> Floats:
        """Return the cosine of the angle that the share of differing bits stands for."""
        return angle_cosine(product, len(self.axes))


def angle_cosine(product: Floats, bits: int) -> Floats:
    """Return cos(pi * share of differing bits) for inner products of codes of -1 and 1."""
    return np.asarray(np.cos(np.float32(np.pi / 2) * (1 - product / np.float32(bits))), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class IndexOfMax:
    """IoM hashing with Gaussian random projections (Jin et al. 2017): of q projections, which is the largest; m times.

    ``axes`` is (m, q, d). The score is the share of equal indices, as published; it is no cosine.
    """

    axes: Floats

    @classmethod
    def of(cls, m: int, q: int) -> Callable[[int, int], IndexOfMax]:
        """Return what draws the projections."""
        return lambda key, dimensions: cls(
            np.random.default_rng([key, 2]).standard_normal((m, q, dimensions)).astype(np.float32)
        )

    @property
    def size(self) -> int:
        """The indices, packed."""
        m, q, _ = self.axes.shape
        return int(np.ceil(m * np.log2(q) / 8))

    def features(self, vectors: Floats) -> Floats:
        """Return the indices as one-hot rows, (n, m * q)."""
        m, q, dimensions = self.axes.shape
        projected = (vectors @ self.axes.reshape(m * q, dimensions).T).reshape(len(vectors), m, q)
        largest = projected == projected.max(axis=2, keepdims=True)
        return np.asarray(largest.reshape(len(vectors), m * q), np.float32)

    def score(self, product: Floats) -> Floats:
        """Return the share of equal indices."""
        return product / np.float32(self.axes.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class PolyProtect:
    """PolyProtect (Hahn and Marcel 2022): each value is a polynomial of ``m`` neighbouring components.

    ``coefficients`` are m different whole numbers of -50 to 50 without 0, ``exponents`` the numbers 1 to m in some
    order, ``overlap`` how many components two neighbouring groups share. Embeddings have length 1 here.
    """

    coefficients: Floats
    exponents: Ints
    overlap: int
    dimensions: int

    @classmethod
    def of(cls, overlap: int, m: int = 5) -> Callable[[int, int], PolyProtect]:
        """Return what draws coefficients and exponents."""

        def make(key: int, dimensions: int) -> PolyProtect:
            draw = np.random.default_rng([key, 3])
            numbers = np.concatenate([np.arange(-50, 0), np.arange(1, 51)])
            coefficients = draw.choice(numbers, m, replace=False).astype(np.float32)
            return cls(coefficients, draw.permutation(np.arange(1, m + 1)), overlap, dimensions)

        return make

    @property
    def groups(self) -> Ints:
        """Which components make each value, (k, m); components that do not fill a last group are padded with the
        last one's zero, index ``dimensions``."""
        m = len(self.coefficients)
        step = m - self.overlap
        starts = np.arange(0, max(self.dimensions - self.overlap, 1), step)
        return np.asarray(np.minimum(starts[:, None] + np.arange(m), self.dimensions))

    @property
    def size(self) -> int:
        """Two bytes a value."""
        return 2 * len(self.groups)

    def raw(self, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the polynomials' values, (n, k)."""
        padded = np.concatenate([vectors, np.zeros((len(vectors), 1), vectors.dtype)], axis=1)
        return np.asarray((self.coefficients * padded[:, self.groups] ** self.exponents).sum(axis=2))

    def features(self, vectors: Floats) -> Floats:
        """Return the values at length 1, since their comparison is a cosine."""
        value = self.raw(vectors)
        return np.asarray(value / np.linalg.norm(value, axis=1, keepdims=True), np.float32)

    def score(self, product: Floats) -> Floats:
        """Return the cosine of the two protected templates, as published; it is not that of the embeddings."""
        return product


@dataclass(frozen=True, slots=True, eq=False)
class MlpHash:
    """MLP-Hash (Shahreza et al. 2023): a perceptron with secret orthonormal weights, and the signs of what comes out.

    Chosen here: ``layers`` has two hidden layers of twice the embedding's width with ReLU; the last layer is linear.
    """

    layers: tuple[Floats, ...]

    @classmethod
    def of(cls, bits: int) -> Callable[[int, int], MlpHash]:
        """Return what draws the weights."""

        def make(key: int, dimensions: int) -> MlpHash:
            wide = 2 * dimensions
            first = secret_axes(key_bytes(3 * key), wide, wide)[:, :dimensions] * np.float32(np.sqrt(2))
            second = secret_axes(key_bytes(3 * key + 1), wide, wide)
            return cls((first, second, secret_axes(key_bytes(3 * key + 2), wide, bits)))

        return make

    @property
    def size(self) -> int:
        """One bit an output."""
        return len(self.layers[-1]) // 8

    def features(self, vectors: Floats) -> Floats:
        """Return the signs, -1 or 1."""
        for weights in self.layers[:-1]:
            vectors = np.maximum(vectors @ weights.T, 0)
        return np.where(vectors @ self.layers[-1].T >= 0, np.float32(1), np.float32(-1))

    def score(self, product: Floats) -> Floats:
        """Return 1 minus twice the share of differing bits; it is no cosine of the embeddings."""
        return product / np.float32(len(self.layers[-1]))


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What lies on a device: the codes of `Signs`, each sealed by the store's own code under a data key that was drawn
    for this enrolment alone (edge_gate.store.keys.sealing). Features are the bits of what is stored."""

    signs: Signs

    @classmethod
    def of(cls, bits: int) -> Callable[[int, int], Stored]:
        """Return what draws the site's axes."""
        return lambda key, dimensions: cls(Signs.orthogonal(bits)(key, dimensions))

    @property
    def size(self) -> int:
        """The code with its length, version, nonce and tag."""
        return len(self._rows(np.ones((1, self.signs.axes.shape[1]), np.float32))[0])

    def features(self, vectors: Floats) -> Floats:
        """Return the bits of the rows, -1 or 1."""
        rows = np.frombuffer(b"".join(self._rows(vectors)), np.uint8).reshape(len(vectors), -1)
        return np.where(np.unpackbits(rows, axis=1), np.float32(1), np.float32(-1))

    def score(self, product: Floats) -> Floats:
        """Return the inner product: the share of equal bits, on another scale."""
        return product

    def _rows(self, vectors: Floats) -> list[bytes]:
        codes = np.packbits(self.signs.features(vectors) > 0, axis=1)
        length = struct.pack("<H", vectors.shape[1])
        return [
            seal_row(os.urandom(KEY_BYTES), "template", str(uuid.uuid4()), bytes(8), length + code.tobytes())
            for code in codes
        ]


def methods() -> tuple[Method, ...]:
    """Return the candidates in the order of the report."""
    return (
        Method("none (float16)", lambda _, dimensions: Plain(dimensions)),
        Method("rotation", Rotation.make),
        Method("BioHashing, 64 bits", Signs.orthogonal(64)),
        Method("BioHashing, 128 bits", Signs.orthogonal(128)),
        *(Method(f"signs, rotations, {bits} bits", Signs.orthogonal(bits)) for bits in (256, 512, 1024, 2048, 4096)),
        *(Method(f"signs, independent, {bits} bits", Signs.independent(bits)) for bits in (1024, 2048)),
        *(Method(f"IoM-GRP, m={m} q={q}", IndexOfMax.of(m, q)) for m, q in ((128, 16), (512, 16), (512, 4))),
        *(Method(f"PolyProtect, overlap {overlap}", PolyProtect.of(overlap)) for overlap in (0, 2, 4)),
        *(Method(f"MLP-Hash, {bits} bits", MlpHash.of(bits)) for bits in (1024, 2048)),
    )
