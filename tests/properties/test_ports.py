"""Inputs at several ports, and currents that change in steps."""

import copy
import dataclasses
import pickle

import mpmath
import numpy as np
import pytest
from commands import run, run_ok
from exact import make_exact
from models import change_derivation
from mpmath import mpf
from one_answer import GRADIENTS, TIMES, compare_recurrent
from ports import COBA, CUBA, EXCITATORY, make_network
from scipy.integrate import solve_ivp

from derivations import compile_model
from sim.engine.choose import choose_engine, differentiate, simulate
from sim.files.network_file import read_network_file
from sim.files.trial_file import collect_results, read_trial_file
from sim.network import wiring
from sim.network.currents import CurrentSteps
from sim.network.network import Network, Population, Projection
from sim.plain.loop import PlainRun
from sim.plain.neuron import Arithmetic
from sim.plain.plain_network import read_network
from spiketheory.certification.certificate_json import render_certificate_json
from spiketheory.certification.certify import certify, prove_conditions, remember
from spiketheory.certification.proofs import prove
from spiketheory.certification.recheck import recheck
from spiketheory.errors import InputError, ModelError, VerificationError
from spiketheory.generation.lower import lower
from spiketheory.language.parse import parse_model
from spiketheory.machine.compile import load_compiled
from spiketheory.route.model_cache import load_or_generate
from spiketheory.symbolic.derive import derive
from spiketheory.symbolic.inputs import COMMUTE, ORDERED, classify_inputs, explain_order
from spiketheory.testing import check_model
from spiketheory.verification.verify import verify

EXACT = Arithmetic(number=mpf, functions=lambda model: make_exact(model.module))
STEPS = ((0.1, 0.9), (1.0, 0.3), (2.5, 1.3))
TIMES_IN = np.array([0.3, 0.5, 0.5, 1.2, 2.0, 2.0])
CHANNELS = np.array([0, 0, 1, 0, 1, 0])
WEIGHTS = np.array([[[5.0, 0.5], [6.0, 0.2]], [[0.1, 0.6], [0.3, 0.4]]])


def compile_text(folder, text, backend):
    """The compiled model of a model file's text."""
    name = parse_model(text).name
    (folder / f"{name}.toml").write_text(text)
    return compile_model(str(folder / f"{name}.toml"), backend=backend)


@pytest.fixture(scope="module")
def cuba(tmp_path_factory):
    """The neuron with currents, interpreted."""
    return compile_text(tmp_path_factory.mktemp("models"), CUBA, "numpy")


@pytest.fixture(scope="module")
def coba(tmp_path_factory):
    """The neuron with conductances, compiled, as it is integrated."""
    return compile_text(tmp_path_factory.mktemp("models"), COBA, "numba")


def make_cuba(model, **changes):
    """The network of the tests below; two inputs come at once, at both ports."""
    given = {"times": TIMES_IN, "channels": CHANNELS, "steps": STEPS, "current": (1.0, 0.8),
             "weights": WEIGHTS, "duration": 6.0, "recurrent": (1.0, 0.5)}  # fmt: skip
    return make_network(model, **(given | changes))


# What a model with several ports is.


def test_models_with_ports_are_written_and_read_again():
    model = parse_model(COBA)
    assert [name for name, _ in model.jumps] == ["exc", "inh", "current"]
    assert model.ports == ("default", "exc", "inh", "current")
    assert parse_model(model.to_toml()) == model
    assert parse_model(model.to_toml()).digest == model.digest
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other == model
        assert other.source == model.source
    assert model.at_port(1).jump == model.jumps[1][1]
    assert not model.at_port(1).other_inputs
    swapped = COBA.replace(
        'exc = "g_e += w"\ninh = "g_i += w"', 'inh = "g_i += w"\nexc = "g_e += w"'
    )
    assert parse_model(swapped).digest != model.digest
    assert parse_model(COBA.replace("inh =", "gaba =")).digest != model.digest


def test_a_single_port_changes_no_digest():
    one = COBA.replace('inh = "g_i += w"\ncurrent = "I_ext += w"\n', "")
    named = parse_model(one)
    plain = parse_model(one.replace("[model.inputs]\nexc =", "input ="))
    assert named.digest == plain.digest == parse_model(COBA).at_port(0).digest


def test_inputs_at_two_ports_commute_or_are_taken_in_their_order():
    assert classify_inputs(parse_model(COBA)) == COMMUTE
    product = COBA.replace('"g_i += w"', '"g_e *= 1 + w"')
    assert classify_inputs(parse_model(product)) == ORDERED
    assert "of two inputs at the ports exc and inh g_e differs by" in explain_order(
        parse_model(product)
    )


