"""Batches of samples through whole networks."""

import itertools
import re

import numpy as np
import pytest
from networks import latencies, network, trains

from sim.inputs.encoding import BinnedInput, LatencyInput
from sim.layers.allocation import Shelf
from sim.layers.batch import LEAST_CHUNK, prepare_events, record_spikes, run_batch
from sim.losses import make_first_spike_loss, make_linear_loss, make_target_time_loss
from spiketheory.errors import InputError, SimulationError
from spiketheory.machine.compile import BACKENDS

NEVER = np.inf
SIZES = (5, 4, 4, 3)


def make(sizes=SIZES, *, duration=6.0, seed=0, scale=1.0, **options):
    rng = np.random.default_rng(seed)
    shapes = itertools.pairwise(sizes)
    weights = [scale * rng.normal(size=shape) for shape in shapes]
    initial = options.pop("initial", rng.uniform(0.1, 3.0, sum(sizes[1:])))
    return network(weights, duration=duration, initial=initial, **options)


def draw_inputs(n_samples, n_inputs=SIZES[0], *, seed=1, end=7.0):
    return LatencyInput(times=np.random.default_rng(seed).uniform(0, end, (n_samples, n_inputs)))


def run(built, inputs, *, n_required=2, **options):
    rng = np.random.default_rng(9)
    targets = rng.uniform(0, 8, (len(inputs), built.layer_sizes[-1], n_required))
    return run_batch(
        built, inputs, targets, make_target_time_loss(n_required=n_required), **options
    )


def assert_same(one, other, *, atol=0.0):
    """The same outcome, and gradients up to ``atol``."""
    (outcome, gradients), (outcome_2, gradients_2) = one, other
    for field in ("output_times", "n_ordinary", "loss", "hidden_spikes", "active"):
        np.testing.assert_array_equal(getattr(outcome, field), getattr(outcome_2, field), field)
    for a, b in zip(gradients.weights, gradients_2.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)
    np.testing.assert_allclose(gradients.initial, gradients_2.initial, rtol=0, atol=atol)
    np.testing.assert_allclose(gradients.input_times, gradients_2.input_times, rtol=0, atol=atol)


# --- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), (3, 4, 2), (2, 3, 3, 3, 3, 3, 2)])
@pytest.mark.parametrize("n_samples", [1, 3])
def test_results_have_the_promised_shapes(sizes, n_samples):
    built = make(sizes)
    outcome, gradients = run(
        built, draw_inputs(n_samples, sizes[0]), gradient=True, input_times=True
    )
    assert outcome.output_times.shape == (n_samples, sizes[-1], 2)
    assert outcome.n_ordinary.shape == (n_samples, sizes[-1])
    for field in ("loss", "loss_ordinary", "hidden_spikes", "synaptic_operations"):
        assert getattr(outcome, field).shape == (n_samples,)
    assert outcome.active.shape == (sum(sizes[1:]),)
    assert [g.shape for g in gradients.weights] == [w.shape for w in built.weights]
    assert gradients.initial.shape == built.initial.shape
    assert gradients.input_times.shape == (n_samples, sizes[0])
    assert np.isfinite(outcome.output_times).all()


def test_a_batch_of_one_is_the_sample_alone():
    built, inputs = make(), draw_inputs(4)
    outcome, _ = run_batch(built, inputs, np.zeros((4, 3)), make_linear_loss())
    for b in range(4):
        alone, _ = run_batch(built, inputs.take([b]), np.zeros((1, 3)), make_linear_loss())
        assert alone.output_times[0].tolist() == outcome.output_times[b].tolist()


def test_the_gradient_does_not_change_the_outcome(backend):
    built, inputs = make(backend=backend), draw_inputs(3)
    without, _ = run(built, inputs)
    with_gradient, _ = run(built, inputs, gradient=True, input_times=True)
    assert without.output_times.tolist() == with_gradient.output_times.tolist()
    assert without.loss.tolist() == with_gradient.loss.tolist()


