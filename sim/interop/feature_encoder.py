"""Numbers of any unit as spike times: what is early in one channel is late in another."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from sim.inputs.trials import Trials


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureEncoder:
    """Standardised features by a smooth bounded curve, as latencies.

    A feature's two channels spike at (1 - s) T_in and s T_in with s the logistic function of
    ``steepness`` times its standard score, so that no value is cut off; one more channel spikes at
    0, so that early and late can be told.

    Attributes:
        centre: Mean of each feature, shape (n_features,).
        spread: Standard deviation, 1 of a feature that is constant, shape (n_features,).
        steepness: How sharply values around the mean are told apart.
        window: T_in, when the last spike comes [time].
    """

    centre: np.ndarray
    spread: np.ndarray
    steepness: float
    window: float

    @classmethod
    def fit(
        cls, features: np.ndarray, sample_weight: np.ndarray, *, steepness: float, window: float
    ) -> "FeatureEncoder":
        """The encoder for features of these samples.

        Args:
            features: Shape (n_samples, n_features).
            sample_weight: Shape (n_samples,).
            steepness: See the class.
            window: The same.
        """
        centre, spread = standardise(features, sample_weight)
        return cls(centre=centre, spread=spread, steepness=steepness, window=window)

    def encode(self, features: np.ndarray) -> Trials:
        """Features, shape (n_samples, n_features), as trials."""
        share = expit(self.steepness * (features - self.centre) / self.spread)
        times = self.window * np.hstack([1.0 - share, share, np.zeros((len(share), 1))])
        return Trials.from_latencies(times)


def standardise(values: np.ndarray, sample_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of each column; 1 for columns that are constant."""
    unit = np.abs(values).max(axis=0)
    unit[unit == 0] = 1.0  # squares of what is measured in it stay in the range of numbers
    scaled, share = values / unit, sample_weight / sample_weight.sum()
    centre = share @ scaled
    spread = np.sqrt(share @ (scaled - centre) ** 2)
    constant = np.all(scaled == scaled[0], axis=0)
    return np.where(constant, values[0], centre * unit), np.where(constant, 1.0, spread * unit)
