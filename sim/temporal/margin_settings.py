"""Weight and width of the cost of maxima near the threshold, and for which models it is none."""

import numpy as np

from spiketheory.errors import InputError
from spiketheory.machine.compile import CompiledModel


def check_margin(
    model: CompiledModel, margin: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Weight and width of the cost of maxima near the threshold.

    Raises:
        InputError: If the model has no such maxima, or the width is not positive.
    """
    if margin is None:
        return None
    weight, width = map(float, margin)
    if not model.facts["HAS_PEAK"]:
        raise InputError(
            f"Expected a model whose potential may turn back below a threshold between two inputs "
            f"but got {model.name}, {why_no_margin(model)}; leave the margin out."
        )
    if not (width > 0 and np.isfinite(width) and weight >= 0 and np.isfinite(weight)):
        raise InputError(
            f"Expected a margin of weight >= 0 and width > 0 but got {weight} and {width}; the "
            "width is in units of the potential."
        )
    return weight, width


def why_no_margin(model: CompiledModel) -> str:
    """Why the maxima of a model's potential are not found."""
    if model.module.METHOD == "taylor":
        return "whose potential has no closed form and no maximum that was isolated"
    if model.threshold_coordinate < 0:
        return "whose spikes are at infinity, where none can be grazed"
    return (
        "whose potential rises or falls all the way between two inputs, moves with an input, or "
        "is held after a spike"
    )