def test_the_ordinary_loss_is_also_computed_beside_gradients():
    built, inputs = make(), draw_inputs(3)
    without, _ = run(built, inputs)
    with_gradient, _ = run(built, inputs, gradient=True, input_times=True)
    assert without.loss_ordinary.tolist() == with_gradient.loss_ordinary.tolist()


# --- threads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [2, 3, 5, 7, 20])
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, threads, backend):
    built, inputs = make(backend=backend), draw_inputs(7)
    monkeypatch.setenv("SPIKETHEORY_THREADS", "1")
    alone = run(built, inputs, gradient=True, input_times=True)
    monkeypatch.setenv("SPIKETHEORY_THREADS", str(threads))
    chunked = run(built, inputs, gradient=True, input_times=True)
    assert_same(alone, chunked)


def test_gradients_of_an_earlier_batch_leave_no_trace(monkeypatch, backend):
    shelf = Shelf()
    monkeypatch.setattr("sim.layers.batch.SUMS", shelf)
    built, inputs = make(backend=backend), draw_inputs(5)
    first = run(built, inputs, gradient=True, input_times=True)
    (kept,) = list_kept(shelf)
    for layers in kept:
        for layer in layers:
            layer.weights[...] = layer.initial[...] = np.nan
    assert_same(first, run(built, inputs, gradient=True, input_times=True))
    (again,) = list_kept(shelf)
    assert again[0] is kept[0]


def test_a_sample_does_not_depend_on_the_samples_before_it():
    # buffers are kept from sample to sample
    built = make(duration=40.0)
    busy, quiet = draw_inputs(1, end=30.0), latencies([NEVER] * 5)
    both = LatencyInput(times=np.concatenate([busy.times, quiet.times, busy.times]))
    outcome, _ = run_batch(built, both, np.zeros((3, 3)), make_linear_loss())
    assert outcome.output_times[0].tolist() == outcome.output_times[2].tolist()
    alone, _ = run_batch(built, quiet, np.zeros((1, 3)), make_linear_loss())
    assert alone.output_times[0].tolist() == outcome.output_times[1].tolist()


@pytest.mark.parametrize("threads", ["1", "3"])
def test_many_samples_without_gradient_are_cut_finer_and_come_out_the_same(monkeypatch, threads):
    n = 4 * LEAST_CHUNK + 7
    built, inputs = make(backend="numba"), draw_inputs(n)
    monkeypatch.setenv("SPIKETHEORY_THREADS", threads)
    whole, _ = run_batch(built, inputs, np.zeros((n, 3)), make_linear_loss())
    for part in np.array_split(np.arange(n), 5):
        alone, _ = run_batch(built, inputs.take(part), np.zeros((len(part), 3)), make_linear_loss())
        assert alone.output_times.tolist() == whole.output_times[part].tolist()
        assert alone.hidden_spikes.tolist() == whole.hidden_spikes[part].tolist()
    assert whole.active.all()


SPOILT = (
    "states", "scales", "steps", "by_start", "adjoints", "rates", "pseudo_input_adjoints",
    "pseudo_inputs", "by_spike",
    "by_event", "spiking_adjoints", "adjoints_after", "spike_adjoints", "saved_gradient",
    "time_gradients", "unused",
)  # fmt: skip


def test_buffers_of_an_earlier_batch_leave_no_trace(monkeypatch, backend):
    """Neither its numbers nor NaNs of one that failed come back."""
    shelf = Shelf()
    monkeypatch.setattr("sim.layers.batch.BUFFERS", shelf)
    built, inputs = make(backend=backend), draw_inputs(5)
    options = {"gradient": True, "input_times": True, "n_required": 9}
    first = run(built, inputs, **options)
    run(make(seed=5, scale=3.0, backend=backend), draw_inputs(3, seed=2), **options)
    kept = list_kept(shelf)
    assert kept
    for ready in kept:
        for layer in ready.buffers.layers:
            for name in SPOILT:
                getattr(layer, name)[...] = np.nan
    assert_same(first, run(built, inputs, **options))
    assert any(ready is again for ready in kept for again in list_kept(shelf))


def list_kept(shelf):
    return [item for item, _ in shelf._idle]


