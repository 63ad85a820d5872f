"""Learning-rate schedules."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sim.training.optim import make_named
from spiketheory.errors import InputError, check_choice, check_positive

FIRST_SHARE = 0.02
"""Share of the learning rate with which a warm-up begins."""


class Schedule(ABC):
    """A learning rate that depends on how far the training is."""

    @abstractmethod
    def __call__(self, progress_epochs: float, total_epochs: float) -> float:
        """Return the learning rate of the next step.

        Args:
            progress_epochs: Steps taken so far / steps per epoch; 0 for the first step.
            total_epochs: Epochs of the whole training.
        """

    def adapt(self, losses: Sequence[float]) -> "Schedule":
        """The schedule after epochs with these losses; most do not look at them."""
        return self


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same ``rate`` always."""

    rate: float

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)

    def __call__(self, progress_epochs: float, total_epochs: float) -> float:
        """Return ``rate``."""
        return self.rate


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """``rate * exp(-epochs / decay_epochs)``, continuous: it falls a little in every step."""

    rate: float
    decay_epochs: float

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_positive("decay_epochs", self.decay_epochs)

    def __call__(self, progress_epochs: float, total_epochs: float) -> float:
        """Return the decayed rate; ``total_epochs`` plays no part."""
        return self.rate * math.exp(-progress_epochs / self.decay_epochs)


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Half a cosine from ``rate`` to ``final_fraction * rate``, after a linear rise from 0.

    Attributes:
        rate: The highest learning rate.
        warmup_epochs: Length of the rise, >= 0; must be shorter than the training.
        final_fraction: What is left of the rate at the end, in [0, 1]. It stays there.

    References:
        Loshchilov & Hutter (2017), arXiv:1608.03983, equation 5 (without restarts).
    """

    rate: float
    warmup_epochs: float = 0.0
    final_fraction: float = 0.0

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        if not 0 <= self.warmup_epochs < math.inf:
            raise InputError(
                f"Expected warmup_epochs >= 0 but got warmup_epochs={self.warmup_epochs}; "
                "give the length of the rise, 0 for none."
            )
        if not 0 <= self.final_fraction <= 1:
            raise InputError(
                "Expected final_fraction between 0 and 1 but got "
                f"final_fraction={self.final_fraction}; give a fraction of the rate."
            )

    def __call__(self, progress_epochs: float, total_epochs: float) -> float:
        """Return the rate; raise `InputError` if the training ends within the warm-up."""
        if total_epochs <= self.warmup_epochs:
            raise InputError(
                f"Expected total_epochs > warmup_epochs={self.warmup_epochs} but got "
                f"total_epochs={total_epochs}; train longer or shorten the warm-up."
            )
        if progress_epochs < self.warmup_epochs:
            return self.rate * progress_epochs / self.warmup_epochs
        done = (progress_epochs - self.warmup_epochs) / (total_epochs - self.warmup_epochs)
        falling = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return self.rate * (self.final_fraction + (1 - self.final_fraction) * falling)


@dataclass(frozen=True, kw_only=True)
class Plateau(Schedule):
    """``rate``, and a fraction of it from where the loss of epochs no longer gets smaller.

    Attributes:
        rate: The learning rate at the start.
        epochs: After so many epochs without a smaller loss it falls.
        factor: To this fraction, between 0 and 1.
        drops: How often it has fallen.
    """

    rate: float
    epochs: int = 5
    factor: float = 0.5
    drops: int = 0

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        if not 0 < self.factor < 1:
            raise InputError(
                f"Expected a plateau's factor between 0 and 1 but got {self.factor}; the rate is "
                "multiplied by it."
            )

    def __call__(self, progress_epochs: float, total_epochs: float) -> float:
        """Return the rate; neither argument plays a part."""
        return float(self.rate * self.factor**self.drops)

    def adapt(self, losses: Sequence[float]) -> Schedule:
        """The schedule after epochs with these losses."""
        smallest, since, drops = math.inf, 0, 0
        for loss in losses:
            since = 0 if loss < smallest else since + 1
            smallest = min(smallest, loss)
            if since == self.epochs:
                since, drops = 0, drops + 1
        return replace(self, drops=drops)


SCHEDULES = {
    "constant": Constant, "cosine": Cosine, "exponential": Exponential, "plateau": Plateau,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WarmUp(Schedule):
    """A schedule whose rate rises from 0 in the first epochs.

    Attributes:
        schedule: The schedule.
        epochs: So many.
    """

    schedule: Schedule
    epochs: float

    def __call__(self, progress_epochs: float, total_epochs: float) -> float:
        """The rate after so many epochs; never 0 at the first step."""
        rate = self.schedule(progress_epochs, total_epochs)
        if progress_epochs >= self.epochs:
            return rate
        return rate * max(progress_epochs / self.epochs, FIRST_SHARE)

    def adapt(self, losses: Sequence[float]) -> Schedule:
        """The same about the schedule that rises."""
        return replace(self, schedule=self.schedule.adapt(losses))


def make_schedule(name: str, **settings: float) -> Schedule:
    """Return the learning-rate schedule called ``name``.

    Raises:
        InputError: If the name or a setting is unknown, missing, or out of range.
    """
    return make_named(SCHEDULES[check_choice("schedule", name, SCHEDULES)], name, settings)
