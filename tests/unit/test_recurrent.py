"""Recurrent networks: engines, backends, ties, probes, early ends, every error message."""

import itertools

import numpy as np
import pytest
import scipy.sparse
from circuits import Trial
from networks import compiled

from sim.engine.choose import differentiate, simulate
from sim.events.differentiate import find_jacobian
from sim.events.recording import StoppedError
from sim.events.simulate import EventRun
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.plain.loop import PlainRun, StoppedPlainly
from sim.plain.plain_network import read_network
from spiketheory import memory
from spiketheory.errors import InputError, ModelError


def find_mask(weights):
    """The entries of a dense matrix that are not 0; a sparse one says itself what is connected."""
    return None if scipy.sparse.issparse(weights) else np.asarray(weights) != 0


def make(weights, *, model="theta", backend="numpy", duration=5.0, inputs=(), input_weights=None,
         delays=None, initial=None, **parameters):  # fmt: skip
    """One population; inputs are (time, channel)."""
    weights = np.asarray(weights, dtype=float)
    n = len(weights)
    input_weights = np.zeros((n, 1)) if input_weights is None else np.asarray(input_weights, float)
    times, channels = zip(*inputs, strict=True) if inputs else ((), ())
    return Network(
        populations=[
            Population(
                name="n",
                model=compiled(model, backend),
                size=n,
                parameters=parameters,
                initial=initial or {},
            )
        ],
        inputs=[
            SpikeTrains(
                name="in",
                size=input_weights.shape[1],
                times=np.array(times),
                channels=np.array(channels, int),
            )
        ],
        projections=[
            Projection(pre="n", post="n", weights=weights, mask=find_mask(weights), delays=delays),
            Projection(pre="in", post="n", weights=input_weights, mask=find_mask(input_weights)),
        ],
        duration=duration,
    )


def draw_circuit(seed, *, backend="numpy", sparse=False, n=12, duration=15.0, delayed=True):
    """A network of two models, with delays, that is active."""
    rng = np.random.default_rng(seed)
    edges = [
        [s, t, rng.normal(0.1, 0.6) * (8 if 2 * t >= n else 1), delayed * rng.choice([0, 0.2, 0.7])]
        for s in range(n + 2) for t in range(n) if rng.uniform() < 0.5
    ]  # fmt: skip
    half = n // 2
    trial = Trial(
        models=["theta"] * half + ["qif"] * half,
        parameters=[{"tau": 1.0, "I0": rng.uniform(0.5, 2)} for _ in range(half)]
        + [{"tau_m": 1.0, "tau_s": 0.5}] * half,
        initial=[{"V": rng.normal(0.5, 1)} for _ in range(half)]
        + [{"V": rng.normal(0, 0.3), "I": rng.uniform(0, 4)} for _ in range(half)],
        edges=edges,
        inputs=[[t, int(rng.integers(2))] for t in rng.uniform(0, duration, 25).tolist()],
        duration=duration,
    )
    return trial.build(backend, sparse=sparse)


@pytest.mark.parametrize("seed", range(3))
def test_both_engines_backends_and_forms_of_weights_give_the_same_spikes(seed):
    want = simulate(draw_circuit(seed))
    assert len(want.spike_time) > 30
    others = [
        simulate(draw_circuit(seed), engine="plain"),
        simulate(draw_circuit(seed, sparse=True)),
        simulate(draw_circuit(seed, backend="numba")),
        simulate(draw_circuit(seed, backend="numba", sparse=True), engine="plain"),
    ]
    for other in others:
        assert other.spike_neuron.tolist() == want.spike_neuron.tolist()
        np.testing.assert_allclose(other.spike_time, want.spike_time, rtol=0, atol=1e-12)


