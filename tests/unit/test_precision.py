"""Networks in single precision beside the same in double precision."""

import dataclasses
import itertools

import numpy as np
import pytest
from networks import compiled

from sim.inputs.encoding import BinnedInput, LatencyInput
from sim.layers.batch import record_spikes, run_batch
from sim.losses import make_first_spike_loss
from sim.network.layer_stack import LayerStack
from spiketheory.errors import InputError, SimulationError

DURATION = 2.0
LOSS = make_first_spike_loss(gamma=0.01, duration=DURATION)


def draw_network(model, rng, scale, backend="numba"):
    sizes = (40, 33, 20, 6)
    parameters = {"tau": 6 / np.pi, "I0": 1.25} if model == "theta" else {}
    return LayerStack(
        model=compiled(model, backend=backend),
        parameters=parameters,
        duration=DURATION,
        weights=tuple(
            rng.normal(0.3, 1.0, (n, m)) * scale / np.sqrt(n) for n, m in itertools.pairwise(sizes)
        ),
    )


def run(network, inputs, labels):
    return run_batch(network, inputs, labels, LOSS, gradient=True, input_times=True)


def distance(found, exact):
    """Largest difference in units of the largest entry."""
    return np.abs(found - exact).max() / np.abs(exact).max()


@pytest.mark.parametrize("kind", ["bins", "latency"])
@pytest.mark.parametrize(
    ("model", "scale", "backend", "n"),
    [
        ("theta", 0.5, "numba", 50),
        ("theta", 5.0, "numba", 50),
        ("qif", 30.0, "numpy", 6),
        pytest.param("qif", 30.0, "numba", 50, marks=pytest.mark.slow),  # compiles for 27 s
    ],
)
def test_single_precision_gradients_are_right_to_1e_4(model, scale, backend, n, kind):
    rng = np.random.default_rng(5)
    network = draw_network(model, rng, scale, backend)
    if kind == "bins":
        inputs = BinnedInput(times=np.array([0.02, 0.3]), bins=rng.integers(0, 3, (n, 40)))
    else:
        inputs = LatencyInput(times=rng.uniform(0, DURATION, (n, 40)))
    labels = rng.integers(0, 6, n)
    exact, exact_gradients = run(network, inputs, labels)
    found, gradients = run(dataclasses.replace(network, precision="float32"), inputs, labels)
    assert exact.hidden_spikes.sum() > 100 or scale < 1
    np.testing.assert_allclose(found.output_times, exact.output_times, rtol=1e-4)
    for mine, theirs in zip(gradients.weights, exact_gradients.weights, strict=True):
        assert mine.dtype == np.float32
        assert 0 < distance(mine, theirs) < 1e-4
    assert distance(gradients.initial, exact_gradients.initial) < 1e-4
    assert distance(gradients.input_times, exact_gradients.input_times) < 1e-4


def test_interpreted_and_compiled_single_precision_agree():
    found = []
    for backend in ("numpy", "numba"):
        rng = np.random.default_rng(6)
        network = dataclasses.replace(draw_network("theta", rng, 3.0, backend), precision="float32")
        inputs = BinnedInput(times=np.array([0.02, 0.3]), bins=rng.integers(0, 3, (3, 40)))
        outcome, gradients = run(network, inputs, rng.integers(0, 6, 3))
        found.append((outcome.output_times, gradients.weights[1]))
        assert len(record_spikes(network, inputs).time) > 0
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    assert distance(found[0][1], found[1][1]) < 1e-5


def test_a_state_beyond_what_single_precision_can_square_is_an_error():
    network = LayerStack(
        model=compiled("theta"), duration=3.0, weights=(np.full((5, 1), -1e9),),
        precision="float32",
    )  # fmt: skip
    times = LatencyInput(times=np.array([[0.5, 0.7, 0.9, 1.1, 1.3]]))
    with (
        np.errstate(all="ignore"),
        pytest.raises(SimulationError, match="left the range of the number format"),
    ):
        record_spikes(network, times)


def test_weights_beyond_the_range_and_unknown_precisions_are_refused():
    common = {"model": compiled("theta"), "duration": 1.0}
    with pytest.raises(InputError, match=r"at most 1e\+10 in W0"):
        LayerStack(weights=(np.full((1, 1), 1e11),), precision="float32", **common)
    with pytest.raises(InputError, match="precision to be one of float32, float64"):
        LayerStack(weights=(np.ones((1, 1)),), precision="float16", **common)
