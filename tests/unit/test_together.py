"""Several networks asked together: the mean of their probabilities, on the same samples alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from derivations import compile_model, compile_readout
from sim.training.config import make_config
from sim.training.run_folder import Run, make_trainer
from sim.training.together import Answers, ask, ask_together, average
from spiketheory.errors import InputError

SMALL = {"hidden": (4,), "epochs": 1, "validation": 200, "count_jumps": 0}


def make_run(**options):
    trainer = make_trainer(
        make_config(dataset="digits", **SMALL | options),
        compile_model=lambda name: compile_model(name, backend="numpy"),
        compile_readout=lambda name, **values: compile_readout(name, backend="numpy", **values),
    )
    for name in ("test", "watched"):  # few samples are enough
        part = getattr(trainer, name)
        few = part.events.take(np.arange(6)) if options.get("readout") else part.events
        setattr(trainer, name, replace(part, labels=part.labels[:6], events=few))
    if options.get("validation") == 0:
        trainer.watched = trainer.test
    return Run(trainer=trainer, state=trainer.start(), folder=Path("run"))


@pytest.fixture(scope="module")
def runs():
    return [make_run(readout="count", hidden=(n,)) for n in (4, 5)]


def make_answers(rows, labels=(0, 1), source=("test", "digits")):
    return Answers(source=source, labels=np.array(labels), probabilities=np.array(rows))


def test_the_mean_of_probabilities_decides():
    sure = make_answers([[0.9, 0.1], [0.45, 0.55]])
    wrong = make_answers([[0.4, 0.6], [0.5, 0.5]])
    both = average([sure, wrong])
    np.testing.assert_allclose(both.probabilities, [[0.65, 0.35], [0.475, 0.525]])
    assert (sure.accuracy, wrong.accuracy, both.accuracy) == (1.0, 0.0, 1.0)
    assert both.loss == pytest.approx(-np.mean(np.log([0.65, 0.525])))


def test_a_probability_of_0_has_a_finite_loss():
    assert np.isfinite(make_answers([[0.0, 1.0], [0.0, 1.0]]).loss)


@pytest.mark.parametrize(
    "other",
    [
        {"labels": (1, 0)},
        {"source": ("validation", "digits")},
        {"source": ("test", "mnist")},
    ],
)
def test_other_samples_have_no_mean(other):
    rows = [[0.5, 0.5], [0.5, 0.5]]
    assert average([make_answers(rows), make_answers(rows, **other)]) is None


def test_runs_are_asked_on_both_parts(runs):
    asked, test, validation = ask_together(["a", "b"], runs.__getitem__)
    each = [
        run.trainer.find_probabilities(run.state, run.trainer.test) for run in runs
    ]  # fmt: skip
    np.testing.assert_allclose(test.probabilities, np.mean(each, axis=0), rtol=1e-14)
    np.testing.assert_allclose(test.probabilities.sum(axis=1), 1.0)
    assert not np.allclose(each[0], each[1])
    for run, one in zip(runs, asked, strict=True):
        metrics = run.trainer.evaluate(run.state, run.trainer.test)
        assert one.test.accuracy == metrics.accuracy
        assert one.test.loss == pytest.approx(metrics.loss, rel=1e-12)
    assert validation is not None
    assert validation.source[0] == "validation"


def test_a_run_without_validation_leaves_the_test_part_alone(runs):
    both = [runs[0], make_run(readout="count", validation=0)]
    _, test, validation = ask_together(["a", "b"], both.__getitem__)
    assert len(test.labels) == 6
    assert validation is None


def test_runs_that_held_other_samples_out_are_compared_on_the_test_part_alone(runs):
    both = [runs[0], make_run(readout="count", seed=1)]  # the seed draws the validation part
    _, test, validation = ask_together(["a", "b"], both.__getitem__)
    assert len(test.labels) == 6
    assert validation is None


def test_runs_of_other_samples_are_named(runs):
    other = make_run(readout="count")
    other.trainer.test = replace(other.trainer.test, labels=other.trainer.test.labels[::-1])
    with pytest.raises(InputError, match="test with the same samples but a and b do not"):
        ask_together(["a", "b"], [runs[0], other].__getitem__)


def test_first_spikes_have_no_probabilities():
    with pytest.raises(InputError, match="but run reads first spikes; evaluate it alone"):
        ask(make_run())