def test_generated_modules_say_their_ports(cuba):
    model = cuba
    assert model.module.PORTS == ("exc", "inh", "current")
    assert (model.n_ports, model.current_ports) == (3, (2,))
    assert [model.find_port(n) for n in model.ports] == [0, 0, 1, 2]
    with pytest.raises(ModelError, match=r"Expected a port of cuba .* but got 'gaba'"):
        model.find_port("gaba")
    assert not hasattr(compile_model("lif", backend="numpy").module, "PORTS")


# Verification.


@pytest.mark.parametrize("text", [CUBA, pytest.param(COBA, marks=pytest.mark.slow)])
def test_exchanged_ports_of_a_derivation_are_found(text):
    derivation = derive(parse_model(text))
    first, *others = derivation.jumps
    assert others[0] != first
    swapped = change_derivation(derivation, jump=others[0], other_jumps=(first, *others[1:]))
    with pytest.raises(VerificationError, match=r"Check 'input jump' failed: .* after an input at"):
        verify(lower(swapped))


@pytest.mark.parametrize("name", ["jump_at", "jump_at_vjp"])
def test_exchanged_ports_of_the_printed_functions_are_found(name):
    ir = lower(derive(parse_model(CUBA)))

    def exchange(function):
        one, two, *rest = function.branches
        return dataclasses.replace(function, branches=(
            dataclasses.replace(two, condition=one.condition),
            dataclasses.replace(one, condition=two.condition), *rest,
        ))  # fmt: skip

    functions = tuple(exchange(f) if f.name == name else f for f in ir.functions)
    with pytest.raises(VerificationError, match="inputs at ports' failed"):
        verify(dataclasses.replace(ir, functions=functions))


# Spike times against an independent integration.


def follow(field, inputs, duration, *, threshold, reset, rest):
    """Spike times of one neuron by DOP853, piece by piece between inputs."""

    def reach(t, y):
        return y[0] - threshold

    reach.terminal, reach.direction = True, 1
    now, state, spikes = 0.0, np.array(rest, float), []
    for time, change in [*sorted(inputs, key=lambda i: i[0]), (duration, np.zeros(len(rest)))]:
        while now < time:
            found = solve_ivp(field, (now, time), state, method="DOP853", events=reach,
                              rtol=1e-13, atol=1e-13, max_step=0.25)  # fmt: skip
            now, state = found.t[-1], found.y[:, -1].copy()
            if found.status == 1:
                spikes.append(now)
                state[0] = reset
        state = state + change
    return np.array(spikes)


def list_changes(size, times, channels, weights, steps, last):
    """Inputs by time, and what they add to a state; the current comes after 0.05."""
    found = [
        (time, weights[c] * np.eye(size)[1 + c]) for time, c in zip(times, channels, strict=True)
    ]
    changes = np.diff([value for _, value in steps], prepend=0.0)
    return found + [
        (time + 0.05, last * change * np.eye(size)[-1])
        for (time, _), change in zip(steps, changes, strict=True)
    ]


@pytest.mark.slow
def test_spikes_of_the_conductance_neuron_are_those_of_dop853(coba):
    rng = np.random.default_rng(1)
    times, channels = np.sort(rng.uniform(0, 300, 240)), (rng.random(240) < 0.05).astype(int)
    weights = np.array([[[0.6, 0.0]] * 2, [[0.0, 6.7]] * 2])
    steps = ((20.0, 9.0), (110.0, 24.0), (260.0, 12.0))
    network = make_network(coba, weights, times=times, channels=channels, steps=steps,
                           current=(1.0, 1.5), duration=300.0)  # fmt: skip

    def field(t, y):
        V, g_e, g_i, current = y
        return [(-60 - V + g_e * (0 - V) + g_i * (-80 - V) + current) / 20, -g_e / 5, -g_i / 10, 0]

    for train, last in zip(simulate(network, engine="events").trains(), (1.0, 1.5), strict=True):
        inputs = list_changes(4, times, channels, (0.6, 6.7), steps, last)
        want = follow(field, inputs, 300.0, threshold=-50, reset=-60, rest=[-60, 0, 0, 0])
        assert len(want) >= 5
        assert train == pytest.approx(want, abs=1e-9)


