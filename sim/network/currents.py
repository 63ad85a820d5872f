"""Currents that are constant from step to step.

A current of the values v_0, v_1, ... from the times t_0, t_1, ... on reaches a neuron by a
connection of weight W at a port that adds the weight to a variable X with dX/dt = 0. So it does the
same as inputs of the weights W (v_k - v_(k-1)) at the times t_k, with v_(-1) = 0. The engines see
these alone, see `sim.network.bundles`.
"""

from dataclasses import dataclass

import numpy as np

from spiketheory.errors import InputError, check_finite, check_shape
from spiketheory.shown import Short


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CurrentSteps(Short):
    """A current that is constant from each of some times on, the same in all channels.

    Attributes:
        name: Its name.
        size: Number of channels.
        times: When it changes, >= 0, rising, shape (n_steps,) [time]. Later than the trial's end is
            never.
        values: Its value from then on; before the first it is 0, shape (n_steps,).
    """

    name: str
    size: int
    times: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        for name in ("times", "values"):
            array = np.array(getattr(self, name), dtype=np.float64)
            wanted = (None,) if name == "times" else self.times.shape
            what = f"{name} of {self.name}"
            check_finite(what, check_shape(what, array, wanted))
            object.__setattr__(self, name, array)
        if self.size < 1:
            raise InputError(
                f"Expected at least one channel in {self.name} but got size={self.size}; "
                "remove the empty input."
            )
        if np.any(self.times < 0) or np.any(np.diff(self.times) <= 0):
            raise InputError(
                f"Expected times >= 0 that rise in {self.name} but got {self.times.tolist()}; sort "
                "the steps, and keep the last of those at one time."
            )

    @property
    def changes(self) -> np.ndarray:
        """By how much each step changes the current, shape (n_steps,)."""
        return np.diff(self.values, prepend=0.0)
