"""Inputs whose order counts: short-term plasticity, and an input that halves a current."""

import numpy as np
import pytest
from commands import run_ok
from scipy.integrate import solve_ivp

from derivations import compile_model
from sim.engine.choose import choose_engine, differentiate, simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.certification.certify import certify
from spiketheory.errors import InputError
from spiketheory.language.parse import build_model
from spiketheory.symbolic.inputs import ORDERED, classify_inputs

ENGINES = ["events", "plain"]
TIMES, CHANNELS = [1.0, 2.5, 3.0, 3.2, 6.0, 6.3], [0, 1, 0, 0, 1, 0]
WEIGHTS = [31.0, 23.0]
START = {"V": 0.2, "I": 0.4, "u": 0.5, "x": 0.8}


def make_plastic():
    """The synapse of M. V. Tsodyks and H. Markram, PNAS 94, 719 (1997), with facilitation."""
    return build_model(
        name="stp",
        equations="dV/dt = -V + I\ndI/dt = -I\ndu/dt = (0.5 - u)/10\ndx/dt = (1 - x)/tau_d",
        spike="V = 1", reset="V = 0", input="u += 0.5*(1 - u); I += w*u*x; x -= u*x",
        rest={"V": 0, "I": 0, "u": 0.5, "x": 1},
        parameters={"tau_d": {"default": 20.0, "domain": "tau_d > 0"}},
    )  # fmt: skip


@pytest.fixture(scope="module")
def plastic(tmp_path_factory):
    file = tmp_path_factory.mktemp("models") / "stp.toml"
    file.write_text(make_plastic().to_toml())
    return compile_model(str(file), backend="numpy")


def make_network(model, *, times=TIMES, channels=CHANNELS, weights=WEIGHTS, tau_d=20.0, start=None):
    """One neuron and two channels."""
    return Network(
        populations=[Population(name="n", model=model, size=1, parameters={"tau_d": tau_d},
                                initial=start or START)],
        inputs=[SpikeTrains(name="in", size=2, times=np.array(times), channels=channels)],
        projections=[Projection(pre="in", post="n", weights=np.array([weights]), delays=0.1)],
        duration=12.0,
    )  # fmt: skip