def test_buffers_are_taken_again_and_by_one_thread_at_a_time(monkeypatch):
    shelf = Shelf()
    monkeypatch.setattr("sim.layers.batch.BUFFERS", shelf)
    monkeypatch.setenv("SPIKETHEORY_THREADS", "2")
    run(make(), draw_inputs(4))
    kept = list_kept(shelf)
    assert 1 <= len(kept) <= 2
    run(make(), draw_inputs(4))
    later = list_kept(shelf)
    assert all(any(one is other for other in later) for one in kept)
    assert len(later) <= 2
    run(make((5, 4, 3)), draw_inputs(4))
    assert not any(one is other for one in later for other in list_kept(shelf))


def test_weights_of_an_earlier_batch_leave_no_trace(monkeypatch, backend):
    shelf = Shelf()
    monkeypatch.setattr("sim.layers.batch.WEIGHTS", shelf)
    inputs = draw_inputs(4)
    first = run(make(backend=backend), inputs, gradient=True, input_times=True)
    (kept,) = list_kept(shelf)
    run(make(seed=5, backend=backend), inputs)
    assert_same(first, run(make(backend=backend), inputs, gradient=True, input_times=True))
    (again,) = list_kept(shelf)
    assert again[0] is kept[0]


def test_weights_of_another_backend_are_left_alone():
    """Their rows are of another length."""
    inputs = draw_inputs(4)
    outcomes = [run(make(backend=name), inputs)[0] for name in (*BACKENDS, *BACKENDS)]
    for outcome in outcomes:
        np.testing.assert_allclose(outcome.output_times, outcomes[0].output_times, rtol=1e-12)


@pytest.mark.parametrize("model", ["theta", "rapid_theta"])
@pytest.mark.parametrize("room", [1, 2, 3, 5, 6, 7, 11, 13])
def test_the_room_for_spikes_that_buffers_begin_with_does_not_matter(monkeypatch, model, room):
    """Neurons that spike at the same time, and several times between two inputs."""
    monkeypatch.setattr("sim.layers.batch.BUFFERS", Shelf())
    sizes = (2, 5, 3)
    built = make(sizes, model=model, initial=np.full(8, 0.3), duration=20.0)
    inputs = draw_inputs(1, 2)
    want, spikes = run(built, inputs, gradient=True, input_times=True), record_spikes(built, inputs)
    assert len(spikes.time) >= 20
    monkeypatch.setattr("sim.layers.batch.BUFFERS", Shelf())
    monkeypatch.setattr("sim.layers.batch.FIRST_ROOM", room)
    assert_same(want, run(built, inputs, gradient=True, input_times=True))
    again = record_spikes(built, inputs)
    assert again.time.tolist() == spikes.time.tolist()
    assert again.neuron.tolist() == spikes.neuron.tolist()


@pytest.mark.parametrize("model", ["theta", "rapid_theta"])
def test_as_many_spikes_as_are_allowed_are_no_error_and_one_more_is(model):
    built = make((2, 5), model=model, initial=np.full(5, 0.3), duration=20.0)
    n = len(record_spikes(built, draw_inputs(1, 2)).time)
    assert len(record_spikes(built, draw_inputs(1, 2), max_spikes=n).time) == n
    for fewer in (n - 1, n - 2, n - 5):
        with pytest.raises(SimulationError, match=f"at most {fewer} spikes"):
            record_spikes(built, draw_inputs(1, 2), max_spikes=fewer)


def test_large_buffers_are_not_kept(monkeypatch):
    shelf = Shelf(100)
    monkeypatch.setattr("sim.layers.batch.BUFFERS", shelf)
    run(make(), draw_inputs(4))
    assert not shelf._idle


def test_what_is_kept_is_limited_in_all():
    shelf = Shelf(100)
    shelf.take("kind")
    for size in (60, 50, 40, 1):
        shelf.give_back("kind", size, size)
    assert list_kept(shelf) == [60, 40]


@pytest.mark.parametrize("threads", ["0", "-1", "two", ""])
def test_a_thread_count_that_is_none_is_refused(monkeypatch, threads):
    monkeypatch.setenv("SPIKETHEORY_THREADS", threads)
    with pytest.raises(InputError, match="SPIKETHEORY_THREADS to be a positive whole number"):
        run(make(), draw_inputs(1))