def test_spikes_of_two_ports_and_a_current_are_those_of_dop853():
    text = CUBA.replace("V *= 1 - w", "K -= w").replace("(I + I_ext", "(I + K + I_ext")
    text = text.replace("dI_ext", "dK/dt = -K/(3*tau_s)\ndI_ext").replace("I = 0,", "I = 0, K = 0,")
    model = load_compiled(load_or_generate(parse_model(text)), backend="numpy")
    weights = np.array([[[4.0, 0.0]] * 2, [[0.0, 2.5]] * 2])
    network = make_network(model, weights, times=TIMES_IN, channels=CHANNELS, steps=STEPS,
                           current=(1.5, 0.8), duration=6.0)  # fmt: skip

    def field(t, y):
        V, excitation, inhibition, current = y
        return [(excitation + inhibition + current - V) / 2, -excitation, -inhibition / 3, 0]

    for train, last in zip(simulate(network, engine="events").trains(), (1.5, 0.8), strict=True):
        inputs = list_changes(4, TIMES_IN, CHANNELS, (4.0, -2.5), STEPS, last)
        want = follow(field, inputs, 6.0, threshold=1, reset=0, rest=[0, 0, 0, 0])
        assert len(want) >= 2
        assert train == pytest.approx(want, abs=1e-10)


# Gradients.


def measure(network):
    """A sum of all spike times, each with a factor of its own."""
    spikes = simulate(network, engine="plain").spike_time
    return spikes @ (1.0 + np.arange(len(spikes)))


def pull(network, engine):
    """Its gradient."""
    recording = simulate(network, engine=engine, record=True)
    slopes = 1.0 + np.arange(len(recording.spike_time))
    assert len(slopes) > 3
    return differentiate(recording, spike_time=slopes, parameters=True)


def drop_ticks(network):
    """Times that pass a delay are not rounded, so that there are differences by it."""
    ticks = mpf(network.ticks)
    connections = [c._replace(delay=mpf(c.delay) / ticks) for c in network.connections]
    return dataclasses.replace(network, ticks=None, connections=connections)


def find_slope(model, step=2.0**-60, **directions):
    """Central difference in 50 digits by what is moved; numbers stay floats up to the step."""
    values = []
    for sign in (1, -1):
        network = drop_ticks(read_network(make_cuba(model), EXACT))
        moved = directions["move"](network, sign * mpf(step))
        run = PlainRun(network=moved).run()
        values.append(sum(mpf(k + 1) * time for k, (time, _) in enumerate(run.spikes)))
    return float((values[0] - values[1]) / (2 * mpf(step)))


def move_connection(place, field):
    """Change the weight or the delay of a connection."""

    def move(network, by):
        connections = list(network.connections)
        old = connections[place]
        connections[place] = old._replace(**{field: getattr(old, field) + by})
        return dataclasses.replace(network, connections=connections)

    return move


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_gradients_by_weights_and_delays_at_every_port_are_those_of_50_digits(engine, cuba):
    model = cuba
    found = pull(make_cuba(model), engine)
    with mpmath.workdps(50):
        plain = read_network(make_cuba(model))
        n_steps = len(STEPS)
        # Connections: of the current, two for each step; then exc in, exc own, inh in, inh own.
        first = 2 * n_steps
        for matrix, slopes in ((1, found.weights), (3, found.weights)):
            rows = np.argwhere(np.ones((2, 2)))
            for k, (post, pre) in enumerate(rows):
                place = first + k
                assert plain.connections[place].target == post
                by = find_slope(model, move=move_connection(place, "weight"))
                assert slopes[matrix][post, pre] == pytest.approx(by, rel=1e-9, abs=1e-12)
            by = find_slope(model, move=move_connection(first + 4, "weight"))
            own = slopes[matrix + 1]
            assert own[own != 0][0] == pytest.approx(by, rel=1e-9)
            by = find_slope(model, move=move_connection(first + 4, "delay"))
            own = found.delays[matrix + 1]
            assert own[own != 0][0] == pytest.approx(by, rel=1e-9)
            first += 5


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_gradients_by_a_current_are_those_of_differences(engine, cuba):
    model, step = cuba, 1e-5
    found = pull(make_cuba(model), engine)

    def slope(change):
        values = [measure(make_cuba(model, **change(sign * step))) for sign in (1, -1)]
        return (values[0] - values[1]) / (2 * step)

    for k in range(len(STEPS)):
        unit = np.eye(len(STEPS))[k][:, None]
        by_time = slope(lambda h, u=unit: {"steps": np.array(STEPS) + h * u * [1, 0]})
        by_value = slope(lambda h, u=unit: {"steps": np.array(STEPS) + h * u * [0, 1]})
        assert found.current_times[0][k] == pytest.approx(by_time, rel=1e-7, abs=1e-7)
        assert found.current_values[0][k] == pytest.approx(by_value, rel=1e-7, abs=1e-7)
    assert np.count_nonzero(found.current_values[0]) >= 2
    for i in range(2):
        by_weight = slope(lambda h, i=i: {"current": np.array([1.0, 0.8]) + h * np.eye(2)[i]})
        assert found.weights[0][i, 0] == pytest.approx(by_weight, rel=1e-7)


