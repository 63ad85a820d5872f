"""Trials in 50 digits, against closed forms and against the reference files."""

import mpmath
import numpy as np
import pytest
from models import make_model
from mpmath import mpf

from derivations import read_neuron_model
from spiketheory.reference.neuron import Neuron


def make(name, **values):
    model = read_neuron_model(name) if isinstance(name, str) else name
    parameters = {p.name: mpf(values.get(p.name, p.default)) for p in model.parameters}
    return Neuron(model, parameters)


def test_an_oscillator_spikes_with_its_period():
    neuron = make("theta")
    with mpmath.workdps(50):
        period = mpmath.pi
        spikes, _ = neuron.run([mpf(1) / 2], [], mpf(10))
        assert len(spikes) == 3
        assert all(abs(t - (k + mpf(1) / 2) * period) < mpf("1e-45") for k, t in enumerate(spikes))


@pytest.mark.parametrize("d", [1e-2, 1e-6, 1e-10, 1e-13])
def test_a_graze_is_decided_on_the_right_side(d):
    neuron = make("lif")  # tau_m = 2 tau_s: V has the maximum w/4 at log 2 after an input
    with mpmath.workdps(50):
        for sign in (1, -1):
            weight = 4 * (1 + sign * mpf(d))
            spikes, _ = neuron.run(neuron.rest, [(mpf(1), weight)], mpf(5))
            assert len(spikes) == (sign > 0)
            if spikes:  # 1 = w (a - a^2)
                a = (1 + mpmath.sqrt(1 - 4 / weight)) / 2
                assert abs(spikes[0] - 1 + mpmath.log(a)) < mpf("1e-40")


def test_a_spike_at_once_loses_the_charge_that_the_reset_does_not_keep():
    neuron = make("lif_delta")
    spikes, end = neuron.run([mpf(0)], [(mpf(1), mpf(3)), (mpf(1), mpf("0.5"))], mpf(1))
    assert spikes == [mpf(1)]
    assert end == [mpf("0.5")]


def test_a_threshold_that_depends_on_the_state_is_reached():
    model = make_model(
        "dV/dt = 1\ndh/dt = -h/tau", spike="V = 1 + h", reset="V = 0", input="h += w",
        positive="tau",
    )  # fmt: skip
    neuron = make(model)
    with mpmath.workdps(50):
        spikes, end = neuron.run([mpf(0), mpf(1)], [], mpf(2))
        root = mpmath.findroot(lambda t: t - 1 - mpmath.exp(-t), 1.2)
        assert len(spikes) == 1
        assert abs(spikes[0] - root) < mpf("1e-40")
        assert abs(end[0] - (2 - root)) < mpf("1e-40")


def test_a_quartic_blow_up_is_followed_to_infinity():
    model = make_model("dV/dt = V**4", spike="V -> oo", reset="V = -2", input="V += w")
    neuron = make(model)
    with mpmath.workdps(50):
        spikes, _ = neuron.run([mpf(1)], [], mpf("0.4"))
        assert len(spikes) == 1
        assert abs(spikes[0] - mpf(1) / 3) < mpf("1e-40")


def test_a_peak_at_moderate_potentials_is_not_passed_by_an_exponential():
    model = make_model("dV/dt = exp(V)", spike="V = 2", reset="V = 0", input="V += w")
    neuron = make(model)
    with mpmath.workdps(50):
        spikes, _ = neuron.run([mpf(0)], [], mpf(1))
        assert len(spikes) == 1
        assert abs(spikes[0] - (1 - mpmath.exp(-2))) < mpf("1e-40")


@pytest.mark.parametrize("name", ["qif", "lif"])
def test_the_reference_trials_of_one_neuron_agree(name, reference_dir):
    with np.load(reference_dir / f"{name}_recurrent.npz") as file:
        key = {k: file[k] for k in file.files}
    model = read_neuron_model(name)
    given = {p.name: float(key[p.name]) for p in model.parameters if p.name in key}
    neuron = make(name, **given)
    i = 0  # every input of this neuron: from outside, and the spikes of the others as they came
    inputs = [
        (float(t), float(key["input_weights"][i, m]))
        for t, m in zip(key["input_times"], key["input_neurons"], strict=True)
    ]
    inputs += [
        (float(t), float(key["weights"][i, j]))
        for t, j in zip(key["spike_time"], key["spike_neuron"], strict=True) if j != i
    ]  # fmt: skip
    inputs = sorted((mpf(t), mpf(w)) for t, w in inputs if w)
    start = [mpf(float(key[f"{s.name}0"][i])) for s in model.state]
    expected = key["spike_time"][key["spike_neuron"] == i]
    if key["weights"][i, i]:
        pytest.skip("this neuron drives itself")
    spikes, _ = neuron.run(start, inputs, mpf(float(key["T"])))
    assert np.allclose([float(t) for t in spikes], expected, rtol=1e-11, atol=0)
