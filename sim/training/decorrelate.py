"""Readouts in coordinates in which what they sum is uncorrelated before training."""

import numpy as np


def decorrelate(features: np.ndarray, floor: float) -> np.ndarray:
    r"""What weights of a readout are multiplied by, so that a step in each means about the same.

    $(C + f \bar c)^{-1/2}$ with C the covariance of the features, $\bar c$ the mean of their
    variances and f the floor; scaled so that it keeps the size of weights on average.

    Args:
        features: What the readout sums in each trial, shape (n_trials, n_neurons, n_features).
        floor: How small a principal variance counts, as a share of the mean, > 0.

    Returns:
        Symmetric, shape (n, n) with n = n_neurons n_features; the identity if nothing varies.
    """
    flat = features.reshape(len(features), -1)
    flat = flat - flat.mean(axis=0)
    variances, axes = np.linalg.eigh(flat.T @ flat / len(flat))
    least = floor * variances.mean()
    if least <= 0.0:
        return np.eye(len(variances))
    mixing = (axes / np.sqrt(np.maximum(variances, 0.0) + least)) @ axes.T
    return np.asarray(mixing / np.sqrt(np.mean(np.sum(mixing**2, axis=0))))


def mix(weights: np.ndarray, mixing: np.ndarray | None) -> np.ndarray:
    """Weights of a readout times what `decorrelate` says.

    The matrix is symmetric, so that derivatives go back the same way.

    Args:
        weights: Shape (n_outputs, n_neurons, n_features).
        mixing: The matrix; None for the identity.
    """
    if mixing is None:
        return weights
    return np.asarray((weights.reshape(len(weights), -1) @ mixing).reshape(weights.shape))
