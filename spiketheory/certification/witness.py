"""Trials that show a condition to fail: found in 20 digits, confirmed in 50.

A witness is a trial of one neuron with one parameter moved by less than 1e-9. What changes is
counted spike by spike: a spike that appears, vanishes or moves by more than 1e-3 in mid-trial. One
that comes or goes at the trial's end is none of these. Where a condition concerns derivatives
(C6) they are taken from central differences with a step of 1e-20.

Searches, each a family of trials: the weight of one input from rest; the time of an inhibitory
input; a state that is carried back from where the surface is grazed; an input that is moved across
a spike, which the flow or another input causes; two inputs that exchange their order.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from spiketheory.certification.boundary import Boundary
from spiketheory.certification.certificate import Condition, Witness
from spiketheory.certification.region import Region
from spiketheory.certification.witness_bench import Bench
from spiketheory.certification.witness_reach import (
    try_graze,
    try_inhibition,
    try_jump,
    try_pile_up,
    try_weights,
)
from spiketheory.certification.witness_swap import (
    try_commuting_inputs,
    try_kink,
    try_late_swap,
    try_late_swap_of_inputs,
    try_swap,
    try_swap_of_inputs,
)
from spiketheory.errors import SpiketheoryError

Search = Callable[[Bench, Condition], Witness | None]

SEARCHES: dict[str, tuple[Search, ...]] = {
    "C1": (try_jump, try_weights, try_inhibition, try_graze),
    "C2": (try_jump, try_weights),
    "C3": (try_swap, try_swap_of_inputs),
    "C4": (try_late_swap, try_late_swap_of_inputs, try_commuting_inputs),
    "C5": (try_pile_up,),
    "C6": (try_kink,),
}


class Searcher:
    """Looks for witnesses for one model.

    Args:
        boundary: The model on its spike surface.
        region: What is admissible.
        found: What is known of the conditions.
    """

    def __init__(self, boundary: Boundary, region: Region, found: Mapping[str, Condition]) -> None:
        self.bench = Bench(boundary, region, found)
        self.known: dict[Search, Witness] = {}

    def search(self, condition: Condition) -> Witness | None:
        """A confirmed trial that shows a refuted condition to fail; None if none was found."""
        self.bench.trials = 0
        for attempt in SEARCHES[condition.name]:
            if attempt not in self.known:
                try:
                    witness = attempt(self.bench, condition)
                except SpiketheoryError:  # a trial that cannot be integrated shows nothing
                    witness = None
                if witness is None:
                    continue
                self.known[attempt] = witness
            shown = replace(self.known[attempt], condition=condition.name)
            if condition.name != "C2" or is_at_once(shown):
                return shown
        return None


def is_at_once(witness: Witness) -> bool:
    """Whether the spike that only one of the trials has comes at the time of an input."""
    first, last = witness.spikes
    longer = first if len(first) > len(last) else last
    times = set(witness.trial.times)
    return len(first) != len(last) and any(t in times for t in longer)
