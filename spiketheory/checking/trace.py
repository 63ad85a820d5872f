"""What a neuron's variables do over a trial, for figures."""

import numpy as np

from spiketheory.checking.loop import Loop, Run

SAMPLES = 400


def trace(
    loop: Loop, run: Run, neuron: int, variable: int, *, samples: int = SAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """A state variable over time.

    Args:
        loop: The event loop in floats.
        run: The trial.
        neuron: The neuron.
        variable: Place of the variable.
        samples: About how many points.

    Returns:
        Times and values, shape (P,) each; NaN breaks the line at the neuron's spikes.
    """
    T = float(run.trial.duration)
    times: list[float] = []
    values: list[float] = []
    pieces = [(e.starts[neuron], e.time, e.duration, e.neuron == neuron) for e in run.events]
    pieces.append((run.last[neuron], T, run.left, False))
    for start, end, duration, spikes in pieces:
        number = max(2, int(samples * duration / T))
        fractions = np.linspace(0, 1, number)
        if spikes:  # denser where the variable may blow up
            fractions = np.unique([*fractions[:-1], *(1 - np.logspace(-2, -9, 40))])
        for f in fractions:
            times.append(float(end - duration * (1 - f)))
            values.append(
                float(loop.leave(loop.step("flow", start, float(duration * f)))[variable])
            )
        if spikes:
            times.append(float(end))
            values.append(np.nan)
    return np.array(times), np.array(values)
