"""Trials that show a condition to fail: found in 13 digits, confirmed in 50.

A witness is a trial of one neuron with one number moved by less than 1e-9, so that a spike that
comes in mid-trial appears, vanishes or moves by more than 1e-3, and does so still as the two values
are brought together to 1e-30 (`spiketheory.certification.refutation.ladder`). Where a condition
concerns derivatives (C6) they are compared on both sides in the same way. Nothing is refuted
without.

Searches, each a family of trials: the weight of one input from rest; the time of an inhibitory
input; a state that is carried back from where the surface is grazed; an input that is moved across
a spike, which the flow or another input causes; two inputs that exchange their order; a parameter.
What a search looks for is sampled first, in floating point, over the whole region.
"""

from collections.abc import Callable, Mapping

from spiketheory.certification.boundary import Boundary
from spiketheory.certification.certificate import Condition, Witness
from spiketheory.certification.refutation.bench import Bench
from spiketheory.certification.refutation.kinks import try_kinks, try_kinks_of_swaps
from spiketheory.certification.refutation.reach import (
    try_graze,
    try_inhibition,
    try_jump,
    try_parameters,
    try_weights,
    try_weights_at_edges,
)
from spiketheory.certification.refutation.swaps import try_inputs, try_swaps
from spiketheory.certification.region import Region

Search = Callable[[Bench, Condition], Witness | None]

SEARCHES: dict[str, tuple[Search, ...]] = {
    "C1": (
        try_weights, try_inhibition, try_swaps, try_graze, try_jump, try_weights_at_edges,
        try_parameters,
    ),
    "C2": (try_weights, try_jump),
    "C3": (try_swaps, try_inputs),
    "C4": (try_swaps, try_inputs),
    "C5": (),
    "C6": (try_kinks_of_swaps, try_kinks),
}  # fmt: skip


class Searcher:
    """Looks for witnesses for one model.

    Args:
        boundary: The model on its spike surface.
        region: What is admissible.
        found: What is known of the conditions.
    """

    def __init__(self, boundary: Boundary, region: Region, found: Mapping[str, Condition]) -> None:
        self.bench = Bench(boundary, region)

    def search(self, condition: Condition) -> Witness | None:
        """A confirmed trial that shows a condition to fail; None if none was found."""
        for attempt in SEARCHES[condition.name]:
            self.bench.start()
            witness = attempt(self.bench, condition)
            if witness is not None:
                return witness
        return None