def test_gradients_agree_between_the_backends_and_forms_of_weights():
    results = []
    for backend, sparse in (("numpy", False), ("numba", True)):
        recording = simulate(draw_circuit(0, backend=backend, sparse=sparse), record=True)
        slopes = np.cos(np.arange(len(recording.spike_time)))
        results.append(differentiate(recording, spike_time=slopes, parameters=True))
    dense, fast = results
    for name in ("weights", "delays"):
        for a, b in zip(getattr(dense, name), getattr(fast, name), strict=True):
            assert scipy.sparse.issparse(b)
            np.testing.assert_allclose(b.toarray(), a, rtol=1e-9, atol=1e-10 * np.abs(a).max())
    for a, b in zip(dense.initial + dense.parameters, fast.initial + fast.parameters, strict=True):
        for name in a:
            np.testing.assert_allclose(b[name], a[name], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(fast.input_times[0], dense.input_times[0], rtol=1e-9, atol=1e-9)


def test_the_width_of_the_buckets_does_not_matter():
    want = simulate(draw_circuit(1, n=20))
    for width in (1e-6, 1e-3, 1e3):
        run = EventRun(
            draw_circuit(1, n=20), np.empty(0), np.empty(0, int), record=False, max_spikes=10**6
        )
        run.queue.scale[1] = width
        run.kernels.start(run.wiring.wires, run.cells, run.queue)
        run.queue.scale[1] = width
        got = run.finish(None)
        assert got.spike_time.tolist() == want.spike_time.tolist()
        assert got.spike_neuron.tolist() == want.spike_neuron.tolist()


def test_an_input_at_the_very_instant_of_a_spike_comes_before_it():
    """lif_delta: an inhibitory input at the instant of the spike cancels it."""
    options = {"model": "lif_delta", "I0": 2.0, "initial": {"V": 0.0}, "duration": 1.9}
    alone = simulate(make([[0.0]], **options)).spike_time[0]
    for engine in ("events", "plain"):
        inhibited = make([[0.0]], inputs=[(alone, 0)], input_weights=[[-0.5]], **options)
        assert simulate(inhibited, engine=engine).spike_time[0] > alone + 0.1
        excited = make([[0.0]], inputs=[(alone, 0)], input_weights=[[0.5]], **options)
        assert simulate(excited, engine=engine).spike_time[0] == alone


def test_simultaneous_spikes_are_ordered_by_neuron_and_the_first_acts_on_the_others():
    options = {"model": "lif_delta", "I0": 2.0, "initial": {"V": 0.0}, "duration": 1.9}
    for engine in ("events", "plain"):
        free = simulate(make(np.zeros((3, 3)), **options), engine=engine)
        assert free.spike_neuron[:3].tolist() == [0, 1, 2]
        assert len(set(free.spike_time[:3])) == 1
        weights = -0.5 * (1 - np.eye(3))
        tied = simulate(make(weights, **options), engine=engine)
        assert tied.spike_neuron[0] == 0
        assert tied.spike_time[1] > tied.spike_time[0] + 0.1


def test_an_arrival_at_the_instant_of_a_spike_that_does_not_move_the_potential_waits_for_it():
    """Two equal lif neurons: the first's spike reaches the second as it spikes itself.

    To rounding, the second may still be below the threshold then, and spikes an instant later.
    """
    n_deferred = 0
    for current, weight in itertools.product(np.linspace(5.0, 7.0, 20), (0.5, -0.5)):
        options = {"model": "lif", "initial": {"V": [0.0, 0.0], "I": [current] * 2}}
        weights = [[0.0, 0.0], [weight, 0.0]]
        events = simulate(make(weights, duration=1.5, **options), record=True)
        plain = simulate(make(weights, duration=1.5, **options), engine="plain")
        assert events.spike_neuron[:2].tolist() == [0, 1]
        np.testing.assert_allclose(plain.spike_time, events.spike_time, rtol=0, atol=1e-12)
        n_deliveries = events.tape.counts[1]
        if events.spike_time[0] != events.spike_time[1] or n_deliveries < 3:
            continue
        n_deferred += 1
        slopes = np.zeros(len(events.spike_time))
        slopes[1] = 1.0
        initial = differentiate(events, spike_time=slopes).initial[0]
        start = {"V": 0.0, "I": current}
        alone = simulate(make([[0.0]], duration=1.5, **options | {"initial": start}), record=True)
        slopes = np.zeros(len(alone.spike_time))
        slopes[0] = 1.0
        want = differentiate(alone, spike_time=slopes).initial[0]
        for name in ("V", "I"):
            np.testing.assert_allclose(initial[name][1], want[name][0], rtol=1e-12)
            assert initial[name][0] == 0.0
    assert n_deferred > 3


def test_what_has_waited_for_a_spike_arrives_once():
    """Two equal lif neurons that go on spiking: the first's spikes reach the second at its own."""
    n_deferred = 0
    for current in np.linspace(12.0, 13.0, 10):
        options = {"model": "lif", "initial": {"V": [0.0, 0.0], "I": [current] * 2}}
        network = make([[0.0, 0.0], [5.0, 0.0]], duration=4.0, **options)
        run = EventRun(network, np.empty(0), np.empty(0, int), record=False, max_spikes=99)
        deferred = run.in_flight.deferred
        deferred[:] = -9
        events, plain = run.finish(None), simulate(network, engine="plain")
        n_deferred += bool((deferred != -9).any())
        assert events.spike_neuron.tolist() == plain.spike_neuron.tolist()
        np.testing.assert_allclose(events.spike_time, plain.spike_time, rtol=0, atol=1e-10)
    assert n_deferred > 2


@pytest.mark.parametrize(
    ("current", "weight"), list(itertools.product([5.0, 5.7, 6.3], [0.5, -0.5]))
)
def test_in_the_plain_engine_it_always_waits_whatever_rounding_does(current, weight):
    options = {"model": "lif", "duration": 1.5, "initial": {"V": 0.0, "I": current}}
    found = []
    for weights in ([[0.0, 0.0], [weight, 0.0]], [[0.0, 0.0], [0.0, 0.0]]):
        recording = simulate(make(weights, **options), engine="plain")
        slopes = np.zeros(len(recording.spike_time))
        slopes[1] = 1.0
        found.append(differentiate(recording, spike_time=slopes).initial[0])
    for name in ("V", "I"):
        np.testing.assert_array_equal(found[0][name], found[1][name])


def test_a_spike_at_the_end_of_the_trial_is_none_and_an_input_there_counts():
    first = simulate(make([[0.0]], duration=4.0)).spike_time[0]
    assert len(simulate(make([[0.0]], duration=first)).spike_time) == 0
    assert len(simulate(make([[0.0]], duration=np.nextafter(first, 9))).spike_time) == 1
    quiet = make([[0.0]], duration=1.0, inputs=[(1.0, 0)], input_weights=[[0.5]])
    moved = simulate(quiet).end_state[0]["V"][0]
    silent = simulate(make([[0.0]], duration=1.0)).end_state[0]["V"][0]
    assert moved == pytest.approx(silent + 0.5)


def test_a_self_connection_acts_on_the_neuron_that_has_just_spiked():
    """theta forgets an input at the reset; lif does not."""
    options = {"duration": 9.0, "initial": {"phi0": 1.0}}
    assert simulate(make([[3.0]], **options)).spike_time.tolist() == (
        simulate(make([[0.0]], **options)).spike_time.tolist()
    )
    later = simulate(make([[3.0]], delays=0.5, **options)).spike_time
    assert later[1] < simulate(make([[0.0]], **options)).spike_time[1] - 0.1


def test_probing_states_changes_nothing_and_sees_what_the_end_would():
    network = draw_circuit(2)
    plain = simulate(network)
    times = np.linspace(0, network.duration, 7)
    probed = simulate(network, probe_times=times, probed=[0, 3, 11])
    assert probed.spike_time.tolist() == plain.spike_time.tolist()
    states = probed.probed_state
    assert states[0]["V"].shape == (7, 2)
    assert states[1]["I"].shape == (7, 1)
    assert states[0]["V"][-1].tolist() == plain.end_state[0]["V"][[0, 3]].tolist()
    assert states[1]["V"][-1].tolist() == plain.end_state[1]["V"][[5]].tolist()
    plain = simulate(network, probe_times=times, probed=[0, 3, 11], engine="plain")
    np.testing.assert_allclose(plain.probed_state[1]["I"], states[1]["I"], rtol=1e-9, atol=1e-12)


def test_homogeneous_coordinates_that_grow_are_scaled_and_gradients_do_not_notice():
    """Many strong inputs between spikes; the same trial with as many weak ones is the check."""
    inputs = [(0.001 * k, 0) for k in range(1, 400)]
    options = {"inputs": inputs, "duration": 3.0, "initial": {"phi0": 1.0}}
    network = make([[0.0]], input_weights=[[-3.0e4]], **options)
    recording = simulate(network, record=True)
    assert recording.tape.counts[3] > 0
    again = simulate(make([[0.0]], input_weights=[[-3.0e4 - 1e-2]], **options))
    end = differentiate(recording, end=[{"V": 1.0}])
    change = again.end_state[0]["V"][0] - recording.end_state[0]["V"][0]
    assert end.weights[1][0, 0] == pytest.approx(change / -1e-2, rel=1e-4)


def test_the_jacobian_has_one_row_per_spike():
    recording = simulate(
        make([[0.0, 1.0], [0.5, 0.0]], duration=6.0, initial={"V": [0.0, 1.0]}), record=True
    )
    rows = find_jacobian(recording)
    slopes = np.arange(1.0, 1 + len(rows))
    total = differentiate(recording, spike_time=slopes).weights[0]
    np.testing.assert_allclose(
        sum(s * r.weights[0] for s, r in zip(slopes, rows, strict=True)), total
    )
    np.testing.assert_array_equal(rows[0].weights[0], 0.0)


def test_networks_without_inputs_connections_or_spikes_run():
    quiet = Network(populations=[Population(name="n", model=compiled("lif"), size=2)], duration=3.0)
    for engine in ("events", "plain"):
        recording = simulate(quiet, engine=engine)
        assert len(recording.spike_time) == 0
        assert recording.end_state[0]["V"].tolist() == [0.0, 0.0]
    gradients = differentiate(simulate(quiet, record=True), end=[{"V": 1.0}])
    assert gradients.weights == []
    np.testing.assert_allclose(gradients.initial[0]["V"], np.exp(-3.0))


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_network_that_fires_without_bound_is_stopped_and_keeps_what_it_did(engine):
    network = make([[1.5]], model="lif_delta", I0=2.0, duration=5.0)
    with pytest.raises(
        StoppedError, match=r"Expected at most 100 spikes but got more by t="
    ) as info:
        simulate(network, max_spikes=100, engine=engine)
    assert len(info.value.recording.spike_time) == 101
    assert not info.value.recording.is_complete


def test_the_error_of_unbounded_firing_names_the_neuron_and_its_rate():
    network = make([[0.0, 0.0], [0.0, 1.5]], model="lif_delta", I0=2.0, duration=5.0)
    with pytest.raises(
        StoppedError, match=r"neuron 1 of n fires most, 1\d\d spikes \([\d.e+]+ per unit"
    ):
        simulate(network, max_spikes=100)


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_run_can_be_stopped_and_keeps_what_it_did(engine):
    network = draw_circuit(0, duration=200.0)
    whole = simulate(network)
    part = simulate(network, on_advance=lambda a: a.time > 50, engine=engine)
    assert 50 < part.time < 200
    n = len(part.spike_time)
    assert 0 < n < len(whole.spike_time)
    np.testing.assert_allclose(part.spike_time, whole.spike_time[:n], rtol=1e-9)


def test_a_state_that_leaves_the_range_of_numbers_is_an_error():
    network = make([[0.0]], model="lif", inputs=[(0.1, 0)], input_weights=[[1.0]])
    nothing = np.empty(0), np.empty(0, int)
    events = EventRun(network, *nothing, record=False, max_spikes=9)
    events.cells[0] = -1e151
    with pytest.raises(StoppedError, match=r"Expected finite states but neuron 0 .* at t=0.1;"):
        events.finish(None)
    plain = PlainRun(network=read_network(network))
    plain.states[0] = (-1e151, 0.0)
    with pytest.raises(StoppedPlainly, match="finite states but neuron 0 left"):
        plain.run()


def make_population(**changes):
    return Population(**{"name": "n", "model": compiled("theta"), "size": 2} | changes)


def make_trains(**changes):
    base = {"name": "in", "size": 2, "times": np.array([0.1]), "channels": np.array([1])}
    return SpikeTrains(**base | changes)


def connect(weights=((1.0, 0.0), (0.0, 1.0)), **changes):
    changes = {"mask": find_mask(weights)} | changes
    return Projection(**{"pre": "n", "post": "n", "weights": weights} | changes)


def make_circuit(population, projection):
    return Network(populations=[population], projections=[projection], duration=1.0)


TWICE = scipy.sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 2))
REFUSED = [
    (lambda: make_population(size=0), "Expected at least one neuron in n but got size=0"),
    (
        lambda: make_population(size=1.5),
        r"Expected a whole number of neurons in n but got size=1.5",
    ),
    (
        lambda: make_population(parameters={"tau": [1.0, -1.0]}),
        "Expected tau > 0 but got tau=-1.0 for neuron 1 of n",
    ),
    (lambda: make_population(parameters={"tau": -1.0}), "Expected tau > 0 but got tau=-1"),
    (
        lambda: make_population(parameters={"tau": [1.0]}),
        r"Expected tau of n of shape \(2,\) but got shape \(1,\)",
    ),
    (lambda: make_population(parameters={"mu": [1.0, 1.0]}), "Expected parameters of theta"),
    (
        lambda: make_population(initial={"W": 1.0}),
        "Expected initial values of n for V, or phi0 alone",
    ),
    (lambda: make_population(initial={"V": np.nan}), "Expected finite numbers in V"),
    (lambda: make_trains(times=np.array([-0.1])), "Expected times >= 0 in in but got -0.1"),
    (lambda: make_trains(times=np.array([np.nan])), "Expected finite numbers in times of in"),
    (
        lambda: make_trains(channels=np.array([2])),
        "Expected channels 0 to 1 in in but got values from 2",
    ),
    (lambda: make_trains(channels=np.array([0.5])), "Expected whole numbers in the channels of in"),
    (lambda: make_trains(channels=np.array([0, 1])), "Expected channels of in of shape"),
    (lambda: make_trains(size=0), "Expected at least one channel in in"),
    (lambda: connect([[np.nan, 0.0], [0.0, 0.0]]), "Expected finite numbers in weights of n -> n"),
    (lambda: connect([[1e101, 0.0], [0.0, 0.0]]), r"Expected weights of at most 1e\+100"),
    (
        lambda: connect(weights=TWICE),
        "Expected each connection once in weights of n -> n but got 1 -> 0",
    ),
    (lambda: connect(delays=-1.0), "Expected delays of n -> n >= 0 but got -1.0"),
    (lambda: connect(delays=np.ones((1, 2))), "Expected delays of n -> n of shape"),
    (
        lambda: connect(delays=TWICE.tocsr()),
        "Expected delays of n -> n with the entries of the weights",
    ),
    (
        lambda: Network(populations=[], duration=1.0),
        "Expected at least one population but got an empty network",
    ),
    (
        lambda: Network(populations=[make_population()], duration=0.0),
        "Expected duration > 0 but got duration=0",
    ),
    (
        lambda: Network(populations=[make_population(), make_population()], duration=1.0),
        "Expected populations and inputs of different names but got 'n'",
    ),
    (
        lambda: make_circuit(make_population(), connect(pre="m")),
        "Expected pre of a projection to be one of n but got 'm'",
    ),
    (
        lambda: make_circuit(make_population(size=3), connect()),
        r"Expected weights of n -> n of shape \(3, 3\)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make_it", "message"), REFUSED, ids=[m[:40] for _, m in REFUSED])
