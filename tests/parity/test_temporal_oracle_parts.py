"""The parts of the oracle of networks that learn in time, each against a definition."""

import math
from dataclasses import replace

import mpmath
import pytest
from gmpy2 import mpfr
from mpmath import mp, mpf
from temporal import Layer, Network, Readout, Trial, condition, differentiate, draw, simulate
from temporal.arithmetic import exact, instant, to_mpf, working
from temporal.quadratic import Decaying, HalfTime
from temporal.readouts import find_logits

from derivations import read_neuron_model
from spiketheory.reference.neuron import Neuron

SPIKES = ((0.3, 0), (0.7, 1), (0.7, 2), (1.9, 0))
WEIGHTS = (1.5, -0.7, 2.2)
T = 2.5


def potential(t, taus):
    """V of the readout neuron: the response to each spike by the definition of a convolution."""
    tau_m, tau_s = map(mpf, taus)
    total = mpf(0)
    for time, j in SPIKES:
        u = t - mpf(str(time))
        if u > 0:
            a, b = 1 / tau_m, 1 / tau_s
            forced = mp.quad(lambda v, u=u, a=a, b=b: mp.exp(-a * (u - v) - b * v), [0, u])
            total += WEIGHTS[j] * forced / tau_m
    return total


def read(kind, weights, taus=(1.0, 0.5), width=None):
    with working():
        numbers = {"weights": [exact(list(weights))], "bias": [mpfr(0)],
                   "tau_m": [mpfr(taus[0])], "tau_s": [mpfr(taus[1])],
                   "width": exact(width)}  # fmt: skip
        spikes = [(instant(t), j) for t, j in SPIKES]
        return to_mpf(find_logits(kind, numbers, spikes, instant(T))[0])


@pytest.mark.parametrize("taus", [(1.0, 0.5), (0.5, 0.8), (0.75, 0.75), (0.75, 0.75 + 1e-15)])
def test_readouts_of_a_potential_are_their_integrals(taus):
    with mpmath.workdps(20):
        times = [mpf(str(t)) for t in sorted({t for t, _ in SPIKES})]
        integral = mp.quad(lambda t: mp.exp(-t / T) * potential(t, taus), [*times, T]) / T
        assert abs(read("leaky_integrator", WEIGHTS, taus) - integral) < mpf("1e-15")
        end = potential(mpf(T), taus)
        assert abs(read("potential_at_end", WEIGHTS, taus) - end) < mpf("1e-15")
        grid = [potential(mpf(k) * T / 50, taus) for k in range(51)]
        top = read("maximum", WEIGHTS, taus)
        assert max(grid) <= top < max(grid) + mpf("2e-3")


def test_readouts_of_spike_times_are_sums_over_kernels():
    assert float(read("count", WEIGHTS)) == pytest.approx(1.5 * 2 - 0.7 + 2.2, rel=1e-15)
    linear = sum(WEIGHTS[j] * (T - t) / T for t, j in SPIKES)
    assert float(read("linear_window", WEIGHTS)) == pytest.approx(linear, rel=1e-14)
    # h = 0.5: the centres are 0, 1 and 2, and each spike is in one window
    by_window = [[1.0, 10.0, 100.0]] * 3
    bump = [(1 + math.cos(math.pi * away / 0.5)) / 2 for away in (0.3, 0.3, 0.1)]
    expected = bump[0] + 2 * 10 * bump[1] + 100 * bump[2]
    assert float(read("windows", by_window, width=0.5)) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("current", [-3.0, 0.2, 5.0, 60.0, 3000.0])
def test_both_solutions_of_qif_agree(current):
    with working():
        parameters = {"tau_m": mpfr("1.3"), "tau_s": mpfr("1.3") / 2}
        for V in (-2.0, 0.9, 7.0, -float("inf")):
            pair = [
                c(parameters, {"V": mpfr(V), "I": mpfr(current)}, {}) for c in (HalfTime, Decaying)
            ]
            longest = instant(2.0)
            waits = [neuron.find(longest) for neuron in pair]
            assert (waits[0] is None) == (waits[1] is None)
            if waits[0] is not None:
                assert abs(waits[0] - waits[1]) < 10**5
                longest = waits[0] * 3 // 4
            for neuron in pair:
                neuron.advance(longest)
            assert abs(pair[0].V - pair[1].V) < mpfr("1e-42") * (1 + abs(pair[0].V))


@pytest.mark.parametrize("model", ["eif", "adex", "izhikevich", "lif", "lif_alpha", "qif"])
def test_a_neuron_is_that_of_the_reference_integrator(model):
    network, trial = draw(5, model, size=1, n_spikes=6, parameters="general")
    layer = network.layers[0]
    neuron_model = read_neuron_model(model)
    with mpmath.workdps(40):
        parameters = {n: mpf(v[0]) for n, v in layer.all_parameters.items()}
        neuron = Neuron(neuron_model, parameters, digits=30)
        start = [mpf(layer.all_initial[str(s)][0]) for s in neuron_model.state]
        inputs = [(mpf(str(t)), mpf(layer.weights[0][j])) for t, j in trial.inputs]
        expected, _ = neuron.run(start, inputs, mpf(str(trial.duration)))
        own = [t for t, _ in simulate(network, trial).spikes[0]]
        assert len(own) == len(expected) >= 1
        assert max(abs(a - b) for a, b in zip(own, expected, strict=True)) < mpf("1e-25")


