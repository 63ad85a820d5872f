"""What a property found, and the exception that carries it out of the search."""

from dataclasses import dataclass
from typing import Any, NoReturn

from spiketheory.checking.paths import Gap
from spiketheory.checking.trial import Place, Trial


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A trial in which a property does not hold.

    Attributes:
        name: The property.
        text: What happens, in one sentence.
        trial: The trial.
        place: The parameter that is moved; None if none is.
        values: Its two values; None if none is moved.
        gap: The difference of the spike times; None if something else differs.
        proof: How it was confirmed.
        extra: What else the property needs to be looked at again, by name.
    """

    name: str
    text: str
    trial: Trial
    place: Place | None = None
    values: tuple[float, float] | None = None
    gap: Gap | None = None
    proof: str = "in double precision"
    extra: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @property
    def sides(self) -> tuple[Trial, Trial]:
        """The trial at both values of the parameter."""
        if self.place is None or self.values is None:
            return self.trial, self.trial
        low, high = (self.trial.move(self.place, value) for value in self.values)
        return low, high


class PropertyFailure(AssertionError):
    """A property does not hold; ``failure`` says where."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.failure,)


def raise_failure(failure: Failure) -> NoReturn:
    """Raise `PropertyFailure`: from one line, so that a search shrinks all towards one."""
    raise PropertyFailure(failure)
