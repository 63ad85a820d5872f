"""Along straight paths in weight space spikes only shift: they never appear or vanish before T.

The k-th spike of every neuron is a continuous function of the weights: for outputs with their
pseudospikes, for hidden neurons clipped at T (a spike that leaves through T stays there). Where
times move fastest the path is cut in half again and again: a steep place gets flat, a jump stays.
"""

import itertools

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from networks import cases, compiled, freeze, latencies, trains

from sim.layers.batch import record_spikes, run_batch
from sim.losses import make_linear_loss
from sim.network.layer_stack import LayerStack

GRID = 24
SMALLEST_STEP = 1e-12
LARGEST_JUMP = 1e-6
"""Left at the smallest step: slopes up to 1e6 are let through (1e3 does occur), jumps are not."""


def follow_times(case, model, n_spikes):
    """Function of the weights that returns the k-th spike times of all neurons, k < n_spikes."""
    inputs = latencies(case.inputs)
    loss = make_linear_loss(n_required=n_spikes)

    def times(weights):
        network = LayerStack(
            model=model, parameters={"tau": case.tau, "I0": case.I0}, duration=case.duration,
            weights=weights, initial=np.array(case.initial),
        )  # fmt: skip
        n_outputs = network.layer_sizes[-1]
        outcome, _ = run_batch(network, inputs, np.zeros((1, n_outputs, n_spikes)), loss)
        when, who = record_spikes(network, inputs).select(0)
        hidden = np.full((network.n_hidden, n_spikes), case.duration)
        for i in range(network.n_hidden):
            train = when[who == i][:n_spikes]
            hidden[i, : len(train)] = train
        return np.concatenate([hidden.ravel(), outcome.output_times.ravel()])

    return times


def refine_fastest(times):
    """Jump that is left when the fastest step of a path has been halved down to a tiny one.

    Args:
        times: Function of the position s in [0, 1] on the path.
    """
    grid = np.linspace(0, 1, GRID + 1)
    values = [times(s) for s in grid]
    jumps = [np.abs(b - a).max() for a, b in itertools.pairwise(values)]
    k = int(np.argmax(jumps))
    (low, high), (before, after) = grid[k : k + 2], values[k : k + 2]
    while high - low > SMALLEST_STEP:
        middle = 0.5 * (low + high)
        value = times(middle)
        if np.abs(value - before).max() > np.abs(after - value).max():
            high, after = middle, value
        else:
            low, before = middle, value
    return float(np.abs(after - before).max())


def find_jump(case, model, target):
    """Largest jump left on the straight path from a case's weights to other weights."""
    start = [np.array(w) for w in case.weights]
    end = [np.array(w) for w in target]
    times = follow_times(case, model, n_spikes=6)

    def path(s):
        return times(tuple((1 - s) * a + s * b for a, b in zip(start, end, strict=True)))

    return refine_fastest(path)


@st.composite
def paths(draw):
    """A case and other weights of the same shapes."""
    case = draw(cases())
    weight = st.floats(-3, 3)
    return case, freeze([[[draw(weight) for _ in row] for row in w] for w in case.weights])


@given(path=paths())
def test_spike_times_move_continuously_along_paths_in_weight_space(path):
    case, target = path
    assert find_jump(case, compiled(case.model), target) <= LARGEST_JUMP


@given(path=paths())
def test_the_number_of_ordinary_spikes_changes_only_through_the_end_of_the_trial(path):
    case, target = path
    start, end = ([np.array(w) for w in weights] for weights in (case.weights, target))
    model = compiled(case.model)

    def spikes(s):
        network = LayerStack(
            model=model, parameters={"tau": case.tau, "I0": case.I0}, duration=case.duration,
            weights=tuple((1 - s) * a + s * b for a, b in zip(start, end, strict=True)),
            initial=np.array(case.initial),
        )  # fmt: skip
        return trains(network, latencies(case.inputs))

    low, high = 0.0, 1.0
    before, after = spikes(low), spikes(high)
    counts = [len(t) for t in before]
    assume(counts != [len(t) for t in after])
    while high - low > 1e-12:
        middle = spikes(0.5 * (low + high))
        if [len(t) for t in middle] == counts:
            low, before = 0.5 * (low + high), middle
        else:
            high, after = 0.5 * (low + high), middle
    for fewer, more in zip(before, after, strict=True):
        fewer, more = sorted((fewer, more), key=len)
        if len(more) > len(fewer):
            assert case.duration - more[len(fewer)] < LARGEST_JUMP
