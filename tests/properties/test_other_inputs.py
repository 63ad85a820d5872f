"""Inputs that multiply, inputs that other variables scale, and neurons that take none."""

import numpy as np
import pytest
from commands import run_ok

from derivations import compile_model
from sim.engine.choose import differentiate, simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.certification.certify import certify
from spiketheory.errors import InputError, ModelError, ParseError
from spiketheory.language.model import NeuronModel
from spiketheory.language.parse import build_model, parse_model
from spiketheory.symbolic.inputs import ADD, COMMUTE, NONE, ORDERED, classify_inputs, explain_order

STEP = 1e-4
STARTS = {"scales": {"V": -0.2, "z": 1.1}, "gains": {"V": -0.2, "z": 1.1}, "stretches": {"V": -0.2}}
INPUTS = {"scales": "z *= 1 + w", "gains": "V += w*z", "stretches": "V *= w"}


def make_quadratic(name: str, effect: str, **more: object) -> NeuronModel:
    """A quadratic neuron, with a variable beside the potential unless it needs none."""
    second = "" if name in ("stretches", "alone") else "\ndz/dt = (1 - z)/tau"
    return build_model(
        name=name,
        equations=f"dV/dt = (V**2 + {'z' if second else '1'})/tau" + second,
        spike="V -> oo",
        reset="V = -oo",
        input=effect,
        rest={"V": 0} | ({"z": 1} if second else {}),
        parameters={"tau": {"default": 1.0, "domain": "tau > 0"}},
        **more,
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The compiled models by name."""
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for name, effect in {**INPUTS, "alone": ""}.items():
        file = folder / f"{name}.toml"
        file.write_text(make_quadratic(name, effect).to_toml())
        found[name] = compile_model(str(file), backend="numpy")
    return found


def make_network(model, times, weights, *, delays=(0.0, 0.3), start=None, tau=1.0):
    """Two neurons, of which the first drives the second, and a channel per input to the first."""
    given = start or STARTS[model.name]
    inward = np.stack([weights, weights])
    return Network(
        populations=[Population(
            name="n", model=model, size=2, parameters={"tau": tau},
            initial={k: np.broadcast_to(v, 2) - [0, 0.1] for k, v in given.items()},
        )],
        inputs=[SpikeTrains(name="in", size=len(times), times=np.array(times),
                            channels=np.arange(len(times)))],
        projections=[
            Projection(pre="in", post="n", weights=inward, delays=0.1),
            Projection(pre="n", post="n", weights=np.array([[1.0, 1.0], [0.7, 1.0]]),
                       mask=np.array([[False, False], [True, False]]), delays=0.2),
        ],
        duration=7.0,
    )  # fmt: skip


def measure(network):
    """A sum of all spike times, each with a factor of its own."""
    trains = simulate(network, engine="plain").trains()
    return sum(
        np.cos(1.0 + k + 3 * i) * t for i, train in enumerate(trains) for k, t in enumerate(train)
    )


def pull(network, engine):
    """Its gradient."""
    recording = simulate(network, engine=engine, record=True)
    slopes = np.zeros(len(recording.spike_time))
    for i in range(2):
        own = np.flatnonzero(recording.spike_neuron == i)
        slopes[own] = np.cos(1.0 + np.arange(len(own)) + 3 * i)
    assert len(slopes) > 3
    return differentiate(recording, spike_time=slopes, parameters=True)


def find_slope(function):
    """Derivative at 0 by differences, extrapolated."""
    one, two = ((function(h) - function(-h)) / (2 * h) for h in (STEP, 2 * STEP))
    return (4 * one - two) / 3


def find_sides(function):
    """One-sided derivatives at 0, from two steps each."""
    values = {h: function(h * STEP) for h in (-2, -1, 0, 1, 2)}
    return tuple((-3 * values[0] + 4 * values[s] - values[2 * s]) / (2 * s * STEP) for s in (-1, 1))


def change(values, place, by):
    """A list with one entry moved."""
    return [v + by * (k == place) for k, v in enumerate(values)]


WEIGHTS = {"scales": [0.8, -0.4, 0.5], "gains": [0.8, -0.4, 0.5], "stretches": [1.7, 0.6, 1.3]}
TIMES = [0.35, 0.9, 2.1]


@pytest.mark.parametrize("engine", ["events", "plain"])
@pytest.mark.parametrize("name", INPUTS)
def test_gradients_are_those_of_differences(name, engine, compiled):
    model, weights = compiled[name], WEIGHTS[name]
    got = pull(make_network(model, TIMES, weights), engine)

    def near(value):
        return pytest.approx(value, rel=2e-6, abs=2e-6)

    for k in range(3):
        by_weight = find_slope(lambda h, k=k: measure(make_network(
            model, TIMES, change(weights, k, h))))  # fmt: skip
        assert got.weights[0][:, k].sum() == near(by_weight)
        by_time = find_slope(lambda h, k=k: measure(make_network(
            model, change(TIMES, k, h), weights)))  # fmt: skip
        assert got.input_times[0][k] == near(by_time)
        assert abs(by_time) > 1e-3
    for variable, value in STARTS[name].items():
        by_start = find_slope(lambda h, v=variable, x=value: measure(make_network(
            model, TIMES, weights, start=STARTS[name] | {v: x + h})))  # fmt: skip
        assert got.initial[0][variable].sum() == near(by_start)
    by_tau = find_slope(lambda h: measure(make_network(model, TIMES, weights, tau=1 + h)))
    assert got.parameters[0]["tau"] == near(by_tau)


@pytest.mark.parametrize("engine", ["events", "plain"])
@pytest.mark.parametrize("name", INPUTS)
def test_the_derivative_by_the_time_of_a_tied_input_is_the_mean_of_both_sides(
    name, engine, compiled
):
    model, weights, times = compiled[name], WEIGHTS[name], [0.35, 0.35, 0.35]
    got = pull(make_network(model, times, weights), engine).input_times[0]
    kinks = []
    for k in range(3):
        sides = find_sides(
            lambda h, k=k: measure(make_network(model, change(times, k, h), weights))
        )
        kinks.append(abs(sides[0] - sides[1]))
        assert got[k] == pytest.approx(sum(sides) / 2, rel=1e-5, abs=1e-5)
    assert max(kinks) > 1e-2


@pytest.mark.parametrize(
    ("effect", "kind"),
    [("V += w", ADD), ("z += 2*w; V += w", ADD), ("V += w*z", ADD), ("z *= 1 + w", COMMUTE),
     ("V *= w", COMMUTE), ("z *= exp(w)", ADD), ("", NONE), ("V += 0*w", NONE), ("z = w", ORDERED)],
)  # fmt: skip
def test_how_simultaneous_inputs_go_together(effect, kind):
    model = make_quadratic("mine", effect)
    assert classify_inputs(model) == kind
    assert model.ports == (() if kind == NONE else ("default",))


@pytest.mark.parametrize(
    ("effect", "difference"),
    [("z = w", "-w_1 + w_2"), ("z *= w; z += w", "-w_1 + w_2"),
     ("V += w*sin(V)", "an expression that does not simplify to 0")],
)  # fmt: skip
def test_a_model_whose_inputs_do_not_commute_says_what_their_order_changes(effect, difference):
    model = make_quadratic("mine", effect)
    assert classify_inputs(model) == ORDERED
    said = explain_order(model)
    assert said.startswith("one after the other, in the order in which the network lists")
    assert f"differs by {difference}, so spike times jump where two inputs swap" in said


def test_a_neuron_without_input_goes_through_its_text_and_is_smooth():
    model = make_quadratic("alone", "")
    assert parse_model(model.to_toml()) == model
    assert 'input = ""' in model.to_toml()
    assert certify(make_quadratic("alone", "V += 0*w")).verdict == "smooth"
    assert certify(model).verdict == "smooth"


def test_an_input_that_is_left_out_or_does_not_depend_on_its_weight_is_refused():
    with pytest.raises(ParseError, match='input = "" if the neuron takes none'):
        build_model(name="m", equations="dV/dt = 1", spike="V = 1", reset="V = 0", rest={"V": 0})
    with pytest.raises(ModelError, match='V \\+= w, or input = "" if it takes none'):
        make_quadratic("mine", "V += 1")


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_neuron_without_input_spikes_by_itself_and_connections_to_it_are_refused(
    engine, compiled
):
    population = Population(name="n", model=compiled["alone"], size=1, initial={"V": [0.0]})
    found = simulate(Network(populations=[population], duration=5.0), engine=engine)
    assert found.spike_time == pytest.approx([np.pi / 2, np.pi * 3 / 2], abs=1e-12)
    for weight in (0.0, 1.0):
        options = {
            "populations": [population], "duration": 5.0,
            "projections": [Projection(pre="n", post="n", weights=np.array([[weight]]))],
        }  # fmt: skip
        if weight:
            with pytest.raises(
                InputError, match="n -> n to lead to neurons that take input but al"
            ):
                Network(**options)
        else:
            assert len(simulate(Network(**options), engine=engine).spike_time) == 2


def test_commands_take_them(tmp_path):
    file = tmp_path / "alone.toml"
    file.write_text(make_quadratic("alone", "").to_toml())
    assert run_ok("certify", "--model", file).stdout.startswith("Certificate of alone: smooth")
    assert "the neuron takes no input" in run_ok("derive", "--model", file, "--no-cache").stdout
