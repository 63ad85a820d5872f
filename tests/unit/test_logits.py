"""Readouts of logits behind the common face: every engine, any network, one answer."""

import numpy as np
import pytest
from networks import compiled
from temporal_networks import draw_network, draw_readout, draw_trials

from sim import (
    LinearReadout,
    Network,
    Population,
    Projection,
    Readout,
    SpikeTrains,
    Trials,
    choose_engine,
    loss_and_gradient,
    make_cross_entropy,
    make_first_spike_loss,
    make_squared_error,
    simulate,
)
from spiketheory.errors import InputError

ENTROPY = make_cross_entropy(smoothing=0.1)
READOUTS = {
    "leaky_integrator": {"tau_m": 0.7, "tau_s": 0.3},
    "maximum": {"tau_m": 0.7, "tau_s": 0.3},
    "windows": {"n_windows": 3, "width": 1.5},
}


def with_readouts(network, *readouts, **changes):
    fields = {
        "populations": network.populations, "inputs": network.inputs,
        "projections": network.projections, "duration": network.duration,
    } | changes  # fmt: skip
    return Network(readouts=readouts, **fields)


def assert_close(one, other, tolerance, what=""):
    one, other = np.asarray(one, float), np.asarray(other, float)
    assert one.shape == other.shape, what
    scale = max(1e-12, np.abs(one).max(initial=0.0))
    assert np.abs(one - other).max(initial=0.0) <= tolerance * scale, what


def assert_one_answer(network, trials, labels, engines, loss=ENTROPY):
    """All engines give the same logits and gradients; returns those of the first."""
    found = [
        loss_and_gradient(network, trials, labels, loss, engine=engine, parameters=True)
        for engine in engines
    ]
    (one, by_one), *others = found
    for other, by_other in others:
        for name in ("logits", "loss", "counts"):
            assert_close(getattr(one, name), getattr(other, name), 1e-12, name)
        for a, b in zip(by_one.weights, by_other.weights, strict=True):
            assert_close(a, b, 1e-10, "weights")
        for a, b in zip(by_one.delays, by_other.delays, strict=True):
            assert_close(a.sum(axis=0), b.sum(axis=0), 1e-10, "delays")
        for name in ("initial", "parameters"):
            for a, b in zip(getattr(by_one, name), getattr(by_other, name), strict=True):
                for key in a:
                    assert_close(a[key], b[key], 1e-10, key)
        assert_close(by_one.input_times[0], by_other.input_times[0], 1e-10, "input times")
        for name in ("weights", "bias"):
            own, its = getattr(by_one.readout, name), getattr(by_other.readout, name)
            assert_close(own, its, 1e-10, f"readout {name}")
        assert by_one.readout.parameters.keys() == by_other.readout.parameters.keys()
        for key, value in by_one.readout.parameters.items():
            assert value == pytest.approx(by_other.readout.parameters[key], rel=1e-10)
    return one, by_one


@pytest.mark.parametrize("name", READOUTS)
def test_layers_in_time_and_both_event_loops_give_one_answer(name):
    rng = np.random.default_rng(6)
    readout = draw_readout(rng, 3, name=name, **READOUTS[name])
    network = with_readouts(draw_network("lif", [4, 3], rng), readout)
    trials, labels = draw_trials(rng), rng.integers(0, 3, 3)
    outcome, found = assert_one_answer(network, trials, labels, ("layers", "events", "plain"))
    assert outcome.counts.sum() > 10
    assert np.abs(found.readout.weights).max() > 0
    _, without = loss_and_gradient(network, trials, labels, ENTROPY, input_times=False)
    assert without.input_times == []
    assert without.delays[0] is None
    assert without.parameters is None
    assert without.readout.parameters is None


@pytest.mark.parametrize("kind", ["latencies", "bins"])
def test_compact_trials_keep_their_shape(kind):
    rng = np.random.default_rng(7)
    network = with_readouts(draw_network("theta", [3], rng, n_channels=4), draw_readout(rng, 3))
    if kind == "bins":
        trials = Trials.from_bins([0.1, 0.4, 1.0], rng.integers(0, 3, (5, 4)).astype(np.uint8))
    else:
        trials = Trials.from_latencies(rng.uniform(0, 1, (5, 4)))
    _, found = assert_one_answer(network, trials, rng.integers(0, 3, 5), ("layers", "events"))
    assert found.input_times[0].shape == ((3,) if kind == "bins" else (5, 4))