# --- inputs --------------------------------------------------------------------------------------


def test_latencies_equal_bins_with_the_same_times(backend):
    built = make(backend=backend)
    times, bins = np.array([0.0, 0.4, 1.7, 5.0]), np.random.default_rng(3).integers(0, 5, (6, 5))
    binned, latency = (
        run(built, inputs, gradient=True, input_times=True)
        for inputs in (
            BinnedInput(times=times, bins=bins),
            LatencyInput(times=np.append(times, NEVER)[bins]),
        )
    )
    np.testing.assert_allclose(binned[0].output_times, latency[0].output_times, rtol=1e-12)
    assert binned[0].synaptic_operations.tolist() == latency[0].synaptic_operations.tolist()
    for a, b in zip(binned[1].weights, latency[1].weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * np.abs(b).max())


def test_a_batch_without_any_input_spike_runs(backend):
    built = make(backend=backend)
    outcome, gradients = run(
        built, latencies([NEVER] * 5, [9.0] * 5), gradient=True, input_times=True
    )
    assert outcome.output_times[0].tolist() == outcome.output_times[1].tolist()
    assert not gradients.weights[0].any()
    assert gradients.weights[1].any()


def test_samples_may_have_different_numbers_of_inputs():
    built = make()
    rows = [[0.5, NEVER, 1.0, 2.0, 0.1], [NEVER, NEVER, 8.0, NEVER, 3.0], [NEVER] * 5]
    outcome, _ = run(built, latencies(*rows), gradient=True, input_times=True)
    for b, row in enumerate(rows):
        alone, _ = run_batch(built, latencies(row), np.zeros((1, 3, 2)),
                             make_linear_loss(n_required=2))  # fmt: skip
        assert alone.output_times[0].tolist() == outcome.output_times[b].tolist()


