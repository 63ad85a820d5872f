import math
import re

import numpy as np
import pytest
from models import (
    generate_text,
    import_text,
    make_quadratic,
    mark_slow,
    pretend_once,
    pretend_verified,
)

from derivations import compile_model, list_models, read_neuron_model
from spiketheory.documents.figure_data import (
    choose_weights,
    find_unit,
    follow,
    make_neuron,
    respond,
)
from spiketheory.documents.figures import draw_figures, make_velocity, observe
from spiketheory.language.parse import build_model
from spiketheory.machine.compile import load_compiled
from spiketheory.symbolic.derive import derive

MODELS = ("theta", "qif_delta")
WITH_DEFAULTS = {"theta": (1.0, 1.25), "qif_delta": (1.0, 0.0)}


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def make(name):
    model = read_neuron_model(name)
    rest = [float(r) for r in model.rest]
    return make_neuron(compile_model(name, backend="numpy"), rest)


@pytest.fixture(scope="module")
def figures():
    return {
        name: draw_figures(
            pretend_once(read_neuron_model(name)),
            compiled=compile_model(name, backend="numpy"),
        )
        for name in MODELS
    }


def test_the_unit_of_weights_is_where_spikes_begin_or_come_in_half_the_time():
    assert find_unit(make("qif_delta")) == pytest.approx(1.0)  # rest 0, unstable fixed point 1
    neuron = make("theta")
    unit = find_unit(neuron)
    assert neuron.spike_time(unit) == pytest.approx(neuron.spike_time(0.0) / 2)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_differences_of_the_spike_times(name):
    neuron = make(name)
    for weight in (1.2, 2.5, 3.5):
        slope = (neuron.spike_time(weight + 1e-6) - neuron.spike_time(weight - 1e-6)) / 2e-6
        assert neuron.spike_time_D_w(weight) == pytest.approx(slope, rel=1e-7)


def test_without_a_spike_there_is_no_gradient():
    neuron = make("qif_delta")
    assert neuron.spike_time(0.5) == math.inf
    assert math.isnan(neuron.spike_time_D_w(0.5))


def test_the_response_of_theta_has_a_spike_everywhere():
    neuron = make("theta")
    response = respond(neuron, find_unit(neuron))
    assert response.boundaries == ()
    assert np.all(np.isfinite(response.times))
    assert np.all(np.diff(response.times) < 0)


def test_the_response_of_qif_diverges_where_spikes_begin():
    neuron = make("qif_delta")
    response = respond(neuron, find_unit(neuron))
    (boundary,) = response.boundaries
    assert boundary.weight == pytest.approx(1.0)
    assert boundary.diverges
    assert boundary.late
    assert boundary.spikes_above
    assert not boundary.at_once
    silent = response.weights < boundary.weight - 1e-9
    assert np.all(np.isinf(response.times[silent]))
    assert np.all(np.isfinite(response.times[response.weights > boundary.weight + 1e-9]))


def test_trajectories_obey_the_equation_up_to_the_spike():
    neuron = make("qif_delta")
    response = respond(neuron, find_unit(neuron))
    for line in follow(neuron, choose_weights(response)):
        assert line.states[0][0] == pytest.approx(line.weight)
        voltage, times = line.states[0], line.times
        middle = (voltage[1:] + voltage[:-1]) / 2
        slow = np.abs(middle) < 3
        speed = np.diff(voltage) / np.diff(times)
        assert speed[slow] == pytest.approx((middle * (middle - 1))[slow], rel=0.02, abs=0.02)
        if math.isfinite(line.spike_time):
            assert voltage[-1] > 1000
            assert times[-1] < line.spike_time


@pytest.mark.parametrize("name", MODELS)
def test_two_figures_show_potential_and_spike_time(figures, name):
    potential, spike_time = figures[name]
    for text in ("membrane potential V", "time t [tau]", "input weight w"):
        assert text in potential.svg
    for text in ("spike time [tau]", "derivative by w [tau]", "weight w of an input at time 0"):
        assert text in spike_time.svg
    assert "V → ∞" in potential.caption
    assert "tau = 1" in potential.caption
    assert potential.alt


def test_the_silent_range_and_the_divergence_are_marked_where_there_are_any(figures):
    assert "no spike" in figures["qif_delta"][1].svg
    assert "gradient diverges" in figures["qif_delta"][1].svg
    assert "grows without bound and its gradient diverges" in figures["qif_delta"][1].caption
    assert "no spike" not in figures["theta"][1].svg
    assert "There is a spike for every weight shown." in figures["theta"][1].caption


def test_ids_differ_between_figures_and_references_lead_to_them(figures):
    svgs = [figure.svg for name in MODELS for figure in figures[name]]
    ids = [found for svg in svgs for found in re.findall(r'\bid="([^"]*)"', svg)]
    assert len(ids) == len(set(ids))
    for svg in svgs:
        used = set(re.findall(r'(?:href="|url\()#([^")]*)', svg))
        assert used
        assert used <= set(ids)


def test_a_figure_holds_nothing_but_itself(figures):
    for svg in (figure.svg for name in MODELS for figure in figures[name]):
        assert svg.startswith("<svg")
        assert svg.endswith("</svg>")
        assert "<metadata" not in svg
        assert "xlink" not in svg
        assert "DOCTYPE" not in svg
        assert "var(--fig-ink, #222222)" in svg


def test_the_same_model_gives_the_same_figures(figures):
    again = draw_figures(
        pretend_once(read_neuron_model("theta")),
        compiled=compile_model("theta", backend="numpy"),
    )
    assert again == figures["theta"]


def test_the_code_is_generated_if_it_is_not_given(figures):
    drawn = draw_figures(pretend_once(read_neuron_model("qif_delta")))
    assert drawn == figures["qif_delta"]


def test_a_model_that_no_input_makes_spike_has_no_figures(tmp_path):
    model = make_quadratic("dv/dt = v**2 - v", {})
    text = generate_text(model).replace("def time_to_spike(", "def hidden(")
    text += "\n\ndef time_to_spike(*arguments):\n    return np.inf\n"
    compiled = load_compiled(import_text(text, tmp_path), backend="numpy")
    assert observe(model, compiled) is None
    assert draw_figures(pretend_verified(derive(model)), compiled=compiled) == ()


def test_a_model_without_units_and_parameters_is_drawn_too():
    model = make_quadratic("dv/dt = v**2 + 1", {})
    potential, spike_time = draw_figures(pretend_verified(derive(model)))
    assert "time t<" in potential.svg
    assert "spike time<" in spike_time.svg
    assert "Parameters" not in potential.caption


def test_the_direction_field_is_the_models_equation():
    model = build_model(
        name="two",
        equations="dV/dt = -V/tau + I\ndI/dt = -2",
        spike="V = 1",
        reset="V = 0",
        input="I += w",
        rest={"V": 0, "I": 0},
        parameters={"tau": {"default": 2.0, "domain": "tau > 0"}},
    )
    speeds = make_velocity(model)(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert [list(s) for s in speeds] == [[2.5, 3.0], [-2.0, -2.0]]


OTHERS = mark_slow([n for n in list_models() if n not in MODELS], "adex", "eif")


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_model_is_drawn_without_complaint(name):
    figures = draw_figures(
        pretend_once(read_neuron_model(name)),
        compiled=compile_model(name, backend="numpy"),
    )
    states = len(read_neuron_model(name).state)
    assert len(figures) == (3 if states == 2 else 2)
    if states == 2:
        assert "<svg" in figures[1].svg
        assert "direction of the model's equations" in figures[1].caption
