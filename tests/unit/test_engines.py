"""One network behind one face: which engine runs it, and that all give one answer."""

import numpy as np
import pytest
import scipy.sparse
from networks import compiled

from sim import (
    Network,
    Population,
    Projection,
    Readout,
    SpikeTrains,
    Trials,
    choose_engine,
    differentiate,
    layered,
    loss_and_gradient,
    make_first_spike_loss,
    make_linear_loss,
    simulate,
)
from spiketheory.errors import InputError

LOSS = make_first_spike_loss(gamma=0.01, duration=2.5)
TRIALS = Trials.from_trains([[[0.1, 0.5], [0.3, 0.3], [0.2, 2.6]], [[], [0.1], []]])
LABELS = np.array([0, 1])


def make_stack(model="theta", *, scale=1.0, **options):
    rng = np.random.default_rng(0)
    weights = [scale * rng.normal(0.6, 0.5, shape) for shape in ((4, 3), (4, 4), (2, 4))]
    return layered(compiled(model), weights, duration=2.5, **options)


def change(network, place, **changes):
    """The network with one projection changed."""
    old = network.projections[place]
    fields = {"pre": old.pre, "post": old.post, "weights": old.weights} | changes
    projections = [*network.projections]
    projections[place] = Projection(**fields)
    return Network(
        populations=network.populations, inputs=network.inputs, projections=projections,
        readouts=network.readouts, duration=network.duration,
    )  # fmt: skip


def assert_close(one, other, tolerance):
    scale = max(1e-300, np.abs(one).max(initial=0.0))
    assert np.abs(np.asarray(one) - np.asarray(other)).max(initial=0.0) <= tolerance * scale


@pytest.mark.parametrize("model", ["theta", "qif", "qif_delta"])
@pytest.mark.parametrize("scale", [1.0, 0.01], ids=["active", "silent"])
@pytest.mark.parametrize("engine", ["events", "plain"])
def test_loss_and_gradients_of_a_batch_are_those_of_all_engines(model, scale, engine):
    network = make_stack(model, scale=scale)
    one, by_one = loss_and_gradient(network, TRIALS, LABELS, LOSS, engine="layers")
    other, by_other = loss_and_gradient(network, TRIALS, LABELS, LOSS, engine=engine)
    for name, value in vars(one).items():
        assert_close(np.asarray(value, float), np.asarray(getattr(other, name), float), 1e-12)
    for a, b in zip(by_one.weights, by_other.weights, strict=True):
        assert_close(a, b, 1e-10)
    for a, b in zip(by_one.initial, by_other.initial, strict=True):
        for name in a:
            assert_close(a[name], b[name], 1e-10)
    assert_close(by_one.input_times[0], by_other.input_times[0], 1e-10)
    assert len(by_one.input_times[0]) == len(TRIALS.time)
    assert by_one.input_times[0][TRIALS.time > 2.5] == 0.0


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_batch_has_the_spikes_and_end_states_of_all_engines(engine):
    network = make_stack()
    one, other = (simulate(network, TRIALS, engine=e) for e in ("layers", engine))
    assert len(one) == len(other) == 2
    assert np.array_equal(one.spike_neuron, other.spike_neuron)
    assert np.array_equal(one.spike_trial, other.spike_trial)
    assert_close(one.spike_time, other.spike_time, 1e-12)
    for trial in range(2):
        for a, b in zip(one.trains(trial), other.trains(trial), strict=True):
            assert_close(a, b, 1e-12)
    for a, b in zip(one.end_state, other.end_state, strict=True):
        assert a["V"].shape == b["V"].shape
        assert_close(a["V"], b["V"], 1e-12)


