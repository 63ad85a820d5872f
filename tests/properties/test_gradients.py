"""Exact gradients and spike times against central differences in 50-digit arithmetic.

Errors of a gradient are relative to the largest entry of its array (weights of one layer, initial
values, input times), and entry by entry for entries above `SMALL` of the largest; those below
are sums that cancel. Spike times are compared absolutely, in units of tau.

Two spikes that reach a neuron at the same time are a kink: between delta inputs w1, w2 a curved
flow makes the derivative by the time of the one that comes first smaller by F'' w1 w2, so that it
depends on their order, which a tie leaves open. A central difference is the mean of both sides, and
so is what the simulator reports.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import oracle
import pytest
from hypothesis import assume, example, given
from networks import Case, cases, compiled

from sim.inputs.encoding import LatencyInput
from sim.layers.batch import record_spikes

GRADIENT_TOLERANCE = 1e-10
TIME_TOLERANCE = 1e-12
SMALL = 1e-3
NEGLIGIBLE = 1e-6
"""Arrays this much smaller than the largest array count as this large: floats add up to zero."""


def find_worst_errors(case, model):
    """Worst error of times, of gradients by array and of gradients entry by entry.

    Raises:
        AssertionError: If a neuron has not as many spikes as it should.
    """
    trial = case.make_trial()
    layers = oracle.run_layers(trial)
    network, outcome, gradients = case.run(model)
    arrays = list_arrays(gradients)
    rows = oracle.read_outputs(trial, layers, case.n_required)
    time_error = compare_trains(case, network, [t for layer in layers for t in layer.spikes])
    time_error = max(time_error, find_largest(rows, outcome.output_times[0]) / case.tau)
    assert outcome.loss[0] == pytest.approx(float(case.compute_loss(rows)), rel=1e-12, abs=1e-13)
    weights, initial, inputs = oracle.compute_gradients(trial, case.compute_loss, case.n_required)
    exact = [np.array(values, dtype=float) for values in [*weights, initial, inputs]]
    floor = NEGLIGIBLE * max(1e-8, *(np.abs(right).max() for right in exact))
    array_error, entry_error = 0.0, 0.0
    for right, got in zip(exact, arrays, strict=True):
        largest = max(np.abs(right).max(), floor)
        array_error = max(array_error, np.abs(got - right).max() / largest)
        tall = np.abs(right) > SMALL * largest
        if tall.any():
            entry_error = max(entry_error, np.max(np.abs(got / np.where(tall, right, 1) - 1)[tall]))
    return time_error, array_error, entry_error


def list_gaps(case):
    """Gaps between spikes that reach the same neurons; distances to T of all but output spikes."""
    layers = oracle.run_layers(case.make_trial())
    sources = [[t for t in case.inputs if t < math.inf]]
    sources += [[t for train in layer.spikes for t in train] for layer in layers[:-1]]
    to_end = [abs(t - case.duration) for times in sources for t in times]
    return [b - a for times in sources for a, b in itertools.pairwise(sorted(times))], to_end


def is_smooth(case):
    """Whether no central difference crosses a kink.

    There are two kinds: two spikes so close that a difference swaps them (exact ties are all
    right), and a hidden spike at T, where the pseudo rates' derivatives jump.
    """
    gaps, to_end = list_gaps(case)
    return all(gap == 0 or gap > 1e-9 for gap in gaps) and all(gap > 1e-9 for gap in to_end)


def list_arrays(gradients):
    return [*gradients.weights, gradients.initial, gradients.input_times[0]]


def compare_trains(case, network, wanted):
    """Largest difference of any ordinary spike, in units of tau."""
    times, neurons = record_spikes(network, LatencyInput(times=np.array([case.inputs]))).select(0)
    error = 0.0
    for i, train in enumerate(wanted):
        got = times[neurons == i]
        if not any(abs(t - case.duration) < 1e-9 for t in [*train, *got]):
            assert len(got) == len(train), f"neuron {i}: {len(got)} spikes, {len(train)} expected"
        for right, time in zip(train, got, strict=False):
            error = max(error, abs(float(right - oracle.exact(time))) / case.tau)
    return error


def find_largest(rows, times):
    """Largest difference between exact numbers [output][k] and an array."""
    return max(
        abs(float(right - oracle.exact(got)))
        for row, gots in zip(rows, times, strict=True)
        for right, got in zip(row, gots, strict=True)
    )


def check_gradients(case, model=None):
    times, arrays, entries = find_worst_errors(case, model or compiled(case.model))
    assert times <= TIME_TOLERANCE
    assert arrays <= GRADIENT_TOLERANCE
    assert entries <= GRADIENT_TOLERANCE


SILENT = Case(
    duration=0.8,
    weights=(((0.01, -0.02),), ((0.03, 0.01), (-0.02, 0.04)), ((0.02,), (0.01,))),
    initial=(1.0, 1.5, 1.2, 0.7, 0.4),
    inputs=(0.3,),
    n_required=2,
    targets=((2.5, 5.0),),
)
SILENT_AT_REST = replace(SILENT, model="qif_delta", I0=0.0, initial=(0.0, 0.1, -0.2, 0.3, 0.0))
SATURATED = Case(
    duration=25.0,
    weights=(((2.0, 3.0), (1.5, -1.0)), ((1.0, 2.0), (2.0, 1.0)), ((1.5,), (0.5,))),
    initial=(1.0, 2.0, 0.5, 1.5, 1.0),
    inputs=(0.5, 3.0),
    n_required=3,
    targets=((1.0, 2.0, 3.0),),
)
TWINS = Case(
    duration=6.0,
    weights=(((2.0, 2.0),), ((1.5, 0.5), (-0.7, 0.5))),
    initial=(1.0, 1.0, 0.3, 1.4),
    inputs=(0.5,),
    label=1,
)
EXACT_TIE = Case(
    model="qif_delta",
    I0=0.25,
    duration=4.0,
    weights=(((5.0, 0.5), (1.5, 1.0)), ((1.5,), (0.8,))),
    initial=(1.5, 1.0, 0.5),
    inputs=(1.0, 1.0),
    n_required=2,
    targets=((2.0, 5.0),),
)
SPIKE_AT_END = Case(
    model="qif_delta",
    I0=0.25,
    duration=1.0,
    weights=(((0.0,),),),
    initial=(1.5,),
    inputs=(0.5,),
    n_required=2,
    targets=((2.0, 3.0),),
)
BOUNDARY_PHASES = Case(
    duration=4.0,
    weights=(((2.0, 1.0),), ((1.0,), (-1.0,))),
    initial=(0.0, math.pi, 1.0),
    inputs=(0.7,),
    label=0,
)
HIDDEN_AND_OUTPUT_TOGETHER = Case(
    I0=1.0,
    duration=2.0,
    weights=(((0.0,),), ((0.1,),)),
    initial=(1.8137993642342178, 1.8137993642342178),
    inputs=(0.0,),
    targets=((0.0,),),
)
HAND_MADE = {
    "silent": SILENT,
    "silent at rest": SILENT_AT_REST,
    "saturated": SATURATED,
    "saturated, oscillating qif": replace(SATURATED, model="qif_delta"),
    "identical neurons": TWINS,
    "input exactly at a spike": EXACT_TIE,
    "spike exactly at the end": SPIKE_AT_END,
    "hidden and output spikes at the same time": HIDDEN_AND_OUTPUT_TOGETHER,
    "input at 0": replace(TWINS, inputs=(0.0,)),
    "phases at their bounds": BOUNDARY_PHASES,
    "no input spikes": replace(TWINS, inputs=(math.inf,)),
    "all inputs too late": replace(TWINS, inputs=(6.5,)),
}


@given(case=cases())
@example(case=SILENT)
@example(case=SILENT_AT_REST)
@example(case=TWINS)
@example(case=EXACT_TIE)
@example(case=HIDDEN_AND_OUTPUT_TOGETHER)
def test_gradients_agree_with_central_differences_in_50_digit_arithmetic(case):
    assume(is_smooth(case))
    check_gradients(case)


@pytest.mark.parametrize("name", HAND_MADE)
def test_gradients_are_exact_in_the_hand_made_case(name):
    check_gradients(HAND_MADE[name])


def test_the_silent_cases_are_silent_and_the_saturated_one_is_saturated():
    for case in (SILENT, SILENT_AT_REST):
        assert not any(train for layer in oracle.run_layers(case.make_trial())
                       for train in layer.spikes)  # fmt: skip
    layers = oracle.run_layers(SATURATED.make_trial())
    assert min(len(train) for layer in layers for train in layer.spikes) >= 7


def test_gradients_of_tied_spikes_are_the_mean_of_both_orders_in_one_pass():
    _, arrays, _ = find_worst_errors(TWINS, compiled("theta"))
    assert arrays <= GRADIENT_TOLERANCE


def test_identical_neurons_spike_at_the_same_floating_point_time():
    network, _, _ = TWINS.run(compiled("theta"))
    times, neurons = record_spikes(network, LatencyInput(times=np.array([TWINS.inputs]))).select(0)
    assert times[neurons == 0].tolist() == times[neurons == 1].tolist() != []


@pytest.mark.parametrize("shift", [-1e-9, -1e-15, 0.0, 1e-15, 1e-9])
@pytest.mark.parametrize("model", ["theta", "qif_delta"])
def test_gradients_are_exact_when_an_input_meets_a_spike(model, shift):
    case = replace(TWINS, model=model, inputs=(9.0,), initial=(1.0, 1.7, 0.3, 1.4))
    network, _, _ = case.run(compiled(model))
    spike = record_spikes(network, LatencyInput(times=np.array([[9.0]]))).time[0]
    check_gradients(replace(case, inputs=(spike + shift,)))


def test_far_below_threshold_gradients_fade_and_their_error_stays_absolute():
    # V0 is forgotten like exp(-2 kappa T) = 1e-12 here; 1 - tanh(kappa T) cancels to ~1e-16
    case = replace(
        SILENT_AT_REST, I0=-0.75, duration=14.0, weights=(((0.3,),),), initial=(0.1,),
        inputs=(13.5,), targets=((20.0, 30.0),),
    )  # fmt: skip
    _, _, gradients = case.run(compiled("qif_delta"))
    weights, initial, _ = oracle.compute_gradients(case.make_trial(), case.compute_loss, 2)
    assert abs(float(initial[0])) < 1e-10
    np.testing.assert_allclose(gradients.weights[0][0, 0], float(weights[0][0][0]), rtol=1e-10)
    scale = np.abs(gradients.weights[0]).max()
    np.testing.assert_allclose(gradients.initial[0], float(initial[0]), rtol=0, atol=1e-14 * scale)


@pytest.mark.slow
def test_gradients_of_thousands_of_networks_agree():
    rng = np.random.default_rng(7)
    worst = 0.0
    for _ in range(3000):
        sizes = rng.integers(1, 4, rng.integers(2, 6))
        case = Case(
            duration=rng.uniform(0.5, 9),
            weights=tuple(
                tuple(map(tuple, rng.normal(size=shape) * rng.choice([0.3, 1, 3])))
                for shape in itertools.pairwise(sizes)
            ),
            initial=tuple(rng.uniform(0.01, 3.1, sizes[1:].sum())),
            inputs=tuple(rng.uniform(0, 8, sizes[0])),
            n_required=2,
            targets=tuple(map(tuple, rng.uniform(0, 9, (sizes[-1], 2)))),
        )
        worst = max(worst, *find_worst_errors(case, compiled("theta"))[:2])
    assert worst < 1e-11
