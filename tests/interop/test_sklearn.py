"""Estimators as scikit-learn expects them: its own checks, weights, warnings, spike trains."""

import pickle
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.extras import ALL_MUST_RUN, need

need("sklearn", "sklearn")

from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.linear_model import RidgeCV  # noqa: E402
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from derivations import compile_model  # noqa: E402
from sim import Network, Population, Projection, SpikeTrains, Trials, simulate  # noqa: E402
from sim.interop.feature_encoder import FeatureEncoder  # noqa: E402
from sim.interop.sklearn import SpikeTrainClassifier, SpikingClassifier, SpikingRegressor  # noqa: E402
from sim.training import data  # noqa: E402
from spiketheory.errors import InputError  # noqa: E402

EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "a sample of weight 2 is once in one batch, "
    "a sample that is there twice may be in two"
}
NOT_ASKED = {"check_array_api_input"}  # unless SCIPY_ARRAY_API is set
if find_spec("pandas") is None and not ALL_MUST_RUN:
    NOT_ASKED |= {"check_sample_weights_pandas_series", "check_regressor_data_not_an_array",
                  "check_classifier_data_not_an_array"}  # fmt: skip
SMALL = {"hidden": (12,), "max_iter": 40, "random_state": 0}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", [SpikingClassifier, SpikingRegressor])
def test_scikit_learns_own_checks_pass(estimator):
    with np.errstate(all="warn"):
        results = check_estimator(
            estimator(hidden=(12,), max_iter=20), expected_failed_checks=EXPECTED_TO_FAIL,
            on_skip=None,
        )  # fmt: skip
    by_status = {s: [r for r in results if r["status"] == s] for s in ("passed", "xfail")}
    assert [r["check_name"] for r in by_status["xfail"]] == list(EXPECTED_TO_FAIL)
    assert {r["check_name"] for r in results if r["status"] == "skipped"} <= NOT_ASKED
    assert len(by_status["passed"]) >= 56


