"""The figure of a witness: the membrane potential on both sides of what breaks."""

import numpy as np
from mpmath import mpf

from spiketheory.certification.certificate import Witness
from spiketheory.documents.blocks import Figure
from spiketheory.documents.figure_svg import BLUE, GREY, STYLE, VERMILION, make_canvas, write_svg
from spiketheory.language.model import NeuronModel
from spiketheory.reference.neuron import Neuron

DIGITS = 20
POINTS = 200
SPAN = 3.0
"""Where V runs to infinity, it is cut off so many sizes of its middle half beyond that."""


def trace(model: NeuronModel, witness: Witness, value: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and membrane potentials of a witness's trial at one value, shape (POINTS,)."""
    trial = witness.trial.moved(witness.place, witness.number, value)
    neuron = Neuron(model, {n: mpf(v) for n, v in trial.parameters.items()}, digits=DIGITS)
    state, inputs = trial.list_initial(model), trial.list_inputs()
    grid = np.linspace(0.0, trial.duration, POINTS)
    potentials, last = [], mpf(0)
    for time in map(mpf, map(float, grid)):
        between = [(t - last, w) for t, w in inputs if last <= t < time]
        _, state = neuron.run(state, between, time - last)
        potentials.append(float(state[neuron.index]))
        last = time
    return grid, np.array(potentials)


def draw_witness(model: NeuronModel, witness: Witness) -> Figure:
    """The potential at either value, and the spikes."""
    from matplotlib import rc_context

    V = model.spike.variable.name
    with rc_context(STYLE):
        canvas, (axes,) = make_canvas(height=3.4)
        shown = []
        for value, spikes, color, style in zip(
            witness.values, witness.spikes, (BLUE, VERMILION), ("-", "--"), strict=True
        ):
            times, potentials = trace(model, witness, value)
            shown.append(potentials)
            label = f"{witness.parameter} = {value:.12g}"
            axes.plot(times, potentials, style, color=color, label=label)
            for time in spikes:
                axes.axvline(time, color=color, lw=0.9, ls=style, alpha=0.6)
        if not model.spike.is_blowup and not model.spike.value.free_symbols & set(model.state):
            values = {p.symbol: witness.trial.parameters[p.name] for p in model.parameters}
            axes.axhline(float(model.spike.value.subs(values)), color=GREY, lw=1.0, ls=":")
        finite = np.concatenate(shown)
        finite = finite[np.isfinite(finite)]
        low, high = np.quantile(finite, (0.25, 0.75))
        reach = SPAN * max(high - low, 1e-9)
        axes.set_ylim(
            max(finite.min(), low - reach) - reach / 12,
            min(finite.max(), high + reach) + reach / 12,
        )
        axes.set_ylabel(V)
        axes.set_xlabel("time")
        axes.legend()
        svg = write_svg(canvas, name=f"witness-{model.name}-{witness.condition}")
    caption = (
        f"{witness.condition}: {witness.what_moves} moves by "
        f"{witness.values[1] - witness.values[0]:.2g}, and {witness.change}. Thin vertical lines "
        f"are spikes. {V} at the first value (solid) and at the second (dashed)."
    )
    return Figure(svg=svg, caption=caption, alt=caption)