@pytest.mark.parametrize("engine", ["events", "plain"])
@pytest.mark.parametrize("kind", ["latencies", "bins"])
def test_compact_trials_have_gradients_in_their_own_shape_in_all_engines(kind, engine):
    network = make_stack()
    if kind == "bins":
        trials = Trials.from_bins([0.1, 0.4], np.array([[0, 2, 1], [1, 1, 0]], np.uint8))
        shape = (2,)
    else:
        trials = Trials.from_latencies([[0.2, np.inf, 0.1], [0.3, 0.4, np.inf]])
        shape = (2, 3)
    found = [
        loss_and_gradient(network, trials, LABELS, LOSS, engine=e)[1].input_times[0]
        for e in ("layers", engine)
    ]
    assert found[0].shape == found[1].shape == shape
    assert_close(*found, 1e-10)


def test_several_inputs_have_their_gradients_in_the_order_of_the_trials():
    whole = make_stack()
    first = whole.projections[0]
    split = Network(
        populations=whole.populations,
        inputs=[
            SpikeTrains(name=n, size=s, times=np.empty(0), channels=np.empty(0, int))
            for n, s in (("a", 1), ("b", 2))
        ],
        projections=[
            Projection(pre="a", post=first.post, weights=first.weights[:, :1]),
            Projection(pre="b", post=first.post, weights=first.weights[:, 1:]),
            *whole.projections[1:],
        ],
        duration=whole.duration,
    )
    assert choose_engine(split).engine.name == "events"
    (_, one), (_, other) = (loss_and_gradient(n, TRIALS, LABELS, LOSS) for n in (whole, split))
    assert_close(one.input_times[0], other.input_times[0], 1e-10)


def test_the_gradient_is_that_of_the_loss():
    network, step = make_stack(), 1e-5
    _, found = loss_and_gradient(network, TRIALS, LABELS, LOSS)
    weights, losses = network.projections[1].weights, []
    for sign in (1, -1):
        moved = weights.copy()
        moved[2, 1] += sign * step
        outcome, _ = loss_and_gradient(
            change(network, 1, weights=moved), TRIALS, LABELS, LOSS, gradient=False
        )
        losses.append(outcome.loss.mean())
    assert found.weights[1][2, 1] == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=1e-6)


def test_the_choice_says_why():
    network = make_stack()
    assert choose_engine(network).engine.name == "layers"
    delayed = change(network, 1, delays=0.1)
    assert choose_engine(delayed).engine.name == "layers"
    assert (
        "in time since hidden1 -> hidden2 is sparse or has delays" in choose_engine(delayed).reason
    )
    masked = change(network, 1, mask=np.eye(4) > 0)
    for other in (delayed, masked):
        assert choose_engine(other, loss=LOSS).engine.name == "events"
        assert "sparse or has delays" in choose_engine(other, loss=LOSS).reason
    lone = np.zeros((4, 4), bool)
    lone[0, 0] = True
    assert choose_engine(masked).engine.name == "layers"
    assert choose_engine(change(network, 1, mask=lone)).reason == (
        "hidden1 -> hidden2 has 1 of 16 possible connections"
    )
    assert choose_engine(network, "events").reason == "it was asked for"
    assert choose_engine(network, "plain").engine.name == "plain"


def test_a_sparse_matrix_with_every_entry_is_a_layer():
    network = make_stack()
    weights = network.projections[1].weights
    rows, columns = np.indices(weights.shape)
    stored = scipy.sparse.coo_array((weights.ravel(), (rows.ravel(), columns.ravel())))
    full = change(network, 1, weights=stored)
    assert choose_engine(full).engine.name == "layers"
    _, found = loss_and_gradient(full, TRIALS, LABELS, LOSS)
    _, dense = loss_and_gradient(network, TRIALS, LABELS, LOSS)
    assert np.array_equal(found.weights[1].toarray(), dense.weights[1])


def test_weights_of_zero_are_connections_and_have_derivatives():
    network = make_stack()
    zero = change(network, 2, weights=np.zeros((2, 4)))
    for engine in ("layers", "events", "plain"):
        _, found = loss_and_gradient(zero, TRIALS, LABELS, LOSS, engine=engine)
        assert np.count_nonzero(found.weights[2]) > 0
    mask = np.zeros((2, 4), bool)
    _, found = loss_and_gradient(
        change(network, 2, weights=np.zeros((2, 4)), mask=mask), TRIALS, LABELS, LOSS
    )
    assert not found.weights[2].any()


