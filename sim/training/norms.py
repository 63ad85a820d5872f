"""The norms of the last gradients, and how long one may be beside them."""

import numpy as np

LATEST_BATCHES = 100
LATEST_SAMPLES = 1000
Kept = dict[str, np.ndarray]


def start_norms() -> Kept:
    """No norms yet: of batches and of samples, and how many there were."""
    return {
        "norms": np.zeros(LATEST_BATCHES),
        "norms_seen": np.zeros((), np.int64),
        "sample_norms": np.zeros(LATEST_SAMPLES),
        "sample_norms_seen": np.zeros((), np.int64),
    }


def remember(kept: Kept, name: str, new: np.ndarray) -> None:
    """Add norms to the last ones, the newest at the end."""
    latest = kept[name]
    both = np.concatenate([latest, new])
    latest[:] = both[len(both) - len(latest) :]
    kept[f"{name}_seen"] += len(new)


def find_median(kept: Kept, name: str) -> float | None:
    """The median of the last norms; None before the first, or if all are 0.

    Those that are 0 say nothing about how long others are.
    """
    latest = kept[name]
    return median_above_zero(latest[len(latest) - min(int(kept[f"{name}_seen"]), len(latest)) :])


def median_above_zero(norms: np.ndarray) -> float | None:
    """The median of the norms above 0; None if there are none."""
    known = norms[norms > 0]
    return float(np.median(known)) if len(known) else None
