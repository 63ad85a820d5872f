"""The side of the threshold that a neuron is on that goes on through its spikes.

It is a coordinate of the generated module, behind the chart's: no sign of V can tell it next to the
threshold, where rounding decides that sign.
"""

from spiketheory.generation.wrap import print_result
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import pick_name
from spiketheory.symbolic.derivation import Derivation

ARMED, ABOVE, CARRIED = "0.0", "1.0", "2.0"
"""Below the threshold, or on its way across it; above, where it must come back below before it
spikes again; carried across by an input, so that it spikes at once."""


def print_threshold(model: NeuronModel) -> str:
    """Text of the threshold, as an operand."""
    text = print_result(model.spike.value)
    return text if text.isidentifier() else f"({text})"


def name_side(derivation: Derivation) -> str:
    """Name of the coordinate."""
    taken = {
        *derivation.model.symbols,
        *derivation.shown.symbols,
        *(s.name for s in derivation.propagator.symbols),
    }
    taken |= {derivation.initial.symbol.name, *(c.symbol.name for c in derivation.constants)}
    return pick_name("above", taken)
