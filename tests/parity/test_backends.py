"""NumPy = Numba = 50-digit arithmetic.

The generated functions are compared one by one: the array functions of the NumPy backend with the
compiled scalar functions, and both with the same source run on 50-digit numbers. Differences are
given in units of the last place of max(1, |value|): sums of numbers of order 1 cancel.
"""

import inspect
import itertools
from types import SimpleNamespace

import mpmath as mp
import numpy as np
import pytest
from networks import compiled, latencies

from derivations import list_models
from derivations.generated import qif_delta
from sim.batch import record_spikes, run_batch
from sim.loss import make_first_spike_loss, make_linear_loss, make_target_time_loss
from sim.records import Network
from spiketheory.errors import ModelError

N_POINTS = 40
BETWEEN_BACKENDS = 8
FROM_EXACT = 64
ULP = np.finfo(float).eps
PARAMETERS = {
    "theta": [(1.0, 1.25), (0.5, 0.3), (1.9, 4.0)],
    "qif_delta": [(1.0, -0.75), (1.0, 0.25), (0.5, 1.25), (1.9, 0.0)],
}
"""Values that reach every branch; other models are run with their defaults."""

m = mp.mp.clone()
m.dps = 50


def runs_in_networks(name):
    try:
        return compiled(name).has_pseudospikes
    except ModelError:
        return False


MODELS = [name for name in list_models() if runs_in_networks(name)]


def draw_arguments(model, rng):
    """Arguments by name, each an array: reachable states, covectors and derivatives of order 1."""
    module, rows = model.module, []
    choices = PARAMETERS.get(model.name, [model.defaults])
    for k in range(N_POINTS):
        parameters = choices[k % len(choices)]
        constants = module.constants(*parameters)
        lower, upper, _ = module.initial_bounds(*parameters)
        value = rng.uniform(max(lower, -1.0), min(upper, 2.0))
        w, dt = rng.normal(), rng.uniform(0.05, 0.4)
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
        rows.append(row | {model.initial: value, "w": w, "dt": dt})
    table = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    for name in list_functions(model):
        for argument in inspect.signature(getattr(module, name)).parameters:
            table.setdefault(argument, rng.normal(size=N_POINTS))
    return table


def list_functions(model):
    """Names of the generated functions of numbers."""
    return [name for name in vars(model.functions) if name not in ("load", "store")]


def call(function, table, k=None):
    """Results of a function as an array (n_results, ...): at point ``k``, or at all."""
    names = inspect.signature(function).parameters
    results = function(*(table[n] if k is None else table[n][k] for n in names))
    results = results if isinstance(results, tuple) else (results,)
    if k is None:
        results = np.broadcast_arrays(*results, np.zeros(N_POINTS))[:-1]
    return results


class ExactNumPy:
    """The few NumPy functions that generated code uses, in 50 digits."""

    pi, inf = m.pi, m.inf
    abs = staticmethod(abs)
    arctan2 = staticmethod(m.atan2)
    arctanh = staticmethod(m.atanh)

    @staticmethod
    def logaddexp(a, b):
        return m.log(m.exp(a) + m.exp(b))

    def __getattr__(self, name):
        return getattr(m, name)


def make_exact(module):
    """The scalar functions of a generated module on 50-digit numbers."""
    space = {"__name__": "exact"}
    source = inspect.getsource(module).replace("import numpy as np\n", "")
    exec(compile(source, module.__file__, "exec"), space | {"np": ExactNumPy()}, space)
    space["np"] = ExactNumPy()
    return SimpleNamespace(**space)


@pytest.mark.parametrize("name", MODELS)
def test_generated_functions_agree_between_arrays_compiled_code_and_50_digits(name):
    model, table = compiled(name, "numba"), draw_arguments(compiled(name), np.random.default_rng(3))
    exact = make_exact(model.module)
    wide = {argument: [m.mpf(float(v)) for v in values] for argument, values in table.items()}
    for function in list_functions(model):
        arrays = call(model.array_function(function), table)
        for k in range(N_POINTS):
            scalars = call(getattr(model.functions, function), table, k)
            right = call(getattr(exact, function), wide, k)
            for a, s, e in zip(arrays, scalars, right, strict=True):
                where = f"{function} at point {k}"
                if isinstance(e, bool) or np.isinf(float(e)):
                    assert a[k] == s == e, where
                    continue
                unit = ULP * max(1.0, abs(float(e)))
                assert abs(a[k] - s) <= BETWEEN_BACKENDS * unit, where
                assert abs(float(e - m.mpf(float(s)))) <= FROM_EXACT * unit, where


def test_the_points_reach_every_branch_of_qif_delta():
    table = draw_arguments(compiled("qif_delta"), np.random.default_rng(3))
    constants = [table[name] for name in qif_delta.CONSTANTS]
    beta = table["beta"]
    assert {int(np.sign(b)) for b in beta} == {-1, 0, 1}
    coordinates = [table[name] for name in qif_delta.COORDINATES]
    times = qif_delta.time_to_spike_array(*coordinates, *constants)
    assert np.isfinite(times[beta < 0]).any()
    assert np.isinf(times[beta < 0]).any()
    assert np.isfinite(times[beta == 0]).any()
    assert np.isinf(times[beta == 0]).any()


def draw_network(name, backend, rng):
    sizes = rng.integers(1, 7, rng.integers(2, 6))
    shapes = itertools.pairwise(sizes)
    weights = tuple(rng.normal(size=s) * rng.choice([0.3, 2.0]) for s in shapes)
    drive = {"I0": rng.choice([-0.5, 0.25, 1.25])} if name == "qif_delta" else {}
    network = Network(
        model=compiled(name, backend), duration=rng.uniform(1, 8), weights=weights,
        parameters=drive,
    )  # fmt: skip
    inputs = latencies(*rng.uniform(0, 1.1 * network.duration, (3, sizes[0])))
    return network, inputs, rng.uniform(0, 5, (3, sizes[-1], 2))


@pytest.mark.parametrize("name", ["theta", "qif_delta"])
def test_networks_agree_between_the_backends(name):
    loss = make_target_time_loss(n_required=2)
    n_spikes = 0
    for seed in range(25):
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
    assert n_spikes > 300


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