def test_networks_that_are_no_layers_learn_from_logits_too():
    rng = np.random.default_rng(8)
    inputs = [
        SpikeTrains(name=n, size=2, times=np.empty(0), channels=np.empty(0, int)) for n in "ab"
    ]
    sizes = {"a": 2, "b": 2, "hidden": 3, "last": 2}
    network = Network(
        populations=[
            Population(name="hidden", model=compiled("qif"), size=3),
            Population(name="last", model=compiled("lif"), size=2),
        ],
        inputs=inputs,
        projections=[
            Projection(
                pre=pre, post=post,
                weights=rng.normal(-1 if pre == post else 4, 1, (sizes[post], sizes[pre])),
                delays=rng.choice([0.0, 0.1], (sizes[post], sizes[pre])),
            )
            for pre, post in (("a", "hidden"), ("b", "last"), ("hidden", "last"), ("last", "last"))
        ],
        readouts=[draw_readout(rng, 2), Readout(name="spikes", population="hidden")],
        duration=2.0,
    )  # fmt: skip
    choice = choose_engine(network, loss=ENTROPY)
    assert choice.engine.name == "events"
    assert choice.reason == "it has 2 inputs"
    trials = draw_trials(rng, n_channels=4)
    outcome, _ = assert_one_answer(network, trials, np.array([0, 2, 1]), ("events", "plain"))
    assert outcome.counts[:, 3:].sum() > 5


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(9)
    readout = draw_readout(rng, 3)
    trials, targets = draw_trials(rng), rng.normal(size=(3, 3))
    plain = draw_network("lif", [3], rng, recurrent=False)
    _, found = loss_and_gradient(plain, trials, targets, make_squared_error(), readout=readout)
    losses = []
    for sign in (1, -1):
        moved = np.array(plain.projections[0].weights)
        moved[1, 2] += sign * 1e-6
        changed = with_readouts(
            plain, projections=[Projection(pre="input", post="layer0", weights=moved)]
        )
        outcome, _ = loss_and_gradient(
            changed, trials, targets, make_squared_error(), readout=readout, gradient=False
        )
        losses.append(outcome.loss.mean())
    assert found.weights[0][1, 2] == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("model", ["lif", "theta", "qif", "lif_delta", "izhikevich"])
def test_a_batch_in_time_has_the_spikes_and_end_states_of_the_event_engine(model):
    rng = np.random.default_rng(10)
    network = draw_network(model, [4, 3], rng, varied=True)
    trials = draw_trials(rng, n_trials=4)
    assert choose_engine(network).engine.name == "layers"
    one, other = simulate(network, trials), simulate(network, trials, engine="events")
    assert one.engine == "layers"
    assert len(one.spike_time) > 5
    assert np.array_equal(one.spike_trial, other.spike_trial)
    assert np.array_equal(one.spike_neuron, other.spike_neuron)
    assert_close(one.spike_time, other.spike_time, 1e-12)
    for a, b in zip(one.end_state, other.end_state, strict=True):
        for name in a:
            assert_close(a[name], b[name], 1e-10, name)


def test_memory_grows_where_there_are_many_spikes(monkeypatch):
    monkeypatch.setattr("sim.temporal.record.FIRST_ROOM", 4)
    rng = np.random.default_rng(11)
    network, trials = draw_network("lif", [4, 3], rng), draw_trials(rng)
    one, other = simulate(network, trials), simulate(network, trials, engine="events")
    assert len(one.spike_time) > 20
    assert_close(one.spike_time, other.spike_time, 1e-12)


def test_the_choice_names_the_kernels_in_time():
    rng = np.random.default_rng(12)
    recurrent = draw_network("theta", [3], rng)
    assert choose_engine(recurrent).reason == (
        "it is a chain of dense layers, run by the kernels in time since layer0 -> layer0 is no "
        "step from a layer to the next"
    )
    assert (
        "lif has no pseudospikes"
        in choose_engine(draw_network("lif", [3], rng, recurrent=False)).reason
    )
    forward = draw_network("theta", [3], rng, recurrent=False)
    assert choose_engine(forward).reason == "it is a chain of dense layers"
    assert choose_engine(forward, loss=ENTROPY).reason == (
        "it is a chain of dense layers, run by the kernels in time since cross_entropy is a loss "
        "of logits"
    )


FIRST = make_first_spike_loss(gamma=0.1, duration=2.0)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda n, t, r: loss_and_gradient(n, t, [0, 0, 0], FIRST, readout=r),
         "Expected a loss of logits .* for readout readout but got first_spike"),
        (lambda n, t, r: loss_and_gradient(n, t, [0, 0, 0], ENTROPY),
         "Expected a LinearReadout for cross_entropy, .* but got a network without readout"),
        (lambda n, t, r: loss_and_gradient(
            n, t, [0, 0, 0], ENTROPY, readout=Readout(name="first", population="layer1")),
         "got readout first, which reads spikes"),
        (lambda n, t, r: loss_and_gradient(n, t, [0, 0, 3], ENTROPY, readout=r),
         "Expected labels from 0 to 2"),
        (lambda n, t, r: loss_and_gradient(n, t, [0.5, 0, 1], ENTROPY, readout=r), "whole numbers"),
        (lambda n, t, r: loss_and_gradient(n, t, [0, 1], ENTROPY, readout=r), "labels"),
        (lambda n, t, r: loss_and_gradient(n, t.take([]), [], ENTROPY, readout=r),
         "at least one trial"),
        (lambda n, t, r: with_readouts(n, LinearReadout(
            compiled=r.compiled, weights=np.ones((2, 4)), bias=[0, 0])), "readout of 3 neurons"),
        (lambda n, t, r: with_readouts(n, LinearReadout(
            compiled=r.compiled, weights=np.ones((2, 3)), bias=[0, 0], population="layer0")),
         "Expected readout readout to read layer1, the last population"),
        (lambda n, t, r: LinearReadout(
            compiled=r.compiled, weights=np.full((2, 3), np.nan), bias=[0, 0]), "readout weights"),
        (lambda n, t, r: LinearReadout(compiled=r.compiled, weights=np.ones((2, 3)), bias=[0]),
         "readout bias"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(run, message):
    rng = np.random.default_rng(13)
    network, trials = draw_network("theta", [4, 3], rng), draw_trials(rng)
    with pytest.raises(InputError, match=message):
        run(network, trials, draw_readout(rng, 3))
