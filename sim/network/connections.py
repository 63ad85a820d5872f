"""Connections that stand in the place of a matrix of weights: described, or listed in flat arrays.

They take fewer bytes than a sparse matrix, or none at all, until an engine asks for one.
"""

from abc import ABC, abstractmethod

import numpy as np

from sim.network.row_layout import Part
from spiketheory.shown import Short


class Connections(ABC, Short):
    """Connections between two groups.

    Attributes:
        shape: Numbers of those that hear and are heard, (n_post, n_pre).
    """

    shape: tuple[int, int]

    @property
    @abstractmethod
    def n_expected(self) -> float:
        """How many there are, on average if that is random."""

    @property
    @abstractmethod
    def n_connections(self) -> int:
        """How many there are."""

    @property
    @abstractmethod
    def largest_weight(self) -> float:
        """No weight is larger, of either sign."""

    @property
    @abstractmethod
    def shortest_delay(self) -> float:
        """No delay is shorter [time]."""

    @property
    @abstractmethod
    def longest_delay(self) -> float:
        """No delay is longer [time]."""

    @abstractmethod
    def make_part(self, ticks: float) -> Part:
        """Set out on the way into rows.

        Args:
            ticks: How many make a unit of time.
        """

    @abstractmethod
    def list_all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Sources, targets, weights and delays of all connections, shape (n_connections,) each."""