def test_the_derivative_by_the_time_of_tied_inputs_at_two_ports_is_the_mean_of_both_sides(cuba):
    step, weights = 1e-4, np.array([[[3.0, 0.0], [2.5, 0.0]], [[0.0, 0.4], [0.0, 0.3]]])
    times = np.array([1.0, 1.0, 1.8])

    def build(moved):
        return make_cuba(cuba, weights=weights, times=moved, channels=np.array([0, 1, 0]))

    found = {engine: pull(build(times), engine).input_times[0] for engine in ("events", "plain")}
    assert found["events"] == pytest.approx(found["plain"], rel=1e-12)
    for k in range(2):
        values = {s: measure(build(times + s * step * np.eye(3)[k])) for s in range(-2, 3)}
        sides = [(-3 * values[0] + 4 * values[s] - values[2 * s]) / (2 * s * step) for s in (-1, 1)]
        assert abs(sides[0] - sides[1]) > 1e-3
        assert found["events"][k] == pytest.approx(sum(sides) / 2, rel=1e-6)


def test_engines_agree_and_find_an_exchanged_port(cuba, monkeypatch):
    network = make_cuba(cuba)
    by_time, by_gradient = compare_recurrent(network)
    assert by_time <= TIMES
    assert by_gradient <= GRADIENTS
    honest = wiring.sort_edges

    def exchange(network):
        edges, places = honest(network)
        return edges | {"ports": (edges["ports"] + 1) % 2}, places

    monkeypatch.setattr(wiring, "sort_edges", exchange)
    with pytest.raises(AssertionError):  # not even the numbers of spikes agree
        compare_recurrent(network)


# Currents.


def test_a_current_must_lead_to_a_port_that_keeps_it(cuba):
    for name, port in (
        (cuba, "exc"),
        (compile_model("lif", backend="numpy"), "default"),
    ):
        with pytest.raises(InputError, match=r"dX/dt = 0 which no reset changes but got the port"):
            Network(
                populations=[Population(name="n", model=name, size=1)],
                currents=[CurrentSteps(name="c", size=1, times=[0.0], values=[1.0])],
                projections=[Projection(pre="c", post="n", weights=[[1.0]], port=port)],
                duration=1.0,
            )
    with pytest.raises(
        InputError, match=r"Expected times >= 0 that rise in c but got \[1.0, 0.5\]"
    ):
        CurrentSteps(name="c", size=1, times=[1.0, 0.5], values=[1.0, 1.0])
    with pytest.raises(InputError, match="Expected at least one channel in c but got size=0"):
        CurrentSteps(name="c", size=0, times=[], values=[])


def test_a_network_with_a_current_is_run_by_events(cuba):
    assert choose_engine(make_cuba(cuba)).engine.name == "events"


FILE = """
version = 2
[network]
duration = 6.0
[populations.n]
model = "cuba.toml"
size = 2
[inputs.in]
size = 2
times = [0.3, 0.5, 0.5, 1.2, 2.0, 2.0]
channels = [0, 0, 1, 0, 1, 0]
[inputs.steps]
size = 1
steps = [[0.1, 0.9], [1.0, 0.3], [2.5, 1.3]]
[[projections]]
pre = "steps"
post = "n"
weights = [[1.0], [0.8]]
delay = 0.05
port = "current"
learn = true
[[projections]]
pre = "in"
post = "n"
weights = [[5.0, 0.5], [6.0, 0.2]]
learn = true
[[projections]]
pre = "in"
post = "n"
weights = [[0.1, 0.6], [0.3, 0.4]]
port = "inh"
learn = true
"""


TRAINING = """
[readouts.all]
population = "n"
[loss]
kind = "target_time"
targets = [[0.9], [0.8]]
[training]
steps = 3
"""


def test_network_files_have_ports_and_steps(cuba, tmp_path):
    (tmp_path / "net.toml").write_text(FILE)
    file = read_network_file(tmp_path / "net.toml", compile_model=lambda name: cuba)
    want = simulate(make_cuba(cuba, recurrent=(0.0, 0.0)))
    assert np.array_equal(simulate(file.network).spike_time, want.spike_time)
    assert [p.port for p in file.network.projections] == ["current", "default", "inh"]


