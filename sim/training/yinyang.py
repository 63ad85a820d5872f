"""Points in the yin-yang sign: a small task that no linear classifier solves.

References:
    Kriener, Goeltz & Petrovici (2022), The Yin-Yang dataset, arXiv:2102.08211.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

R_BIG = 0.5
R_SMALL = 0.1
SIZES = {"train": 5000, "validation": 1000, "test": 1000}
SEEDS = {"train": 42, "validation": 41, "test": 40}
N_CLASSES = 3
BIAS = 1.0
"""The fifth feature, the same for all: a spike to count the others' time from."""


def draw_yinyang(part: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features x, y, 1 - x, 1 - y and the bias, shape (n, 5), and classes, shape (n,).

    Args:
        part: ``train``, ``validation`` or ``test``; each is always the same.
    """
    points, labels = draw_points(SIZES[part], SEEDS[part])
    bias = np.full((len(points), 1), BIAS)
    return np.hstack([points, 1 - points, bias]).astype(np.float32), labels


def draw_points(n_samples: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw a class for each sample, all equally likely, then a point of that class."""
    rng = np.random.Generator(np.random.PCG64(seed))
    labels = rng.integers(N_CLASSES, size=n_samples)
    points = np.empty((n_samples, 2))
    for label in range(N_CLASSES):
        rows = np.flatnonzero(labels == label)
        points[rows] = draw_class(label, len(rows), rng)
    return points, labels


def draw_class(label: int, n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points uniform in the part of one class, by rejection, shape (n_samples, 2)."""
    accepted = np.empty((0, 2))
    while len(accepted) < n_samples:
        points = 2 * R_BIG * rng.random((10 * n_samples, 2))
        accepted = np.concatenate([accepted, points[classify_yinyang(points) == label]])
    return accepted[:n_samples]


def classify_yinyang(points: ArrayLike) -> NDArray[np.int64]:
    """Class of points (x, y), shape (n, 2): 0 yin, 1 yang, 2 dot, -1 outside the sign.

    The sign is a disc of radius 0.5 about (0.5, 0.5). Two discs of half that radius sit left and
    right of its centre; yin is the left one and what the right one leaves of the upper half. Each
    has a dot of radius 0.1 in its middle.
    """
    x, y = np.asarray(points, dtype=np.float64).T
    to_left = np.hypot(x - 0.5 * R_BIG, y - R_BIG)
    to_right = np.hypot(x - 1.5 * R_BIG, y - R_BIG)
    is_yin = (to_left <= 0.5 * R_BIG) | ((y > R_BIG) & (to_right > 0.5 * R_BIG))
    is_dot = np.minimum(to_left, to_right) < R_SMALL
    is_outside = np.hypot(x - R_BIG, y - R_BIG) > R_BIG
    return np.select([is_outside, is_dot, is_yin], [-1, 2, 0], default=1).astype(np.int64)