def test_what_cannot_be_simulated_is_refused_with_a_reason(make_it, message):
    with pytest.raises((InputError, ModelError), match=message):
        make_it()


def test_impossible_probes_and_runs_without_a_tape_are_refused():
    network = make([[0.0]])
    with pytest.raises(InputError, match="Expected probe_times between 0 and the duration 5"):
        simulate(network, probe_times=[6.0])
    with pytest.raises(InputError, match="Expected neurons 0 to 0 in probed"):
        simulate(network, probed=[1])
    with pytest.raises(InputError, match="Expected a recorded run but got one without"):
        differentiate(simulate(network))
    for engine in ("events", "plain"):
        recording = simulate(network, record=True, engine=engine)
        with pytest.raises(InputError, match="Expected derivatives by spike_time of shape"):
            differentiate(recording, spike_time=np.zeros(99))
        with pytest.raises(InputError, match="Expected derivatives by V for n but got 'I'"):
            differentiate(recording, end=[{"I": 1.0}])
        with pytest.raises(InputError, match="Expected derivatives by states for 1 populations"):
            differentiate(recording, end=[])


def test_a_network_that_does_not_fit_into_memory_is_refused_before_it_starts(monkeypatch):
    monkeypatch.setattr(memory, "get_memory_size", lambda: 100)
    with pytest.raises(InputError, match=r"Expected a network that fits into .* need about"):
        simulate(make([[0.0]]))