def test_prepared_events_can_be_reused_and_chosen_from():
    built = make()
    binned = BinnedInput(times=[0.5, 1.0], bins=np.random.default_rng(0).integers(0, 3, (6, 5)))
    for inputs in (draw_inputs(6), binned):
        events = prepare_events(inputs, duration=built.duration)
        assert len(events) == 6
        chosen = record_spikes(built, events.take(np.array([4, 1])))
        direct = record_spikes(built, inputs.take([4, 1]))
        assert chosen.time.tolist() == direct.time.tolist()
        assert chosen.neuron.tolist() == direct.neuron.tolist()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (latencies([1.0, 2.0]), "Expected 5 inputs (rows of W0) but got 2; give the first layer"),
        (LatencyInput(times=np.empty((0, 5))), "Expected at least one sample but got none"),
        (BinnedInput(times=[1.0], bins=np.zeros((1, 4), int)), "Expected 5 inputs (rows of W0)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, message):
    built = make()
    with pytest.raises(InputError, match=re.escape(message)):
        record_spikes(built, inputs)
    with pytest.raises(InputError, match=re.escape(message)):
        run_batch(built, inputs, np.zeros((len(inputs), 3)), make_target_time_loss())


def test_labels_that_do_not_fit_are_refused():
    loss = make_first_spike_loss(gamma=0.01, duration=6.0)
    with pytest.raises(InputError, match="Expected labels from 0 to 2 but got 0 to 3"):
        run_batch(make(), draw_inputs(2), np.array([0, 3]), loss)


def test_the_error_of_a_batch_names_the_first_sample_that_failed(monkeypatch, backend):
    monkeypatch.setenv("SPIKETHEORY_THREADS", "2")
    built = network([np.full((2, 1), 3.0)], duration=5.0, initial=[0.1], backend=backend)
    inputs = latencies([NEVER, NEVER], [NEVER, 1.0], [0.5, 2.0], [0.5, 2.5])
    counts = [len(record_spikes(built, inputs.take([b])).time) for b in range(4)]
    assert counts[0] < max(counts)
    first = int(np.argmax(np.array(counts) > counts[0]))
    with pytest.raises(SimulationError, match=f"at most {counts[0]} spikes .* sample {first} has"):
        run_batch(built, inputs, np.zeros((4, 1)), make_linear_loss(), max_spikes=counts[0])


# --- what is counted -----------------------------------------------------------------------------


def test_spikes_synaptic_operations_and_active_neurons_are_counted():
    built = make()
    inputs = draw_inputs(6)
    outcome, _ = run(built, inputs)
    spikes = record_spikes(built, inputs)
    in_time = np.count_nonzero(inputs.times <= built.duration, axis=1)
    assert in_time.min() < 5
    for b in range(6):
        counts = np.bincount(spikes.select(b)[1], minlength=11)
        assert outcome.hidden_spikes[b] == counts[:8].sum() > 0
        operations = 4 * in_time[b] + 4 * counts[:4].sum() + 3 * counts[4:8].sum()
        assert outcome.synaptic_operations[b] == operations
    assert outcome.active.tolist() == np.isin(np.arange(11), spikes.neuron).tolist()


def test_recorded_spikes_are_sorted_and_hold_the_output_times():
    built, inputs = make(duration=12.0), draw_inputs(5)
    spikes = record_spikes(built, inputs)
    order = np.lexsort((spikes.neuron, spikes.time, spikes.sample))
    assert order.tolist() == list(range(len(spikes.time)))
    assert spikes.time.min() >= 0
    assert spikes.time.max() <= 12.0
    outcome, _ = run(built, inputs)
    for b in range(5):
        for i, train in enumerate(trains(built, inputs, b)[8:]):
            n = outcome.n_ordinary[b, i]
            assert n == min(2, len(train))
            assert outcome.output_times[b, i, :n].tolist() == train[:n]
            assert (outcome.output_times[b, i, n:] > 12.0).all()


# --- symmetries ----------------------------------------------------------------------------------


def test_relabelling_neurons_permutes_the_results():
    built, inputs = make(), draw_inputs(3)
    rng = np.random.default_rng(8)
    order = [rng.permutation(n) for n in SIZES]
    parts = np.split(built.initial, np.cumsum(SIZES[1:])[:-1])
    relabelled = network(
        [w[np.ix_(a, b)] for w, a, b in zip(built.weights, order[:-1], order[1:], strict=True)],
        duration=6.0,
        initial=np.concatenate([p[o] for p, o in zip(parts, order[1:], strict=True)]),
    )
    rng_targets = np.random.default_rng(4).uniform(0, 8, (3, 3))
    one, g = run_batch(
        built, inputs, rng_targets, make_target_time_loss(), gradient=True, input_times=True
    )
    two, h = run_batch(
        relabelled, LatencyInput(times=inputs.times[:, order[0]]), rng_targets[:, order[3]],
        make_target_time_loss(), gradient=True, input_times=True,
    )  # fmt: skip
    np.testing.assert_allclose(two.output_times, one.output_times[:, order[3]], rtol=1e-12)
    np.testing.assert_allclose(two.loss, one.loss, rtol=1e-12)
    for k, (a, b) in enumerate(zip(g.weights, h.weights, strict=True)):
        largest = np.abs(a).max()
        np.testing.assert_allclose(
            b, a[np.ix_(order[k], order[k + 1])], rtol=0, atol=1e-12 * largest
        )
    np.testing.assert_allclose(h.input_times, g.input_times[:, order[0]], rtol=0, atol=1e-12)


def test_a_hidden_neuron_cut_in_two_halves_changes_nothing():
    w0, w1 = np.array([[1.5], [-0.4]]), np.array([[0.8, -1.2]])
    whole = network([w0, w1], duration=9.0, initial=np.array([1.0, 0.5, 2.0]))
    halves = network(
        [np.repeat(w0, 2, axis=1), np.repeat(w1 / 2, 2, axis=0)],
        duration=9.0,
        initial=np.array([1.0, 1.0, 0.5, 2.0]),
    )
    inputs = latencies([0.3, 2.0])
    one, _ = run(whole, inputs, n_required=4)
    two, _ = run(halves, inputs, n_required=4)
    np.testing.assert_allclose(two.output_times, one.output_times, rtol=1e-13)
