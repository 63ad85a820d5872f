"""NumPy = Numba = 50-digit arithmetic.

The generated functions are compared one by one: the array functions of the NumPy backend with the
compiled scalar functions, and both with the same source run on 50-digit numbers; what is integrated
with a reference that integrates the model's own equations to 30 digits. Differences are given in
units of the last place of max(1, |value|): sums of numbers of order 1 cancel.
"""

import inspect
import itertools
from functools import lru_cache

import mpmath
import numpy as np
import pytest
import sympy as sp
from exact import DIGITS, make_exact
from models import mark_slow
from mpmath import mpf
from networks import compiled, latencies

from derivations import list_models, read_neuron_model
from derivations.generated import qif_delta
from sim.layers.batch import record_spikes, run_batch
from sim.losses import make_first_spike_loss, make_linear_loss, make_target_time_loss
from sim.network.layer_stack import LayerStack
from spiketheory.machine.compile import LAYOUT
from spiketheory.reference.integrate import Reference
from spiketheory.runtime.branches import loop_over

ULP = np.finfo(float).eps
REFERENCE_DIGITS = 25
INTEGRATED = ("adex", "eif", "izhikevich")
CLOSED = [name for name in list_models() if name not in INTEGRATED]
POINTS = {"qif": 12, "eif": 4, "adex": 3, "izhikevich": 4}
MANY_POINTS = 40
PARAMETERS = {
    "theta": [(1.0, 1.25), (0.5, 0.3), (1.9, 4.0)],
    "qif_delta": [(1.0, -0.75), (1.0, 0.25), (0.5, 1.25), (1.9, 0.0)],
    "qif": [(1.0, 0.5), (1.0, 0.3), (0.9, 0.9), (0.5, 1.25)],
    "rapid_theta": [(1.0, 1.25, 3.0), (0.7, 0.9, 0.4)],
    "lif_delta": [(1.0, 0.0, 1.0), (0.6, 2.0, 1.0), (1.3, 1.0, 1.5)],
    "nlif": [(1.0, 0.5, 1.0), (0.6, 1.3, 0.8)],
    "lif": [(1.0, 0.5, 1.0), (0.5, 1.0, 1.0), (0.9, 0.9, 1.2), (1.0, 0.3, 0.7), (0.4, 1.1, 1.0)],
    "lif_alpha": [(1.0, 0.5, 1.0), (0.9, 0.9, 1.2), (0.5, 1.0, 1.0), (1.0, 0.3, 0.7)],
}
"""Values that reach every branch; other models are run with their defaults."""
STRENGTHS = {"lif": 8.0, "lif_alpha": 20.0, "nlif": 4.0, "qif": 6.0, "eif": 6.0, "izhikevich": 10.0}
"""Sizes of inputs of which some make the neuron spike."""


def count_points(name):
    return POINTS.get(name, MANY_POINTS)


@lru_cache
def draw_arguments(name):
    """Arguments by name, each an array: reachable states, covectors and derivatives of order 1."""
    model, rows, rng = compiled(name), [], np.random.default_rng(3)
    module = model.module
    choices = PARAMETERS.get(name, [model.defaults])
    for k in range(count_points(name)):
        parameters = choices[k % len(choices)]
        constants = module.constants(*parameters)
        lower, upper, default = module.initial_bounds(*parameters)
        value = rng.uniform(max(lower, default - 1.0), min(upper, default + 1.5))
        w, dt = rng.normal() * STRENGTHS.get(name, 1.0) * (k % 2 + 1) / 2, rng.uniform(0.05, 0.4)
        step = module.propagator(dt, *constants)
        state = module.jump(*module.initial_state(value, *constants), w, *constants)
        if not module.will_spike(*state, *step, *constants):
            state = module.flow(*state, *step, *constants)
        row = dict(zip(model.coordinates, state, strict=True))
        row |= dict(zip(module.PROPAGATOR, step, strict=True))
        row |= dict(zip(module.CONSTANTS, constants, strict=True))
        row |= dict(zip(model.parameters, parameters, strict=True))
        row |= dict(zip(model.state, module.leave_chart(*state, *constants), strict=True)) if (
            len(model.state) > 1
        ) else {model.state[0]: rng.normal()}  # fmt: skip
        if model.has_frame:
            factors = module.frame_factors(dt, *constants)
            row |= dict(zip(module.FACTORS, factors, strict=True))
            row |= {"since": 0.3 * dt, "at": 0.6 * dt}
        rows.append(row | {model.initial: value, "w": w, "dt": dt})
    table = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    for function in list_functions(model):
        for argument in inspect.signature(getattr(module, function)).parameters:
            if argument not in table:
                table[argument] = rng.normal(size=count_points(name))
    return table