@pytest.mark.slow
def test_the_commands_run_a_model_with_ports(cuba, tmp_path):
    (tmp_path / "cuba.toml").write_text(CUBA)
    (tmp_path / "net.toml").write_text(FILE)
    want = simulate(make_cuba(cuba, recurrent=(0.0, 0.0)))
    run_ok("simulate", str(tmp_path / "net.toml"), "--out", str(tmp_path / "out.npz"))
    with np.load(tmp_path / "out.npz") as found:
        assert found["spike_time"] == pytest.approx(want.spike_time, rel=1e-13)
    text = run_ok("derive", "--model", str(tmp_path / "cuba.toml"), "--no-cache").output
    assert "Input of weight w at inh" in text
    assert "Coordinates after an input of weight w at the port inh" in text
    # As of every model with a finite threshold.
    (tmp_path / "train.toml").write_text(FILE + TRAINING)
    result = run("train", "--config", str(tmp_path / "train.toml"), "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert "Expected models with pseudospikes" in result.output


def test_trial_files_name_ports_by_source(cuba, tmp_path):
    arrays = {
        "model": np.array("cuba.toml"), "T": np.array(6.0),
        "weights": np.array([[0.0, 1.0], [0.5, 0]]), "ports": np.array(["inh", "exc"]),
        "delays": np.array(0.3), "input_weights": WEIGHTS[0] + 1,
        "input_ports": np.array(["default", "inh"]), "input_times": TIMES_IN,
        "input_neurons": CHANNELS, "functional_coef": np.ones(4),
    }  # fmt: skip

    def read(**changes):
        return read_trial_file(tmp_path, arrays | changes, compile_model=lambda name: cuba)

    inward = np.stack([arrays["input_weights"] * [1, 0], arrays["input_weights"] * [0, 1]])
    own = make_cuba(cuba, weights=inward, current=(0.0, 0.0)).projections
    given = arrays["weights"]
    ports = {"exc": given * [0, 1], "inh": given * [1, 0]}
    network = dataclasses.replace(make_cuba(cuba), currents=(), projections=[
        *(own[k] for k in (1, 3)),
        *(Projection(pre="n", post="n", weights=w, mask=w != 0, port=p, delays=0.3)
          for p, w in ports.items()),
    ])  # fmt: skip
    want = simulate(network, record=True)
    trial = read(functional_coef=np.ones(len(want.spike_time)))
    recording = simulate(trial.network, record=True)
    assert np.array_equal(recording.spike_time, want.spike_time)
    slopes = differentiate(want, spike_time=np.ones(len(want.spike_time)))
    found = collect_results(trial, recording)
    by_column = np.stack([slopes.weights[0][:, 0], slopes.weights[1][:, 1]], axis=1)
    assert found["grad_input_weights"] == pytest.approx(by_column, rel=1e-10)
    assert found["grad_weights"] == pytest.approx(slopes.weights[2] + slopes.weights[3], rel=1e-10)
    assert np.count_nonzero(found["grad_weights"]) >= 1
    with pytest.raises(InputError, match="Expected names of ports in ports but got int64"):
        read(ports=np.array([0, 1]))
    with pytest.raises(ModelError, match=r"Expected a port of cuba .* but got 'gaba'"):
        read(ports=np.array("gaba"))


# Check and certificates.


def test_check_runs_a_model_with_ports(tmp_path):
    (tmp_path / "cuba.toml").write_text(CUBA)
    names = ("engines", "prediction", "symmetry")
    report = check_model(str(tmp_path / "cuba.toml"), examples=3, seed=1, properties=names)
    assert {r.status for r in report.results} == {"passed"}
    assert all(r.examples for r in report.results)


def test_a_certificate_speaks_of_every_port():
    both = certify(parse_model(EXCITATORY))
    assert both.verdict == "continuous"
    keys = {e.key for c in both.conditions for e in c.evidence}
    assert {"L2.jump@slow", "L4.inputs.I@fast,slow"} <= keys
    assert recheck(render_certificate_json(both))
    inhibiting = parse_model(EXCITATORY.replace('slow = "K += w"', 'slow = "K -= w"'))
    assert prove_only(inhibiting)["C1"].status != "proved"
    assert prove_only(inhibiting.at_port(0))["C1"].status == "proved"


def prove_only(model):
    """The conditions of a model before trials are looked for."""
    return prove_conditions(model, (), remember(prove))[1][1].conditions


def test_a_certificate_asks_whether_inputs_at_two_ports_commute():
    clash = EXCITATORY.replace('slow = "K += w"', 'slow = "I *= 1 + w"')
    assert prove_only(parse_model(EXCITATORY))["C4"].status == "proved"
    assert prove_only(parse_model(clash))["C4"].status != "proved"
    assert prove_only(parse_model(clash).at_port(1))["C4"].status == "proved"