def test_equal_time_constants_are_the_limit_of_unequal_ones():
    network, trial = draw(3, "lif_alpha", size=3, n_spikes=20)
    layer = network.layers[0]
    found = []
    for tau_s in (1.0, 1.0 + 2**-52):
        changed = replace(layer, parameters={"tau_m": 1.0, "tau_s": tau_s, "V_th": 0.5})
        result = simulate(replace(network, layers=[changed]), trial)
        found.append([t for t, _ in result.spikes[0]])
    assert len(found[0]) > 2
    assert max(abs(a - b) for a, b in zip(*found, strict=True)) < 1e-13


def make_pair(times, weights):
    """Two inputs of a theta neuron."""
    layer = Layer(model="theta", weights=[weights], initial={"V": [0.2]})
    readout = Readout(kind="linear_window", weights=[[1.0], [0.0]])
    trial = Trial(inputs=[(times[0], 0), (times[1], 1)], duration=3.0)
    return Network(layers=[layer], readout=readout), trial


def test_two_inputs_at_one_instant_have_a_kink():
    network, trial = make_pair((0.5, 0.5), [0.8, 0.6])
    gradient = differentiate(network, trial, ["inputs"])
    left, right = gradient.kinks["inputs", 0]
    assert abs(gradient.slopes["inputs", 0] - (left + right) / 2) < 1e-18
    near = [
        differentiate(*make_pair((0.5 + d, 0.5), [0.8, 0.6]), ["inputs"]).slopes["inputs", 0]
        for d in (-1e-9, 1e-9)
    ]
    assert abs(near[0] - left) < 1e-8
    assert abs(near[1] - right) < 1e-8
    assert abs(left - right) > 1e-3


def test_jumps_of_one_instant_are_applied_together():
    layer = Layer(model="lif_delta", weights=[[1.5, -0.8]])
    trial = Trial(inputs=[(0.5, 0), (0.5, 1)], duration=1.0)
    assert simulate(Network(layers=[layer]), trial).spikes == [[]]
    trial = replace(trial, inputs=[(0.5, 0), (0.6, 1)])
    assert len(simulate(Network(layers=[layer]), trial).spikes[0]) == 1


@pytest.mark.parametrize(("w", "n_spikes"), [(-0.5, 0), (0.0, 1), (0.5, 1)])
def test_an_input_comes_before_a_spike_of_that_instant(w, n_spikes):
    layer = Layer(model="lif_delta", weights=[[w]], initial={"V": [1.0]})
    trial = Trial(inputs=[(0.0, 0)], duration=1.0)
    assert len(simulate(Network(layers=[layer]), trial).spikes[0]) == n_spikes


def test_a_spike_acts_before_the_next_one_of_that_instant():
    layer = Layer(
        model="lif_delta", weights=[[1.5], [1.5], [0.0]],
        recurrent=[[0.0, 0.0, 0.0], [-0.8, 0.0, 0.0], [1.2, 0.0, 0.0]],
    )  # fmt: skip
    trial = Trial(inputs=[(0.5, 0)], duration=1.0)
    assert [j for _, j in simulate(Network(layers=[layer]), trial).spikes[0]] == [0, 2]


def test_delays_add_up_in_decimals():
    loop = Layer(model="lif_delta", weights=[[2.0, 0.6], [0.0, 0.6]],
                 recurrent=[[0.0, 0.0], [0.6, 0.0]], recurrent_delays=[0.2, 0.0])  # fmt: skip
    trial = Trial(inputs=[(0.1, 0), (0.3, 1)], duration=1.0)
    spikes = simulate(Network(layers=[loop]), trial).spikes[0]
    assert [(mpmath.nstr(t, 20), j) for t, j in spikes] == [("0.1", 0), ("0.3", 1)]


def test_a_spike_at_the_end_does_not_count():
    layer = Layer(model="lif_delta", weights=[[2.0]])
    trial = Trial(inputs=[(1.0, 0)], duration=1.0)
    assert simulate(Network(layers=[layer]), trial).spikes == [[]]


def test_a_graze_is_found_by_the_condition():
    layer = Layer(model="lif", weights=[[4.0]], parameters={"tau_m": 1.0, "tau_s": 0.5})
    readout = Readout(kind="linear_window", weights=[[1.0], [0.0]])
    trial = Trial(inputs=[(0.1, 0)], duration=3.0)
    # V peaks at w/4: at w = 4 (1 + d) the slope grows like 1/sqrt(d), by a part 1e-16/d
    values = []
    for w in (4.5, 4.0 * (1 + 1e-6)):
        changed = replace(layer, weights=[[w]])
        values.append(condition(Network(layers=[changed], readout=readout), trial))
    assert values[0] < 1e-14
    assert 1e-11 < values[1] < 1e-9