def list_functions(model):
    """Names of the generated functions of numbers."""
    moved = (*LAYOUT, "turn")
    names = [n for n, f in vars(model.functions).items() if callable(f) and n not in moved]
    return [n for n in names if not n.startswith("taylor_")]


def call(function, table, names, k=None):
    """Results of a function as a tuple: at point ``k``, or arrays of all."""
    results = function(*(table[n] if k is None else table[n][k] for n in names))
    results = results if isinstance(results, tuple) else (results,)
    if k is None:
        results = np.broadcast_arrays(*results, np.zeros(len(table["w"])))[:-1]
    return results


def agree(a, b, tolerance):
    """Whether two numbers agree, in units of the last place of max(1, |value|)."""
    if np.isinf(float(a)) or np.isinf(float(b)):
        return float(a) == float(b)
    return abs(mpf(float(a)) - b) <= tolerance * ULP * max(1.0, abs(float(b)))


BETWEEN_BACKENDS = {"lif": 16, "lif_alpha": 16, "rapid_theta": 32, "adex": 64, "eif": 16}
"""Compiled code has its own elementary functions, and the C library's; 8 for other models."""


@pytest.mark.parametrize("name", mark_slow(list_models(), "adex", "eif"))
def test_array_functions_and_compiled_functions_agree(name):
    plain, fast, table = compiled(name), compiled(name, "numba"), draw_arguments(name)
    tolerance = BETWEEN_BACKENDS.get(name, 8)
    for function in list_functions(plain):
        names = list(inspect.signature(getattr(plain.module, function)).parameters)
        looped = function == "time_to_spike_parameters"
        whole = loop_over(getattr(plain.functions, function)) if looped else (
            plain.array_function(function)
        )  # fmt: skip
        arrays = call(whole, table, names)
        for k in range(count_points(name)):
            scalars = call(getattr(fast.functions, function), table, names, k)
            for a, s in zip(arrays, scalars, strict=True):
                assert agree(a[k], mpf(float(s)), tolerance), (function, k, a[k], s)


FROM_EXACT = {"lif": 256}
"""How far from 50 digits; 64 for other models."""


@pytest.mark.parametrize("name", CLOSED)
def test_generated_functions_agree_with_the_same_source_in_50_digits(name):
    model, table = compiled(name), draw_arguments(name)
    exact, tolerance = make_exact(model.module), FROM_EXACT.get(name, 64)
    with mpmath.workdps(DIGITS):
        wide = {argument: [mpf(float(v)) for v in values] for argument, values in table.items()}
        for function in list_functions(model):
            names = list(inspect.signature(getattr(model.module, function)).parameters)
            for k in range(count_points(name)):
                scalars = call(getattr(model.functions, function), table, names, k)
                right = call(getattr(exact, function), wide, names, k)
                for s, e in zip(scalars, right, strict=True):
                    assert agree(s, e, tolerance), (function, k, s, e)


INTEGRATION = 64
"""How far integrated states and times are from direct integration in 25 digits."""
SLOPES = 1e-12
LONGEST = mpf(100)
AFTER = 0.25


@lru_cache
def derive_reference(name, parameters):
    """The model's own equations at some parameters."""
    model = read_neuron_model(name)
    symbols = [p.symbol for p in model.parameters]
    at = dict(zip(symbols, map(mpf, parameters), strict=True))
    return model, at, Reference(model, at, digits=REFERENCE_DIGITS)


