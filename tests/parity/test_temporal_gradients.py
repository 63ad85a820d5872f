"""Networks in time: spikes, loss and gradients are those of 50 digits, written from the textbook.

`temporal` shares nothing with the package; `tests/temporal_campaign.py` compares larger networks.
"""

from dataclasses import replace

import pytest
from temporal import condition, draw
from temporal.records import INTEGRATED, MODELS, READOUTS
from temporal_bridge import compare, without_delays_to_readout

CASES = {
    "theta-1": ("theta", 1, False, False, "default", "windows"),
    "theta-2": ("theta", 2, True, "some", "each", "leaky_integrator"),
    "theta-3": ("theta", 3, True, False, "each", "linear_window"),
    "qif_delta-2": ("qif_delta", 2, True, True, "each", "maximum"),
    "qif_delta-3": ("qif_delta", 3, False, True, "each", "potential_at_end"),
    "rapid_theta-1": ("rapid_theta", 1, True, False, "each", "windows"),
    "rapid_theta-2": ("rapid_theta", 2, True, "some", "default", "leaky_integrator"),
    "qif-1": ("qif", 1, True, True, "general", "maximum"),
    "qif-2": ("qif", 2, True, "some", "default", "leaky_integrator"),
    "qif-3": ("qif", 3, False, True, "each", "linear_window"),
    "lif-1": ("lif", 1, True, False, "default", "potential_at_end"),
    "lif-2": ("lif", 2, True, "some", "each", "leaky_integrator"),
    "lif-3": ("lif", 3, False, True, "default", "windows"),
    "lif_alpha-1": ("lif_alpha", 1, True, True, "each", "leaky_integrator"),
    "lif_delta-2": ("lif_delta", 2, True, "some", "each", "windows"),
    "lif_delta-3": ("lif_delta", 3, True, True, "default", "maximum"),
    "nlif-2": ("nlif", 2, True, "some", "each", "linear_window"),
    "nlif-3": ("nlif", 3, True, True, "default", "count"),
    "eif-1": ("eif", 1, True, True, "each", "leaky_integrator"),
    "izhikevich-1": ("izhikevich", 1, True, "some", "each", "linear_window"),
}
"""Model, layers, recurrence, delays, parameters, readout."""
SHORT = {"eif": 1.0, "izhikevich": 12.0}
MOST = {"lif_delta": 8, "qif": 1, "eif": 1, "lif_alpha": 1, "izhikevich": 1}
"""Random slopes of each kind, besides the largest; with lif_delta some are left out as tied."""


DRIVEN = {"lif_delta": ("I0", 0.8, 1.5), "izhikevich": ("c", 17.0, 12.0)}
"""Where inputs make neurons spike at once: the parameter that is raised so that they spike again by
themselves, by how much, and by what the weights are multiplied."""


def drive_more(layer, name, more, factor):
    """A layer of which one parameter is raised, and the weights from outside enlarged."""
    value = layer.all_parameters[name]
    raised = [v + more for v in value] if isinstance(value, list) else value + more
    weights = [[factor * w for w in row] for row in layer.weights]
    return replace(layer, weights=weights, parameters={**layer.all_parameters, name: raised})


def draw_case(case):
    model, n_layers, recurrent, delays, parameters, readout = case
    is_slow = model in INTEGRATED
    network, trial = draw(
        0 if is_slow else 1, model, n_layers=n_layers, size=2 if is_slow else 3,
        n_inputs=4 if is_slow else 6, n_spikes=16 if is_slow else 45,
        n_times=9 if is_slow else 25, recurrent=recurrent, delays=delays, parameters=parameters,
        readout=readout, duration=SHORT.get(model),
    )  # fmt: skip
    if readout == "windows":
        wide = 1.5 * trial.duration / len(network.readout.weights[0][0])
        network = replace(network, readout=replace(network.readout, width=wide))
    if model in DRIVEN:
        layers = [drive_more(layer, *DRIVEN[model]) for layer in network.layers]
        network = replace(network, layers=layers)
    # one channel twice at one instant
    trial = replace(trial, inputs=[*trial.inputs, trial.inputs[3]])
    return without_delays_to_readout(network), trial


@pytest.mark.parametrize("name", CASES)
def test_spikes_loss_and_gradients_are_those_of_50_digits(name):
    case = CASES[name]
    network, trial = draw_case(case)
    assert condition(network, trial, most=1) < 1e-12  # else there is nothing to compare
    found = compare(network, trial, most=MOST.get(case[0], 2))
    kinds = {"weights", "parameters", "initial", "inputs", "readout_weights", "bias"}
    kinds |= {"recurrent", "recurrent_delays"} if case[2] else set()
    kinds |= {"instants"} if case[0] != "rapid_theta" else set()
    kinds |= {"delays"} if case[1] > 1 else set()
    has_potential = case[5] in ("leaky_integrator", "potential_at_end", "maximum")
    kinds |= {"readout_parameters"} if has_potential else set()
    assert found.errors.keys() == kinds
    assert found.spikes < 1e-12
    assert found.loss < 1e-12
    assert found.worst < (1e-8 if case[0] in INTEGRATED else 1e-10), found.errors
    assert found.largest > 1e-3


def test_all_readouts_and_all_models_with_closed_forms_are_among_them():
    assert len(CASES) == 20
    assert {case[5] for case in CASES.values()} == set(READOUTS)
    assert {case[0] for case in CASES.values()} >= MODELS.keys() - set(INTEGRATED)
