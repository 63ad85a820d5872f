"""Pseudospikes of recurrent networks: continuous at T, and their derivatives are slopes."""

import numpy as np
import pytest
from test_recurrent import make

from sim.events.differentiate import differentiate
from sim.events.pseudospikes import find_outputs
from sim.events.simulate import simulate
from spiketheory.errors import InputError

CASES = {
    "theta": {"model": "theta", "I0": 1.25, "initial": {"V": [0.0, 0.8, -0.5]}},
    "qif_delta": {"model": "qif_delta", "I0": 0.6, "initial": {"V": [0.0, 0.8, -0.5]}},
    "rapid_theta": {"model": "rapid_theta", "initial": {"V": [0.0, 0.8, -0.5]}},
    "qif": {"model": "qif", "initial": {"V": [0.0, 0.8, -0.5], "I": [5.0, 7.0, 3.0]}},
}
WEIGHTS = np.array([[0.3, 1.2, 0.0], [0.7, -0.4, 0.5], [0.9, 0.6, 0.0]])
DIRECT = np.array([[0.0, 0.0, 0.0], [0.7, 0.0, 0.0], [0.9, 0.0, 0.0]])
"""Nobody hears of a spike at second hand."""
DELAYS = np.array([[0.0, 0.2, 0.0], [0.15, 0.0, 0.0], [0.0, 0.3, 0.0]])


def outputs(duration, *, n_required=2, weights=WEIGHTS, record=False, **case):
    network = make(weights, duration=duration, delays=DELAYS, **case)
    recording = simulate(network, record=record)
    return recording, find_outputs(recording, [0, 1, 2], n_required)


@pytest.mark.parametrize("name", CASES)
def test_output_times_are_continuous_where_spikes_leave_and_arrive_at_the_end(name):
    """The times at which a spike is sent, or arrives, are put at T from both sides."""
    case = CASES[name] | {"weights": WEIGHTS * 3 if name == "qif" else DIRECT}
    recording, _ = outputs(4.0, **case)
    assert len(recording.spike_time) >= 2
    sent = recording.spike_time.tolist()
    arrived = [
        t + d for t, i in zip(sent, recording.spike_neuron, strict=True) for d in DELAYS[:, i]
    ]
    compared = 0
    for moment in {*sent, *arrived}:
        if 0.01 < moment < 3.99:
            for step in (1e-7, 1e-9):
                early, late = (outputs(moment + s * step, **case)[1] for s in (-1, 1))
                # T moves, and with it pseudospikes; nothing jumps.
                np.testing.assert_allclose(early.times, late.times, rtol=0, atol=60 * step)
            compared += early.n_ordinary.tolist() != late.n_ordinary.tolist()
    assert compared >= (3 if name == "qif" else 1)


END = {"theta": 1.35, "qif_delta": 1.95, "rapid_theta": 0.7, "qif": 0.75}
"""A spike is under way then."""


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_output_times_are_slopes(name):
    case = CASES[name]
    bars = np.cos(np.arange(9.0)).reshape(3, 3)
    recording, found = outputs(END[name], n_required=3, record=True, **case)
    assert 0 < found.n_ordinary.sum() < 9
    assert len(recording.under_way) > 0
    gradients = differentiate(recording, outputs=(found, bars), parameters=True)

    def evaluate(**changes):
        return float((outputs(END[name], n_required=3, **case | changes)[1].times * bars).sum())

    def slope(change):
        h = 1e-6
        return (evaluate(**change(h)) - evaluate(**change(-h))) / (2 * h)

    for post, pre in zip(*np.nonzero(WEIGHTS), strict=True):

        def move(h, place=(post, pre)):
            moved = WEIGHTS.copy()
            moved[place] += h
            return {"weights": moved}

        assert gradients.weights[0][post, pre] == pytest.approx(slope(move), rel=2e-6, abs=1e-7)
    for variable, start in case["initial"].items():
        for i in range(3):

            def move_start(h, variable=variable, start=start, i=i):
                moved = list(start)
                moved[i] += h
                return {"initial": case["initial"] | {variable: moved}}

            got = gradients.initial[0][variable][i]
            assert got == pytest.approx(slope(move_start), rel=2e-6, abs=1e-7)
    for parameter, value in recording.network.populations[0].parameters.items():
        got = gradients.parameters[0][parameter]

        def move_parameter(h, parameter=parameter, value=value):
            return {parameter: value + h}

        assert got == pytest.approx(slope(move_parameter), rel=2e-6, abs=1e-7)


def test_a_silent_network_has_output_times_with_gradients():
    recording, found = outputs(0.1, record=True, **CASES["theta"])
    assert len(recording.spike_time) == 0
    assert (found.times > 0.1).all()
    gradients = differentiate(recording, outputs=(found, np.ones((3, 2))))
    assert (gradients.weights[0][WEIGHTS != 0] < 0).all()  # more input, earlier spikes


def test_models_without_pseudospikes_and_runs_that_were_stopped_are_refused():
    recording = simulate(make([[0.0]], model="lif"))
    with pytest.raises(
        InputError, match=r"Expected models with pseudospikes .* but lif of n has none"
    ):
        find_outputs(recording, [0])
    stopped = simulate(make([[0.0]], duration=1e4), on_advance=lambda a: True)
    with pytest.raises(InputError, match="Expected a run up to T=10000 but it stopped at"):
        find_outputs(stopped, [0])
    recording = simulate(make([[0.0]]))
    with pytest.raises(InputError, match="Expected output neurons 0 to 0"):
        find_outputs(recording, [1])