def reset_exactly(name, parameters, arrived):
    """The state after a spike; the spiking variable's value before it does not matter."""
    model, at, _ = derive_reference(name, parameters)
    values = dict(zip(model.state, arrived, strict=True)) | at
    values[model.spike.variable] = mpf(0)
    return [mpf(sp.lambdify(list(values), r, "mpmath")(*values.values())) for r in model.reset]


def follow_exactly(name, parameters, state, duration):
    """The state at a fixed time after one spike, and the spike's time."""
    _, _, reference = derive_reference(name, parameters)
    arrived, wait = reference.arrive(list(state), LONGEST)
    fired = reset_exactly(name, parameters, arrived)
    end, early = reference.follow(fired, duration - wait)
    assert early is None
    return [*end, wait]


@pytest.mark.parametrize("name", INTEGRATED)
def test_integrated_functions_agree_with_direct_integration_in_25_digits(name):
    model, table = compiled(name), draw_arguments(name)
    parameters = tuple(model.defaults)
    f, constants = model.functions, model.functions.constants(*parameters)
    _, _, reference = derive_reference(name, parameters)
    with mpmath.workdps(REFERENCE_DIGITS):
        for k in range(count_points(name)):
            state = [float(table[c][k]) for c in model.coordinates]
            dt = float(table["dt"][k])
            arrived, wait = reference.arrive(list(map(mpf, state)), LONGEST)
            assert agree(f.time_to_spike(*state, *constants), wait, INTEGRATION)
            fired = reset_exactly(name, parameters, arrived)
            for got, want in zip(f.fire(*state, wait, *constants), fired, strict=True):
                assert agree(got, want, INTEGRATION)
            assert f.will_spike(*state, dt, *constants) == (wait < dt)
            assert f.will_spike(*state, float(wait) * 1.001, *constants)
            if wait > dt:
                end, _ = reference.follow(list(map(mpf, state)), mpf(dt))
                for got, want in zip(f.flow(*state, dt, *constants), end, strict=True):
                    assert agree(got, want, INTEGRATION)


@pytest.mark.parametrize("name", INTEGRATED)
def test_integrated_gradients_agree_with_differences_of_direct_integration(name):
    """Of a loss of the state some time after a spike and of the spike's time, by everything."""
    model, table = compiled(name), draw_arguments(name)
    state = [float(table[c][0]) for c in model.coordinates]
    parameters = tuple(model.defaults)
    f, constants = model.functions, model.functions.constants(*parameters)
    covector, by_time = [0.8, -0.3], 0.37
    wait = f.time_to_spike(*state, *constants)
    fired = f.fire(*state, wait, *constants)
    pulled = f.flow_vjp(*fired, AFTER, *constants, *covector)
    got = list(f.fire_vjp(*state, wait, *constants, *pulled, by_time))
    bars = np.add(
        f.flow_constants_vjp(*fired, AFTER, *constants, *covector),
        f.fire_constants_vjp(*state, wait, *constants, *pulled, by_time),
    )
    got += f.constants_vjp(*parameters, *map(float, bars))
    start, step = list(map(mpf, (*state, *parameters))), mpf(10) ** -8
    n = len(state)

    def loss(values):
        *end, time = follow_exactly(name, tuple(values[n:]), values[:n], mpf(wait) + mpf(AFTER))
        return sum(a * b for a, b in zip([*covector, by_time], [*end, time], strict=True))

    with mpmath.workdps(REFERENCE_DIGITS):
        for i, value in enumerate(got):
            up, down = (
                loss([v + sign * step * (i == j) for j, v in enumerate(start)]) for sign in (1, -1)
            )
            want = (up - down) / (2 * step)
            assert abs(value - want) <= SLOPES * max(1, *map(abs, got)), (i, value, want)


def test_the_points_reach_every_branch_of_qif_delta():
    table = draw_arguments("qif_delta")
    constants = [table[name] for name in qif_delta.CONSTANTS]
    beta = table["beta"]
    assert {int(np.sign(b)) for b in beta} == {-1, 0, 1}
    coordinates = [table[name] for name in qif_delta.COORDINATES]
    times = qif_delta.time_to_spike_array(*coordinates, *constants)
    assert np.isfinite(times[beta < 0]).any()
    assert np.isinf(times[beta < 0]).any()
    assert np.isfinite(times[beta == 0]).any()
    assert np.isinf(times[beta == 0]).any()