def test_a_readout_picks_neurons():
    network = make_stack()
    some = Network(
        populations=network.populations, inputs=network.inputs, projections=network.projections,
        readouts=[Readout(name="two", population="hidden1", neurons=[3, 1], n_spikes=2)],
        duration=network.duration,
    )  # fmt: skip
    assert "is not the whole last population" in choose_engine(some).reason
    loss = make_linear_loss(n_required=2)
    outcome, _ = loss_and_gradient(some, TRIALS, np.ones((2, 4)), loss, gradient=False)
    recording = simulate(some, TRIALS)
    for trial in range(2):
        for row, neuron in enumerate((3, 1)):
            train = recording.trains(trial)[neuron][:2]
            assert np.array_equal(outcome.output_times[trial, row][: len(train)], train)


def test_derivatives_by_parameters_are_those_of_the_event_engine():
    network = make_stack()
    _, found = loss_and_gradient(network, TRIALS, LABELS, LOSS, parameters=True)
    assert set(found.parameters[0]) == {"tau", "I0"}
    _, other = loss_and_gradient(
        network, TRIALS, LABELS, LOSS, parameters=True, engine="plain"
    )  # fmt: skip
    for a, b in zip(found.parameters, other.parameters, strict=True):
        for name in a:
            assert_close(a[name], b[name], 1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_sparse_networks_of_several_populations_inputs_and_delays_have_one_answer(seed):
    rng = np.random.default_rng(seed)
    names = {"a": 2, "b": 3, "in": 2, "more": 1}
    starts = rng.uniform(0.0, 1.0, 3)
    populations = [
        Population(name="a", model=compiled("qif"), size=2, initial={"V": 0.2, "I": [0.0, 3.0]}),
        Population(name="b", model=compiled("theta"), size=3, initial={"V": starts},
                   parameters={"I0": [0.9, 1.25, 2.0]}),
    ]  # fmt: skip
    projections = []
    for pre, post in (("in", "a"), ("more", "b"), ("in", "b"), ("a", "b"), ("b", "b"), ("b", "a")):
        shape = names[post], names[pre]
        if pre == "b" and post == "a" and seed % 2:  # feedforward between populations
            continue
        projections.append(
            Projection(
                pre=pre, post=post, weights=rng.normal(0.5, 1.0, shape) * (4 if post == "a" else 1),
                mask=rng.uniform(size=shape) < 0.8,
                delays=rng.choice([0.0, 0.1, 0.4], shape),
            )
        )  # fmt: skip
    inputs = [
        SpikeTrains(name=n, size=names[n], times=np.empty(0), channels=np.empty(0, int))
        for n in ("in", "more")
    ]
    network = Network(
        populations=populations, inputs=inputs, projections=projections, duration=2.5,
        readouts=[Readout(name="all", population="b", n_spikes=3)],
    )  # fmt: skip
    loss, targets = make_linear_loss(n_required=3), np.cos(np.arange(18.0)).reshape(2, 9)
    (one, by_one), (other, by_other) = (
        loss_and_gradient(network, TRIALS, targets, loss, engine=e, parameters=True)
        for e in ("events", "plain")
    )
    assert_close(one.output_times, other.output_times, 1e-12)
    for name in ("weights", "delays", "input_times"):
        for a, b in zip(getattr(by_one, name), getattr(by_other, name), strict=True):
            assert_close(a, b, 1e-10)
    for name in ("initial", "parameters"):
        for a, b in zip(getattr(by_one, name), getattr(by_other, name), strict=True):
            for key in a:
                assert_close(a[key], b[key], 1e-10)


def draw_delays(projection):
    """Every connection has a delay of its own."""
    return np.linspace(0.1, 0.2, projection.matrix.nnz).reshape(projection.matrix.shape)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda n: choose_engine(n, "lazy"), "Expected engine"),
        (
            lambda n: choose_engine(change(n, 0, delays=draw_delays(n.projections[0])), "layers"),
            "can run but input -> hidden1 has delays that differ from target to target",
        ),
        (
            lambda n: simulate(n, Trials.from_trains([[[0.1]]])),
            "Expected trials of 3 channels, as the network has, but got 1",
        ),
        (lambda n: simulate(n, TRIALS.take([])), "at least one trial"),
        (
            lambda n: simulate(n, engine="layers"),
            "Expected the engine 'windows', 'events' or 'plain' for a",
        ),
        (lambda n: simulate(n, engine="eager"), "Expected engine"),
        (lambda n: simulate(n, TRIALS, engine="layers", record=True), "Expected the engine"),
        (
            lambda n: loss_and_gradient(n, TRIALS, LABELS, LOSS, engine="layers", parameters=True),
            "derivatives by the parameters",
        ),
        (
            lambda _: layered(compiled("theta"), [np.ones((3, 4)), np.ones((3, 2))], duration=1.0),
            r"Expected weights\[1\] with 3 columns, \(post, pre\), but got shape \(3, 2\); transp",
        ),
        (
            lambda n: change(n, 0, weights=np.ones((3, 4))),
            r"Expected weights of input -> hidden1 with shape \(4, 3\), \(post, pre\)",
        ),
        (lambda n: change(n, 0, mask=np.ones((4, 3))), "Expected truth values in the mask"),
        (lambda n: change(n, 0, mask=np.ones((3, 4), bool)), "mask"),
    ],
)
def test_what_does_not_fit_is_refused(run, message):
    with pytest.raises(InputError, match=message):
        run(make_stack())


