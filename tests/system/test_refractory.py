"""Neurons with refractory periods: against DOP853, 50 digits, differences, engine by engine."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from models import derive_once, generate_text, pretend_verified, verify_derivation
from one_answer import GRADIENTS, TIMES, compare, run_plain
from scipy.integrate import solve_ivp

from derivations import compile_model
from sim.engine.choose import differentiate, simulate
from sim.network.layer_stack import LayerStack
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.certification.certify import certify
from spiketheory.documents.document import document
from spiketheory.errors import DerivationError, ModelError, ParseError, VerificationError
from spiketheory.generation import generate
from spiketheory.language.parse import build_model, parse_model, read_model
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.neuron import Neuron
from spiketheory.verification import refractory

FOLDER = Path(__file__).resolve().parents[1] / "models"
CHANNELS = 12
WEIGHTS = {
    "lif_refractory": (0.15, 0.1), "logistic_refractory": (0.2, 0.3),
    "threshold_refractory": (0.15, 0.1),
}  # fmt: skip
NAMES = (*WEIGHTS, "qif_refractory", "qif_current_refractory")
FINITE = tuple(WEIGHTS)


@lru_cache
def read(name):
    return read_model(FOLDER / f"{name}.toml")


@lru_cache
def compile_named(name):
    return compile_model(str(FOLDER / f"{name}.toml"), backend="numpy")


def draw_inputs(name, duration):
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0, duration, CHANNELS))
    return times, rng.normal(*WEIGHTS.get(name, (0.5, 0.5)), CHANNELS)


def run(name, times, weights, duration, *, engine="events", **parameters):
    network = Network(
        populations=[
            Population(name="cell", model=compile_named(name), size=1, parameters=parameters)
        ],
        inputs=[SpikeTrains(name="in", size=CHANNELS, times=times, channels=np.arange(CHANNELS))],
        projections=[Projection(pre="in", post="cell", weights=weights[None, :])],
        duration=duration,
    )
    return simulate(network, record=True, engine=engine)


def integrate(name, times, weights, duration):
    """Spike times by DOP853, with a restart at every event; V has a finite threshold."""
    model = read(name)
    values = {p.symbol: p.default for p in model.parameters}

    def bind(expressions, *more):
        return sp.lambdify([model.state, *more], [e.subs(values) for e in expressions])

    field, reset, jump = bind(model.derivatives), bind(model.reset), bind(model.jump, WEIGHT)
    place = model.state.index(model.spike.variable)
    height = sp.lambdify([model.state], (model.state[place] - model.spike.value).subs(values))
    held = np.array([s in model.refractory.hold for s in model.state])
    period = float(model.refractory.time.subs(values))
    options = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-14}

    def crosses(t, y):
        return height(y)

    crosses.terminal, crosses.direction = True, 1
    state = np.array([float(r.subs(values)) for r in model.rest])
    now, until, spikes = 0.0, 0.0, []
    for time, weight in [*zip(times, weights, strict=True), (duration, None)]:
        while now < time:
            if now < until:
                end = min(until, time)
                state = solve_ivp(
                    lambda t, y: np.where(held, 0.0, field(y)), (now, end), state, **options
                ).y[:, -1]
                now = end
                if now == until and height(state) >= 0:
                    spikes.append(now)
                    state, until = np.array(reset(state), dtype=float), now + period
                continue
            found = solve_ivp(lambda t, y: field(y), (now, time), state, events=crosses, **options)
            state, now = found.y[:, -1], found.t[-1]
            if len(found.t_events[0]):
                spikes.append(now)
                state, until = np.array(reset(state), dtype=float), now + period
        if weight is not None:
            after = np.array(jump(state, weight), dtype=float)
            state = np.where(held, state, after) if now < until else after
            if now >= until and height(state) >= 0:
                spikes.append(now)
                state, until = np.array(reset(state), dtype=float), now + period
    return np.array(spikes)


@pytest.mark.parametrize("name", FINITE)
def test_spikes_come_when_direct_integration_says(name):
    times, weights = draw_inputs(name, 90.0)
    found = run(name, times, weights, 90.0).spike_time
    wanted = integrate(name, times, weights, 90.0)
    assert len(found) == len(wanted) >= 8
    np.testing.assert_allclose(found, wanted, rtol=1e-11)


@pytest.mark.parametrize("name", ["qif_refractory", "qif_current_refractory"])
def test_spikes_at_infinity_come_when_50_digits_say(name):
    times, weights = draw_inputs(name, 8.0)
    found = run(name, times, weights, 8.0).spike_time
    model = read(name)
    neuron = Neuron(model, model.check_parameters({}), digits=25)
    wanted, _ = neuron.run(neuron.rest, list(zip(times, weights, strict=True)), 8.0)
    assert len(found) == len(wanted) >= 2
    np.testing.assert_allclose(found, np.array(wanted, dtype=float), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_differences(name):
    duration = 40.0 if name in FINITE else 8.0
    compare_gradients(name, *draw_inputs(name, duration), duration)


def test_a_neuron_beyond_its_threshold_when_the_period_ends_spikes_there_and_then():
    """An input takes the threshold below V, which is held, and so loses that input."""
    name = "threshold_refractory"
    times = np.linspace(2.0, 24.0, CHANNELS)
    weights = np.where(np.arange(CHANNELS) == 7, -4.0, 0.15)
    found = run(name, times, weights, 26.0).spike_time
    np.testing.assert_allclose(found, integrate(name, times, weights, 26.0), rtol=1e-11)
    model = read(name)
    neuron = Neuron(model, model.check_parameters({}), digits=25)
    wanted, _ = neuron.run(neuron.rest, list(zip(times, weights, strict=True)), 26.0)
    np.testing.assert_allclose(found, np.array(wanted, dtype=float), rtol=1e-12)
    again, _ = neuron.run([-7, -9], [(0.5, 3)], 8)  # every reset leads beyond the threshold
    np.testing.assert_allclose(np.array(again, dtype=float), [0.5, 2.5, 4.5, 6.5], rtol=1e-14)
    at_release = np.isclose(np.diff(found), 2.0, rtol=1e-14)
    assert np.count_nonzero(at_release) == 1
    for duration in (26.0, found[1:][at_release][0] + 0.1):
        compare_gradients(name, times, weights, duration)


def compare_gradients(name, times, weights, duration):
    """The last spike's, by weights, input times and parameters."""
    recording = run(name, times, weights, duration)
    last = len(recording.spike_time) - 1
    slopes = np.eye(last + 1)[last]
    found = differentiate(recording, spike_time=slopes, parameters=True)
    step = 1e-6

    def differ(change):
        above, below = (run(name, *change(sign * step)).spike_time[last] for sign in (1, -1))
        return (above - below) / (2 * step)

    directions = np.eye(CHANNELS)
    by_weight = [differ(lambda h, d=d: (times, weights + h * d, duration)) for d in directions]
    by_time = [differ(lambda h, d=d: (times + h * d, weights, duration)) for d in directions]
    np.testing.assert_allclose(found.weights[0][0], by_weight, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.input_times[0], by_time, rtol=1e-5, atol=1e-7)
    assert np.abs(by_weight).max() > 1e-2
    for parameter in read(name).parameters:

        def vary(h, parameter=parameter):
            changed = {parameter.name: parameter.default + h}
            return run(name, times, weights, duration, **changed).spike_time[last]

        want = (vary(step) - vary(-step)) / (2 * step)
        np.testing.assert_allclose(
            found.parameters[0][parameter.name], want, rtol=1e-5, atol=1e-6,
            err_msg=parameter.name,
        )  # fmt: skip


