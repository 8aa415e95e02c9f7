# SPDX-License-Identifier: Apache-2.0
"""Recovering an embedding from a protected template whose key was stolen.

Every attack looks for the embedding x that explains the stored template best, by gradient, from what a thief has: the
template, the key, and how embeddings of the public model are spread (`Habit`, taken from pictures of other people).

- rotation: the inverse; the control, which must give the whole embedding.
- signs: one-bit compressed sensing as a logistic fit (Plan and Vershynin 2013) with the spread as prior.
- IoM: the same with the softmax of each group of projections.
- MLP-Hash: the logistic fit through the perceptron.
- PolyProtect: the polynomial equations by Levenberg and Marquardt (least squares, as its authors tried), and the
  solver of later work that turns x until the cosine of its transform to the template is highest.

How sharp the fit is (``sharpness``) is what the thief rehearses on people of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_gate.tools.evaluation.protection.transforms import (
    Floats,
    IndexOfMax,
    MlpHash,
    Plain,
    PolyProtect,
    Rotation,
    Signs,
    Transform,
)

Doubles = NDArray[np.float64]
Slope = Callable[[Floats], Floats]  # the slope of the misfit at x, (n, d) to (n, d)

STEPS = 150
SHARPNESS = (10.0, 40.0, 160.0, 640.0)
STARTS = 3  # of the solver of polynomial equations, which has many wrong answers


@dataclass(frozen=True, slots=True, eq=False)
class Habit:
    """How embeddings are spread: mean (d) and a root (d, d) of their covariance, so that x = mean + root z."""

    mean: Floats
    root: Floats

    @classmethod
    def of(cls, vectors: Floats) -> Habit:
        """Learn it from pictures of people who are not attacked."""
        covariance = np.cov(vectors.T.astype(np.float64)) + 1e-6 * np.eye(vectors.shape[1])
        return cls(vectors.mean(axis=0), np.linalg.cholesky(covariance).astype(np.float32))


def stored(transform: Transform, vectors: Floats) -> Floats:
    """Return what a store would hold and a thief would find."""
    return (
        transform.raw(vectors).astype(np.float32)
        if isinstance(transform, PolyProtect)
        else (transform.features(vectors))
    )


def recover(transform: Transform, template: Floats, habit: Habit, sharpness: float) -> Floats:
    """Return the best guess of the embeddings (n, d), length 1, behind templates of this transform."""
    match transform:
        case Plain():
            guess = template
        case Rotation():
            guess = template @ transform.axes
        case Signs():
            guess = _descend(_signs_slope(transform.axes, template, sharpness), habit, len(template))
        case IndexOfMax():
            guess = _descend(_iom_slope(transform.axes, template, sharpness), habit, len(template))
        case MlpHash():
            guess = _descend(_mlp_slope(transform.layers, template, sharpness), habit, len(template))
        case PolyProtect():
            guess = (
                _equations(transform, template, habit)
                if sharpness == SHARPNESS[0]
                else _descend(_cosine_slope(transform, template, sharpness), habit, len(template))
            )
        case _:
            raise TypeError(f"no attack on {type(transform).__name__}")
    return np.asarray(guess / np.linalg.norm(guess, axis=1, keepdims=True), np.float32)


def rehearsed(transform: Transform, own: Floats, habit: Habit) -> float:
    """Return the sharpness that recovers the thief's own people best under the stolen key."""
    template = stored(transform, own)
    if isinstance(transform, Plain | Rotation):
        return SHARPNESS[0]
    return max(SHARPNESS, key=lambda each: float(np.median(likeness(recover(transform, template, habit, each), own))))


def likeness(a: Floats, b: Floats) -> Floats:
    """Return the cosine of each pair of rows of length 1."""
    return np.asarray(np.einsum("ij,ij->i", a, b), np.float32)


def _descend(slope: Slope, habit: Habit, n: int) -> Floats:
    """Minimise misfit(x) + |z|^2 / 2 by Adam (Kingma and Ba 2015) with a step that falls to zero."""
    z = np.zeros((n, len(habit.mean)), np.float32)
    first, second = np.zeros_like(z), np.zeros_like(z)
    for step in range(1, STEPS + 1):
        gradient = slope(habit.mean + z @ habit.root.T) @ habit.root + z
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient**2 - second)
        rate = 0.1 * (1 - step / (STEPS + 1))
        z -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return habit.mean + z @ habit.root.T


def _doubt(margin: Floats) -> Floats:
    """Return how little a logistic fit trusts that a bit of this margin is explained: 1 / (1 + exp(margin))."""
    return np.asarray(0.5 * (1 - np.tanh(margin / 2)), np.float32)


def _signs_slope(axes: Floats, signs: Floats, sharpness: float) -> Slope:
    sharp = np.float32(sharpness)
    return lambda x: np.asarray(-sharp * (signs * _doubt(sharp * signs * (x @ axes.T))) @ axes, np.float32)


