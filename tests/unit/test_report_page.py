"""What is known by a time of a trial, what a sample costs, and the page of a run."""

import numpy as np
import pytest
from test_temporal_train import make_trainer

from derivations import compile_readout
from sim.network.readouts import LinearReadout
from sim.report.costs import count_dense, count_spiking
from sim.report.evidence import Train, find_decision, read_at, trace_potentials
from sim.report.figures import draw_confusion, draw_knowing, draw_story
from sim.report.measure import Reader, choose_potential, choose_sample, confuse
from sim.training.train import train_network
from spiketheory.commands.trained.report_page import bound_share

READOUTS = ("leaky_integrator", "windows", "linear_window", "potential_at_end", "count", "maximum")


def make_readout(name, seed=0, **values):
    compiled = compile_readout(name, backend="numpy", **values)
    rng = np.random.default_rng(seed)
    return LinearReadout(
        compiled=compiled, weights=rng.normal(size=(3, 4, compiled.n_features)),
        bias=rng.normal(size=3),
    )  # fmt: skip


TRAIN = Train(times=np.array([0.1, 0.4, 0.9]), neurons=np.array([2, 0, 2]), duration=1.0)


@pytest.mark.parametrize("name", READOUTS)
def test_at_the_end_all_is_known(name):
    trainer = make_trainer(readout=name)
    reader = Reader(trainer, trainer.start(), None)
    answers = reader.answer()
    trials, labels = trainer.test.events, trainer.dataset.test_labels
    logits = trainer.run(*trainer.read_state(reader.state), trials, labels).logits
    close = 1e-2 if name == "maximum" else 1e-12  # its maximum is looked for on a grid
    np.testing.assert_allclose(answers.logits, logits, rtol=close, atol=close)
    assert answers.accuracy[-1] == answers.accuracy_by_spikes[-1]
    assert answers.accuracy[-1] == (logits.argmax(axis=1) == labels).mean()


def test_nothing_is_known_of_spikes_to_come():
    readout = make_readout("linear_window")
    places = np.array([0.05, 0.1, 0.5, 1.0])
    expected = readout.bias + np.array([
        np.zeros(3),
        0.9 * readout.cube[:, 2, 0],
        0.9 * readout.cube[:, 2, 0] + 0.6 * readout.cube[:, 0, 0],
        1.0 * readout.cube[:, 2, 0] + 0.6 * readout.cube[:, 0, 0],
    ])  # fmt: skip
    np.testing.assert_allclose(read_at(readout, TRAIN, places), expected, atol=1e-15)


def test_potentials_are_those_that_the_readout_reads_at_the_end():
    readout = make_readout("potential_at_end", tau_m=0.7, tau_s=0.2)
    potential = compile_readout("maximum", backend="numpy", tau_m=0.7, tau_s=0.2)
    traced = trace_potentials(readout, potential, TRAIN, np.array([0.1, 1.0]))
    np.testing.assert_array_equal(traced[0], 0.0)  # a spike takes time to be felt
    np.testing.assert_allclose(traced[1] + readout.bias, read_at(readout, TRAIN, [1.0])[0])


def test_the_decision_is_where_the_answer_stays():
    paths = {0: [[1, 0], [1, 0]], 1: [[0, 1], [1, 0]], 2: [[1, 0], [0, 1], [1, 0]]}
    for place, logits in paths.items():
        assert find_decision(np.array(logits)) == place


def test_confusions_have_classes_in_rows():
    table = confuse(np.array([0, 0, 2]), np.array([0, 1, 2]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_costs_are_counted_by_hand():
    counts = np.array([[2, 0, 1], [0, 0, 1]])  # two neurons, then one
    weights = [np.ones((2, 5)), np.ones((2, 2)), np.ones((1, 2)), np.zeros((1, 1))]
    own = count_spiking(
        counts=counts, n_inputs=3.0, widths=(2, 1), n_outputs=4, n_features=2, recurrent=True,
        arrays=[*weights, np.ones(8)], weights=weights, steps=10,
    )  # fmt: skip
    assert own.accumulates == 3 * 2 + 1.0 * (1 + 2) + 1.0 * (0 + 1)
    assert own.multiply_accumulates == 1.0 * 4 * 2
    assert own.footprint == 4 * (10 + 4 + 2 + 1 + 8)
    assert own.activation_sparsity == pytest.approx(1 - (2 + 0 + 1 + 0 + 0 + 1) / 6 / 10)
    assert own.connection_sparsity == pytest.approx(1 / 17)
    assert own.picojoules == pytest.approx(10 * 0.9 + 8 * 4.6)
    gru = count_dense("GRU", (5, 2, 4), steps=10)
    assert gru.multiply_accumulates == 10 * 3 * (5 * 2 + 2 * 2) + 2 * 4
    assert gru.footprint == 4 * (3 * (10 + 4) + 8 + 3 * 2 + 4)


def test_the_interval_of_a_share_is_wilsons():
    low, high = bound_share(9, 10)  # Newcombe (1998), method 3
    assert (round(low, 4), round(high, 4)) == (0.5958, 0.9821)
    assert bound_share(10, 10)[1] == pytest.approx(1.0)


def test_figures_show_what_was_measured():
    trainer = make_trainer(epochs=2)
    state = train_network(trainer, trainer.start())
    constants = choose_potential(trainer)
    reader = Reader(trainer, state, compile_readout("maximum", backend="numpy", **constants))
    answers = reader.answer()
    story = reader.tell(choose_sample(answers))
    assert story.potentials.shape == story.probabilities.shape == (101, 2)
    svg = draw_story(story)
    assert "moment of decision" in svg
    assert "potential of" in svg
    assert "right by then" in draw_knowing(answers, 2.0)
    assert ">7<" in draw_confusion(np.array([[5, 0], [7, 0]]))


def test_readouts_without_potentials_have_none():
    assert choose_potential(make_trainer(readout="count")) is None