CHOICES = {
    "qif_delta": [{"I0": -0.5}, {"I0": 0.25}, {"I0": 1.25}],
    "qif": [{"tau_s": 0.5}, {"tau_s": 0.3}],
    "rapid_theta": [{"r": 3.0}, {"r": 0.6}],
}


def draw_network(name, backend, rng):
    sizes = rng.integers(1, 7, rng.integers(2, 6))
    shapes = itertools.pairwise(sizes)
    strengths = [3.0, 10.0] if name == "qif" else [0.3, 2.0]
    weights = tuple(rng.normal(size=s) * rng.choice(strengths) for s in shapes)
    parameters = rng.choice(CHOICES[name]) if name in CHOICES else {}
    network = LayerStack(
        model=compiled(name, backend), duration=rng.uniform(1, 8), weights=weights,
        parameters=parameters,
    )  # fmt: skip
    inputs = latencies(*rng.uniform(0, 1.1 * network.duration, (3, sizes[0])))
    return network, inputs, rng.uniform(0, 5, (3, sizes[-1], 2))


NETWORKS = {"theta": 25, "qif_delta": 25, "qif": 5, "rapid_theta": 6}
SPIKES = {"theta": 300, "qif_delta": 300, "qif": 4, "rapid_theta": 150}


@pytest.mark.parametrize("name", mark_slow(NETWORKS, "qif_delta"))
def test_networks_agree_between_the_backends(name):
    loss = make_target_time_loss(n_required=2)
    n_spikes = 0
    for seed in range(NETWORKS[name]):
        pairs = []
        for backend in ("numpy", "numba"):
            network, inputs, targets = draw_network(name, backend, np.random.default_rng(seed))
            pairs.append(
                (record_spikes(network, inputs),
                 *run_batch(network, inputs, targets, loss, gradient=True, input_times=True))
            )  # fmt: skip
        (spikes, outcome, gradients), (fast, fast_outcome, fast_gradients) = pairs
        n_spikes += len(spikes.time)
        assert spikes.sample.tolist() == fast.sample.tolist()
        assert spikes.neuron.tolist() == fast.neuron.tolist()
        np.testing.assert_allclose(fast.time, spikes.time, rtol=0, atol=1e-13)
        np.testing.assert_allclose(
            fast_outcome.output_times, outcome.output_times, rtol=1e-13, atol=0
        )
        for field in ("n_ordinary", "hidden_spikes", "synaptic_operations", "active"):
            assert np.array_equal(getattr(outcome, field), getattr(fast_outcome, field)), field
        slow, quick = (
            [*g.weights, g.initial, g.input_times] for g in (gradients, fast_gradients)
        )  # fmt: skip
        largest = max(np.abs(a).max() for a in slow)
        for a, b in zip(slow, quick, strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-12 * largest)
    assert n_spikes > SPIKES[name]


def test_losses_with_the_same_signature_get_compiled_code_of_their_own():
    values = {}
    for backend in ("numpy", "numba"):
        network, inputs, targets = draw_network("theta", backend, np.random.default_rng(0))
        for make in (make_target_time_loss, make_linear_loss):
            outcome, _ = run_batch(network, inputs, targets, make(n_required=2))
            values[backend, make.__name__] = outcome.loss
    for make in ("make_target_time_loss", "make_linear_loss"):
        np.testing.assert_allclose(values["numba", make], values["numpy", make], rtol=1e-12)


def test_the_time_to_first_spike_loss_agrees_between_the_backends():
    results = []
    for backend in ("numpy", "numba"):
        network, inputs, targets = draw_network("theta", backend, np.random.default_rng(1))
        loss = make_first_spike_loss(gamma=0.01, duration=network.duration)
        labels = np.arange(3) % targets.shape[1]
        results.append(run_batch(network, inputs, labels, loss, gradient=True, input_times=True))
    (outcome, gradients), (fast, fast_gradients) = results
    np.testing.assert_allclose(fast.loss, outcome.loss, rtol=1e-13)
    np.testing.assert_allclose(fast_gradients.weights[0], gradients.weights[0], rtol=1e-10)