def test_layers_events_and_the_plain_engine_give_one_answer():
    rng = np.random.default_rng(0)
    for _ in range(2):
        sizes = ((3, 4), (4, 4), (4, 2))
        network = LayerStack(
            model=compile_named("qif_refractory"), duration=2.0,
            weights=tuple(rng.normal(1, 2, size) for size in sizes),
        )  # fmt: skip
        times = np.array([0.1, 0.4, 0.4])
        for options in ({}, {"other": run_plain}):
            by_time, by_gradient = compare(network, times, 3, **options)
            assert by_time <= TIMES
            assert by_gradient <= GRADIENTS


def test_an_input_within_the_period_is_lost_and_one_at_its_end_counts():
    """The first input makes the neuron spike at once, so that the period ends at 3 exactly."""
    model = build_model(
        name="counts", equations="dV/dt = -V", spike="V = 1", reset="V = 0", input="V += w",
        refractory={"time": 2}, rest={"V": 0},
    )  # fmt: skip
    neuron = Neuron(model, {})
    for time, spikes in ((2.875, 1), (3.0, 2), (3.125, 2)):
        found, _ = neuron.run([0.0], [(1.0, 2.0), (time, 2.0)], 5.0)
        assert len(found) == spikes
    assert "lost" in derive_once(model).steps[-1].text