@pytest.mark.parametrize(
    ("readout", "message"),
    [
        (Readout(name="r", population="nobody"), "readout r"),
        (Readout(name="r", population="output", n_spikes=0), "at least one spike"),
        (Readout(name="r", population="output", neurons=[2]), "Expected neurons 0 to 1"),
        (Readout(name="r", population="output", neurons=[]), "Expected neurons 0 to 1"),
    ],
)
def test_a_readout_of_nobody_is_refused(readout, message):
    network = make_stack()
    with pytest.raises(InputError, match=message):
        Network(
            populations=network.populations, inputs=network.inputs,
            projections=network.projections, readouts=[readout], duration=network.duration,
        )  # fmt: skip


def test_an_initial_potential_counts_under_either_name():
    one, other = (
        Population(name="n", model=compiled("qif"), size=2, initial={name: [0.3, -0.2]})
        for name in ("V", "V0")
    )
    assert np.array_equal(one.coordinates, other.coordinates)
    assert one.coordinates[0].tolist() == [0.3, -0.2]


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_batch_is_gone_back_through_as_its_trials_are(engine):
    network = make_stack()
    recording = simulate(network, TRIALS, engine=engine, record=True)
    slopes = np.cos(np.arange(len(recording.spike_time)))
    found = differentiate(recording, spike_time=slopes, parameters=True)
    total, first = 0.0, 0
    for k, one in enumerate(recording.recordings):
        own = slopes[recording.spike_trial == k]
        gradients = differentiate(one, spike_time=own)
        total = total + gradients.weights[0]
        inside = slice(TRIALS.offsets[k], TRIALS.offsets[k + 1])
        assert np.array_equal(found.input_times[0][inside], gradients.input_times[0])
        first += len(own)
    assert first == len(slopes) > 0
    assert np.array_equal(found.weights[0], total)
    assert set(found.parameters[0]) == {"tau", "I0"}


def test_a_batch_of_layers_is_not_gone_back_through():
    recording = simulate(make_stack(), TRIALS)
    with pytest.raises(InputError, match="recorded trial by trial but got one by the engine 'la"):
        differentiate(recording, spike_time=np.zeros(len(recording.spike_time)))