def integrate(times, channels, weights):
    """Spike times by scipy, the inputs one after the other in the order in which they stand."""

    def rate(_, s):
        return [-s[0] + s[1], -s[1], (0.5 - s[2]) / 10, (1 - s[3]) / 20]

    def threshold(_, s):
        return s[0] - 1

    threshold.terminal, threshold.direction = True, 1
    state, now, spikes = [START[k] for k in "VIux"], 0.0, []
    for time, weight in [*((t + 0.1, weights[c]) for t, c in zip(times, channels, strict=True)),
                         (12.0, None)]:  # fmt: skip
        while now < time:
            run = solve_ivp(rate, (now, time), state, "DOP853", events=threshold, rtol=1e-12,
                            atol=1e-14)  # fmt: skip
            now, state = run.t[-1], list(run.y[:, -1])
            if run.status == 1:
                spikes.append(now)
                state[0] = 0.0
        if weight is not None:
            u, x = state[2] + 0.5 * (1 - state[2]), state[3]
            state = [state[0], state[1] + weight * u * x, u, x - u * x]
    return spikes


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("tied", [False, True])
def test_spikes_are_those_of_an_independent_integration(engine, tied, plastic):
    times = [1.0, 1.0, 3.0, 3.0, 6.0, 6.3] if tied else TIMES
    want = integrate(times, CHANNELS, WEIGHTS)
    got = simulate(make_network(plastic, times=times), engine=engine).trains()[0]
    assert len(want) > 3
    assert np.allclose(got, want, rtol=0, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_inputs_of_one_instant_act_in_the_order_of_the_network(engine, plastic):
    times = [1.0, 1.0, 3.0, 3.0, 6.0, 6.3]
    found = [
        simulate(make_network(plastic, times=times, channels=order), engine=engine).trains()[0]
        for order in (CHANNELS, [1, 0, 1, 0, 1, 0])
    ]
    assert np.allclose(found[0], integrate(times, CHANNELS, WEIGHTS), rtol=0, atol=1e-9)
    assert np.allclose(found[1], integrate(times, [1, 0, 1, 0, 1, 0], WEIGHTS), rtol=0, atol=1e-9)
    assert abs(found[0][0] - found[1][0]) > 1e-3


def total(recording):
    """A sum of the spike times, each with a factor of its own."""
    return float(np.cos(1.0 + np.arange(len(recording.spike_time))) @ recording.spike_time)


def pull(network, engine):
    recording = simulate(network, engine=engine, record=True)
    slopes = np.cos(1.0 + np.arange(len(recording.spike_time)))
    return differentiate(recording, spike_time=slopes, parameters=True)


def find_slope(function, step=1e-4):
    one, two = ((function(h) - function(-h)) / (2 * h) for h in (step, 2 * step))
    return (4 * one - two) / 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("tied", [False, True])
def test_gradients_are_those_of_differences_with_the_order_kept(engine, tied, plastic):
    times = [1.0, 1.0, 3.0, 3.0, 6.0, 6.3] if tied else TIMES
    got = pull(make_network(plastic, times=times), engine)

    def measure(**changed):
        return total(simulate(make_network(plastic, **{"times": times} | changed), engine="plain"))

    for c in range(2):
        want = find_slope(lambda h, c=c: measure(
            weights=[w + h * (k == c) for k, w in enumerate(WEIGHTS)]))  # fmt: skip
        assert got.weights[0][0, c] == pytest.approx(want, rel=1e-6, abs=1e-7)
    by_tau = find_slope(lambda h: measure(tau_d=20.0 + h))
    assert got.parameters[0]["tau_d"] == pytest.approx(by_tau, rel=1e-6, abs=1e-8)
    for name, value in START.items():
        want = find_slope(lambda h, n=name, v=value: measure(start=START | {n: v + h}))
        assert got.initial[0][name].sum() == pytest.approx(want, rel=1e-6, abs=1e-7)
    if not tied:
        for k in range(len(times)):
            want = find_slope(lambda h, k=k: measure(
                times=[t + h * (i == k) for i, t in enumerate(times)]))  # fmt: skip
            assert got.input_times[0][k] == pytest.approx(want, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("engine", ENGINES)
def test_at_a_tie_the_derivative_by_a_time_is_that_of_the_side_that_keeps_the_order(
    engine, plastic
):
    times = [1.0, 1.0, 3.0, 3.2, 6.0, 6.3]
    got = pull(make_network(plastic, times=times), engine).input_times[0]
    for k, side in ((0, -1), (1, 1)):  # earlier for the first, later for the second
        values = [
            total(simulate(make_network(plastic, times=[
                t + side * h * 1e-4 * (i == k) for i, t in enumerate(times)]), engine="plain"))
            for h in (0, 1, 2)
        ]  # fmt: skip
        want = side * (-3 * values[0] + 4 * values[1] - values[2]) / 2e-4
        assert got[k] == pytest.approx(want, rel=1e-5)


@pytest.mark.slow
def test_a_certificate_does_not_claim_continuity():
    model = make_plastic()
    assert classify_inputs(model) == ORDERED
    certificate = certify(model)
    assert certificate.verdict in ("refuted", "undecided")


def test_derive_says_in_which_order_inputs_act(tmp_path):
    file = tmp_path / "stp.toml"
    file.write_text(make_plastic().to_toml())
    text = " ".join(run_ok("derive", "--model", file, "--no-cache").stdout.split())
    assert "one after the other, in the order in which the network lists its inputs" in text
    assert "spike times jump where two inputs swap" in text


def test_the_layer_engine_refuses_such_a_model(plastic):
    with pytest.raises(InputError, match="choose 'events', which runs every network"):
        choose_engine(make_network(plastic), "layers")