def _iom_slope(axes: Floats, one_hot: Floats, sharpness: float) -> Slope:
    m, q, dimensions = axes.shape
    flat = axes.reshape(m * q, dimensions) * np.float32(sharpness / np.sqrt(dimensions))

    def slope(x: Floats) -> Floats:
        logits = (x @ flat.T).reshape(len(x), m, q)
        share = np.exp(logits - logits.max(axis=2, keepdims=True))
        share /= share.sum(axis=2, keepdims=True)
        return np.asarray((share.reshape(len(x), m * q) - one_hot) @ flat)

    return slope


def _mlp_slope(layers: tuple[Floats, ...], signs: Floats, sharpness: float) -> Slope:
    def slope(x: Floats) -> Floats:
        inputs, value = [], x
        for weights in layers[:-1]:
            inputs.append(value @ weights.T)
            value = np.maximum(inputs[-1], 0)
        back = -sharpness * (signs * _doubt(sharpness * signs * (value @ layers[-1].T))) @ layers[-1]
        for weights, before in zip(reversed(layers[:-1]), reversed(inputs), strict=True):
            back = np.where(before > 0, back, 0) @ weights
        return np.asarray(back, np.float32)

    return slope


def _jacobian(transform: PolyProtect, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the slopes of every polynomial, (n, k, d)."""
    groups = transform.groups
    padded = np.concatenate([x, np.zeros((len(x), 1), x.dtype)], axis=1)
    out = np.zeros((len(x), len(groups), transform.dimensions + 1), x.dtype)
    rows = np.arange(len(groups))
    for j, (factor, power) in enumerate(zip(transform.coefficients, transform.exponents, strict=True)):
        out[:, rows, groups[:, j]] += factor * power * padded[:, groups[:, j]] ** (power - 1)
    return out[:, :, :-1]


def _cosine_slope(transform: PolyProtect, template: Floats, sharpness: float) -> Slope:
    wanted = template / np.linalg.norm(template, axis=1, keepdims=True)

    def slope(x: Floats) -> Floats:
        value = transform.raw(x)
        length = np.linalg.norm(value, axis=1, keepdims=True) + 1e-9
        value = value / length
        cosine = (value * wanted).sum(axis=1, keepdims=True)
        back = -(wanted - cosine * value) / length
        turned = np.einsum("nk,nkd->nd", back, _jacobian(transform, x))
        return np.asarray(100 * sharpness * turned, np.float32)

    return slope


def _equations(transform: PolyProtect, template: Floats, habit: Habit) -> Floats:
    """Solve from the mean embedding and from a few likely ones, and keep the answer that fits each template best."""
    draw = np.random.default_rng(0)
    normal = [np.zeros_like(habit.mean), *draw.standard_normal((STARTS - 1, len(habit.mean)), np.float32)]
    tried = [_solved(transform, template, habit, habit.mean + habit.root @ each) for each in normal]
    best = np.argmin([misfit for _, misfit in tried], axis=0)
    return np.asarray(np.stack([guess for guess, _ in tried])[best, np.arange(len(template))], np.float32)


def _solved(
    transform: PolyProtect, template: Floats, habit: Habit, start: Floats, steps: int = 40
) -> tuple[Doubles, Doubles]:
    """Solve for x by Levenberg and Marquardt, with the spread of embeddings as a weak prior where equations lack.

    Returns the answers (n, d) and how badly each fits.
    """
    target, mean = template.astype(np.float64), habit.mean.astype(np.float64)
    n, d = len(target), len(mean)
    precision = np.linalg.inv((habit.root @ habit.root.T).astype(np.float64))
    noise = 1e-6 * float(np.mean(target**2))
    x, damping = np.tile(start.astype(np.float64), (n, 1)), np.full(n, 1e-2)

    def misfit(guess: Doubles) -> Doubles:
        residual, off = transform.raw(guess) - target, guess - mean
        return np.asarray((residual**2).sum(axis=1) + noise * np.einsum("ni,ij,nj->n", off, precision, off))

    best = misfit(x)
    for _ in range(steps):
        jacobian = _jacobian(transform, x)
        normal = np.einsum("nki,nkj->nij", jacobian, jacobian, optimize=True) + noise * precision
        scale = np.trace(normal, axis1=1, axis2=2)[:, None, None] / d
        gradient = np.einsum("nki,nk->ni", jacobian, transform.raw(x) - target) + noise * (x - mean) @ precision
        step = np.linalg.solve(normal + damping[:, None, None] * scale * np.eye(d), gradient[:, :, None])[:, :, 0]
        tried = misfit(x - step)
        better = tried < best
        x, best = np.where(better[:, None], x - step, x), np.where(better, tried, best)
        damping = np.where(better, damping / 3, damping * 4).clip(1e-12, 1e6)
    return x, best