def make_blobs(n=60, n_classes=3, n_features=2, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    angle = 2 * np.pi * y / n_classes
    X = rng.normal(0.0, 0.3, (n, n_features))
    X[:, :2] += np.column_stack([np.cos(angle), np.sin(angle)])
    return X, y


def test_a_random_state_decides_everything_and_survives_pickling(monkeypatch):
    X, y = make_blobs()
    found = []
    for n_threads in ("1", "2"):
        monkeypatch.setenv("SPIKETHEORY_THREADS", n_threads)
        found.append(SpikingClassifier(**SMALL).fit(X, y))
    again = pickle.loads(pickle.dumps(found[0]))
    first = found[0].predict_proba(X)
    for same in (found[1], again):
        assert first.tobytes() == same.predict_proba(X).tobytes()
    other = SpikingClassifier(**SMALL | {"random_state": 1}).fit(X, y)
    assert not np.array_equal(first, other.predict_proba(X))


def test_a_grid_is_searched_in_a_pipeline():
    X, y = make_blobs(n=40, n_classes=2)
    pipeline = make_pipeline(StandardScaler(), SpikingClassifier(**SMALL))
    search = GridSearchCV(pipeline, {"spikingclassifier__learning_rate": [1e-9, 0.05]}, cv=2)
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        search.fit(X, y)
    assert search.best_params_ == {"spikingclassifier__learning_rate": 0.05}


def test_a_sample_of_weight_0_plays_no_part():
    X, y = make_blobs()
    weight = np.r_[np.ones(40), np.zeros(20)]
    X[40:], y[40:] = 100.0, 0
    one = SpikingClassifier(**SMALL).fit(X, y, sample_weight=weight)
    other = SpikingClassifier(**SMALL).fit(X[:40], y[:40])
    assert one.predict_proba(X).tobytes() == other.predict_proba(X).tobytes()


def test_weights_decide_between_samples_that_contradict_each_other():
    X, y = np.repeat(make_blobs(n=30, n_classes=2)[0], 2, axis=0), np.arange(60) % 2
    for favoured in (0, 1):
        weight = np.where(y == favoured, 3.0, 1.0)
        with pytest.warns(ConvergenceWarning, match="most frequent class"):  # so it should be
            found = SpikingClassifier(**SMALL).fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(found.predict(X), favoured)
        assert found.predict_proba(X)[:, favoured].mean() == pytest.approx(0.75, abs=0.1)
    with pytest.warns(ConvergenceWarning, match="no nearer to the training targets than their"):
        mean = SpikingRegressor(**SMALL).fit(X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    assert mean.predict(X).mean() == pytest.approx(0.75, abs=0.1)


def test_training_goes_on_with_further_samples():
    X, y = make_blobs(n=90)
    found = SpikingClassifier(**SMALL)
    with pytest.raises(InputError, match="Expected classes at the first partial_fit but got none"):
        found.partial_fit(X, y)
    for k in range(20):
        part = slice(30 * (k % 3), 30 * (k % 3) + 30)
        found.partial_fit(X[part], y[part], classes=[0, 1, 2])
    assert found.n_iter_ == len(found.loss_curve_) == 20
    assert found.score(X, y) > 0.95
    with pytest.raises(InputError, match=r"Expected classes \[0, 1, 2\] but got 7; name all"):
        found.partial_fit(X, np.full(len(X), 7))
    number = SpikingRegressor(**SMALL)
    for _ in range(40):
        number.partial_fit(X, X[:, 0])
    assert number.score(X, X[:, 0]) > 0.8


def test_training_ends_where_samples_set_aside_gain_nothing_more():
    X, y = make_blobs(n=60)
    rng = np.random.default_rng(1)
    found = SpikingClassifier(
        hidden=(12,), max_iter=60, early_stopping=True, n_iter_no_change=3, random_state=0,
        validation_fraction=0.5,
    ).fit(X, rng.permutation(y))  # fmt: skip
    losses = found.validation_losses_
    assert len(losses) == found.n_iter_ < 60
    assert int(np.argmin(losses)) >= len(losses) - 1 - 3 - 1


def test_training_that_stays_at_the_most_frequent_class_is_warned_of():
    X, y = make_blobs()
    with pytest.warns(ConvergenceWarning) as caught:
        SpikingClassifier(**SMALL | {"learning_rate": 1e-12}).fit(X, np.where(y == 2, 1, y))
    text = str(caught[0].message)
    assert "the most frequent class alone would be in 0.667" in text
    assert "raise max_iter, or change learning_rate by a factor of 10" in text
    with pytest.warns(ConvergenceWarning, match="no nearer to the training targets than their"):
        SpikingRegressor(**SMALL | {"learning_rate": 1e-12}).fit(X, X[:, 0] * X[:, 1])


def test_silent_neurons_are_warned_of():
    X, y = make_blobs()
    with pytest.warns(ConvergenceWarning) as caught:
        SpikingClassifier(**SMALL | {"start_rate": 1e-3, "max_iter": 1}).fit(X, y)
    assert "spike in no training sample; raise start_rate (now 0.001)" in str(caught[0].message)


def test_features_are_early_in_one_channel_and_late_in_the_other():
    features = np.array([[1.0, 5.0], [3.0, 5.0]])
    encoder = FeatureEncoder.fit(features, np.array([1.0, 1.0]), steepness=1.0, window=2.0)
    np.testing.assert_array_equal(encoder.centre, [2.0, 5.0])
    np.testing.assert_array_equal(encoder.spread, [1.0, 1.0])  # a constant feature has none
    times = encoder.encode(features).compact.times
    early = 2.0 / (1.0 + np.e)
    expected = [[2 - early, 1, early, 1, 0], [early, 1, 2 - early, 1, 0]]
    np.testing.assert_allclose(times, expected, rtol=1e-15)


def draw_trains(n=40, seed=0):
    """Two classes: channel 0 or channel 1 fires more."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    trains = [
        [rng.uniform(0, 50.0, rng.poisson(6 if channel == label else 1)) for channel in range(2)]
        for label in y
    ]
    return trains, y


def test_spike_trains_are_told_apart_in_whatever_form_they_come():
    trains, y = draw_trains()
    pairs = [
        (np.concatenate(trial), np.repeat([0, 1], [len(t) for t in trial])) for trial in trains
    ]
    forms = (trains, pairs, Trials.from_trains(trains))
    found = [
        SpikeTrainClassifier(hidden=30, random_state=0, recording_duration=50.0, n_channels=2)
        .fit(X, y)
        .predict(X)
        for X in forms
    ]
    assert np.mean(found[0] == y) > 0.85
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert cross_val_score(SpikeTrainClassifier(**SMALL), trains, y, cv=2).mean() > 0.8


def test_recordings_of_networks_are_told_apart():
    model = compile_model("theta", backend="numpy")

    def record(weight):
        network = Network(
            populations=[Population(name="cells", model=model, size=1)],
            inputs=[SpikeTrains(name="in", size=1, times=[0.4, 0.6], channels=[0, 0])],
            projections=[Projection(pre="in", post="cells", weights=[[weight]])],
            duration=5.0,
        )
        return simulate(network)

    recordings = [record(w) for w in (-0.5, 1.5) * 8]
    found = SpikeTrainClassifier(**SMALL).fit(recordings, ["weak", "strong"] * 8)
    assert found.score(recordings, ["weak", "strong"] * 8) == 1.0
    assert found.n_channels_ == 1


def test_what_is_no_spike_train_is_refused():
    with pytest.raises(InputError, match=r"Expected a Recording, a tuple .* but entry 1 is a str"):
        SpikeTrainClassifier().fit([[[0.1]], "nothing"], [0, 1])
    with pytest.raises(InputError, match="Expected one label for each of 2 trials"):
        SpikeTrainClassifier().fit([[[0.1]], [[0.2]]], [0])
    with pytest.raises(InputError, match="Expected channels 0 to 0 but got values from 0 to 1"):
        SpikeTrainClassifier(**SMALL).fit([[[0.1]], [[0.2]]], [0, 1]).predict([[[0.1], [0.2]]])


def test_the_digits_that_come_with_the_package_are_those_of_scikit_learn():
    images, labels = data._read_digits()
    bunch = load_digits()
    np.testing.assert_array_equal(images, bunch.images)
    np.testing.assert_array_equal(labels, bunch.target)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_defaults_tell_wines_and_irises_apart(seed):
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    for load, least in ((load_wine, 0.95), (load_iris, 0.93)):
        X, y = load(return_X_y=True)
        assert cross_val_score(SpikingClassifier(random_state=seed), X, y, cv=folds).mean() >= least


@pytest.mark.slow
def test_defaults_predict_diabetes_about_as_well_as_ridge_regression():
    X, y = load_diabetes(return_X_y=True)
    folds = KFold(5, shuffle=True, random_state=0)
    ridge = cross_val_score(RidgeCV(np.logspace(-3, 3, 13)), X, y, cv=folds).mean()
    own = cross_val_score(SpikingRegressor(random_state=0), X, y, cv=folds).mean()
    assert own > ridge - 0.06


def test_what_the_documentation_says_runs(capsys):
    text = (Path(__file__).parents[2] / "docs" / "sklearn.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    first, *_, last = capsys.readouterr().out.splitlines()
    assert float(first.split()[0]) > 0.9
    assert last == "['a' 'b']"