@pytest.mark.parametrize("slip", ["release_slope(*at_end", "held_flow_vjp(V, a"])
def test_a_wrong_derivative_where_the_period_ends_is_found(monkeypatch, slip):
    changed = {
        "release_slope(*at_end": "2.0 * release_slope(*at_end",
        "held_flow_vjp(V, a": "free_reset_vjp(V, a",
    }[slip]
    printed = generate.print_source

    def print_wrongly(ir, target):
        text = printed(ir, target)
        assert slip in text
        if slip.startswith("held"):
            return text.replace(
                "return held_flow_vjp(V, a, left,", "return held_flow_vjp(V, a, 2 * left,"
            )
        return text.replace(slip, changed)

    monkeypatch.setattr(refractory, "print_source", print_wrongly)
    with pytest.raises(VerificationError, match="refractory period"):
        verify_derivation(derive_once(read("lif_refractory")))


def test_a_wrong_held_flow_is_found():
    derivation = derive_once(read("lif_refractory"))
    V, a = derivation.chart.coordinates
    phase = replace(derivation.refractory, solution=(V, a))
    with pytest.raises(VerificationError, match="held flow"):
        verify_derivation(replace(derivation, refractory=phase))


def test_a_model_file_with_a_period_is_written_back():
    model = read("lif_refractory")
    assert parse_model(model.to_toml()) == model
    assert parse_model(model.to_toml()).digest == model.digest
    assert replace(model, refractory=None).digest != model.digest


def test_the_document_shows_the_period():
    verified = pretend_verified(derive_once(read("lif_refractory")))
    text = " ".join(document(verified, format="text").split())
    assert "Refractory period 2*t_half: V held" in text
    assert "For 2*t_half after a spike V keeps the value of the reset, and inputs to it are" in text
    content = json.loads(document(verified, format="json"))["refractory"]
    assert content["hold"] == ["V"]
    assert set(content) == {"time", "hold", "field", "jumps", "flow"}


LIF = {
    "name": "m", "equations": "dV/dt = -V + I\ndI/dt = -I", "spike": "V = 1", "reset": "V = 0",
    "input": "I += w", "rest": {"V": 0, "I": 0}, "parameters": {"t_ref": 1.0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"time": "t_ref", "hold": ["I"]}, ModelError, "to name V, which spikes"),
        ({"time": "t_ref", "hold": ["V", "V"]}, ModelError, "no variable twice"),
        ({"time": "t_ref", "hold": ["U"]}, ParseError, r"Expected state variables \(V, I\)"),
        ({"time": "t_ref", "hold": "V"}, ParseError, "a list of names"),
        ({"time": "V"}, ParseError, "time of refractory"),
        ({"hold": ["V"]}, ParseError, "Expected time among the fields of refractory"),
        ({"time": "t_ref", "holds": ["V"]}, ParseError, "did you mean 'hold'"),
        (2.0, ParseError, "a table of names"),
    ],
)
def test_what_is_no_refractory_period_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        build_model(**LIF, refractory=given)


def test_a_period_that_need_not_be_positive_is_refused():
    model = build_model(**LIF, refractory={"time": "t_ref"})
    with pytest.raises(DerivationError, match="Expected a positive refractory period"):
        derive_once(model)


def test_what_is_driven_by_a_potential_held_at_minus_infinity_is_refused():
    model = build_model(
        name="m", equations="dV/dt = V**2 + 1\ndu/dt = -u + exp(-V**2)", spike="V -> oo",
        reset="V = -oo", input="V += w", rest={"V": 0, "u": 0}, refractory={"time": 1},
    )  # fmt: skip
    with pytest.raises(DerivationError):
        derive_once(model)


def test_names_of_a_model_do_not_meet_those_of_the_printed_functions():
    model = build_model(
        name="m", equations="dleft/dt = -left/rest + after\ndafter/dt = -after/held",
        spike="left = 1", reset="left = 0", input="after += w", rest={"left": 0, "after": 0},
        refractory={"time": "back"},
        parameters={name: {"default": 1.0, "domain": f"{name} > 0"}
                    for name in ("rest", "held", "back")},
    )  # fmt: skip
    compile(generate_text(model), "<module>", "exec")
    verify_derivation(derive_once(model))


@pytest.mark.parametrize(
    ("reset", "given", "verdict"),
    [("V = -5", "I += w", "continuous"), ("V = -oo", "V += w", "continuous"),
     ("V = -5", "V += w", "undecided")],
)  # fmt: skip
def test_an_input_that_is_lost_takes_continuity_away(reset, given, verdict):
    """Where V is finite after the reset, an input just before the end is lost, one after it not."""
    model = build_model(
        name="m", equations="dV/dt = V**2 + 1 + I\ndI/dt = -I", spike="V -> oo", reset=reset,
        input=given, rest={"V": 0, "I": 0}, refractory={"time": 1}, assumptions={},
    )  # fmt: skip
    certificate = certify(model)
    assert certificate.verdict in (verdict, "refuted" if verdict == "undecided" else verdict)
    assert certificate.by_name["C6"].status != "proved"
