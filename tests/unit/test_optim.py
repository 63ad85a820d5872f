import math

import numpy as np
import pytest

from sim.training.optim import (
    SGD,
    AdaBelief,
    Adam,
    make_optimiser,
)
from sim.training.schedules import Constant, Cosine, Exponential, WarmUp, make_schedule
from spiketheory.errors import InputError, SimulationError

ALL = [AdaBelief(), Adam(), SGD(), SGD(momentum=0.9), SGD(momentum=0.9, nesterov=True)]
SETTINGS = [("float64", 1e-12), ("float32", 2e-5)]


def gradients_of(seed, shapes, steps):
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=shape) + 0.3 for shape in shapes] for _ in range(steps)]


def reference_adabelief(x, gradients, rate, beta1=0.9, beta2=0.999, eps=1e-16, *, new_mean=False):
    """One scalar, as in Algorithm 2 (``new_mean``) or in optax up to 0.2.3."""
    m = s = 0.0
    for t, g in enumerate(gradients, start=1):
        old, m = m, beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g - (m if new_mean else old)) ** 2 + eps
        x -= rate * (m / (1 - beta1**t)) / (math.sqrt(s / (1 - beta2**t)) + eps)
    return x


def reference_adam(x, gradients, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    """One scalar, as in Algorithm 1 of Kingma & Ba."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        x -= rate * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + eps)
    return x


def reference_sgd(x, gradients, rate, momentum=0.0, *, nesterov=False):
    v = 0.0
    for g in gradients:
        v = momentum * v + g
        x -= rate * (g + momentum * v if nesterov else v)
    return x


def run(optimiser, parameters, batches, rate):
    state = optimiser.init(parameters)
    for batch in batches:
        optimiser.update(parameters, batch, state, rate)
    return state


CASES = [
    (AdaBelief(), reference_adabelief),
    (AdaBelief(beta1=0.5, beta2=0.9), lambda x, g, r: reference_adabelief(x, g, r, 0.5, 0.9)),
    (AdaBelief(beta1=0.0), lambda x, g, r: reference_adabelief(x, g, r, 0.0)),
    (Adam(), reference_adam),
    (Adam(beta1=0.5, eps=0.1), lambda x, g, r: reference_adam(x, g, r, 0.5, eps=0.1)),
    (SGD(), reference_sgd),
    (SGD(momentum=0.9), lambda x, g, r: reference_sgd(x, g, r, 0.9)),
    (
        SGD(momentum=0.9, nesterov=True),
        lambda x, g, r: reference_sgd(x, g, r, 0.9, nesterov=True),
    ),
]


@pytest.mark.parametrize(("dtype", "tolerance"), SETTINGS)
@pytest.mark.parametrize(("optimiser", "reference"), CASES)
def test_each_entry_follows_the_formula_of_the_paper(optimiser, reference, dtype, tolerance):
    shapes = [(2, 3), (4,)]
    batches = gradients_of(0, shapes, 40)
    start = [np.linspace(-1, 1, math.prod(shape)).reshape(shape) for shape in shapes]
    parameters = [array.astype(dtype) for array in start]
    run(optimiser, parameters, batches, 0.01)
    for index, array in enumerate(parameters):
        assert array.dtype == dtype
        for where in np.ndindex(array.shape):
            history = [batch[index][where] for batch in batches]
            expected = reference(start[index][where], history, 0.01)
            assert array[where] == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_paper_of_adabelief_is_the_same_with_the_rate_divided_by_beta1():
    batches = gradients_of(1, [(5,)], 60)
    parameters = [np.zeros(5)]
    run(AdaBelief(), parameters, batches, 0.01 / 0.9)
    expected = [
        reference_adabelief(0.0, [b[0][k] for b in batches], 0.01, new_mean=True) for k in range(5)
    ]
    np.testing.assert_allclose(parameters[0], expected, rtol=1e-10)


def test_adabelief_takes_large_steps_where_the_gradient_is_as_predicted():
    steady, wild = [np.zeros(1)], [np.zeros(1)]
    run(AdaBelief(), steady, [[np.ones(1)]] * 200, 1e-3)
    run(AdaBelief(), wild, [[np.full(1, 1.0 + 2.0 * (-1) ** k)] for k in range(200)], 1e-3)
    assert steady[0][0] < 3 * wild[0][0] < 0


def test_first_step_of_adam_has_the_length_of_the_rate():
    parameters = [np.zeros(3)]
    run(Adam(), parameters, [[np.array([5.0, -0.1, 0.0])]], 0.25)
    np.testing.assert_allclose(parameters[0], [-0.25, 0.25, 0.0], rtol=1e-6)


@pytest.mark.parametrize("optimiser", ALL)
def test_resume_from_a_saved_state_equals_the_uninterrupted_run_bit_for_bit(optimiser, tmp_path):
    batches = gradients_of(2, [(3, 2), (4,)], 20)
    whole = [np.ones((3, 2)), np.ones(4)]
    run(optimiser, whole, batches, 0.01)
    first = [np.ones((3, 2)), np.ones(4)]
    state = run(optimiser, first, batches[:9], 0.01)
    np.savez(tmp_path / "state.npz", **state)
    resumed = [array.copy() for array in first]
    with np.load(tmp_path / "state.npz", allow_pickle=False) as saved:
        restored = dict(saved)
    for batch in batches[9:]:
        optimiser.update(resumed, batch, restored, 0.01)
    assert int(restored["step"]) == 20
    for got, want in zip(resumed, whole, strict=True):
        assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("optimiser", ALL)
def test_state_is_a_flat_dictionary_of_named_arrays(optimiser):
    state = optimiser.init([np.ones((3, 2)), np.ones(4, dtype=np.float32)])
    moments = {f"{name}_{k}" for name in optimiser.moments() for k in (0, 1)}
    assert set(state) == {"step"} | moments
    assert state["step"].shape == ()
    assert all(not array.any() for array in state.values())
    assert all(state[name].dtype == np.float32 for name in moments if name.endswith("1"))


@pytest.mark.parametrize("optimiser", ALL)
def test_zero_gradient_or_zero_rate_moves_nothing(optimiser):
    parameters = [np.array([1.0, -2.0]), np.zeros((0, 3))]
    state = run(optimiser, parameters, [[np.zeros(2), np.zeros((0, 3))]] * 3, 0.1)
    optimiser.update(parameters, [np.ones(2), np.zeros((0, 3))], state, 0.0)
    assert parameters[0].tolist() == [1.0, -2.0]


@pytest.mark.parametrize("optimiser", ALL)
def test_fading_moments_underflow_in_silence(optimiser):
    parameters = [np.zeros(1)]
    with np.errstate(all="raise"):
        run(optimiser, parameters, [[np.full(1, 1e-300)]] + [[np.zeros(1)]] * 400, 0.1)
    assert np.isfinite(parameters[0]).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e200])
@pytest.mark.parametrize("optimiser", ALL)
def test_bad_gradient_names_the_array_and_changes_nothing(optimiser, bad):
    parameters = [np.ones(2), np.ones((2, 2))]
    state = run(optimiser, parameters, [[np.ones(2), np.ones((2, 2))]], 0.1)
    before = [array.copy() for array in (*parameters, *state.values())]
    gradients = [np.ones(2), np.array([[1.0, 1.0], [bad, bad]])]
    with pytest.raises(
        SimulationError,
        match=r"^Expected finite gradients \(below 1.3e\+154\) but got gradients\[1\]\[1, 0\]="
        r".* \(2 such\) at step 2; lower the learning rate",
    ):
        optimiser.update(parameters, gradients, state, 0.1)
    for got, want in zip((*parameters, *state.values()), before, strict=True):
        assert np.array_equal(got, want)


def test_parameters_must_be_floating_point():
    with pytest.raises(InputError, match=r"floating-point .* parameters\[1\] .* int64; convert it"):
        Adam().init([np.ones(2), np.ones(2, dtype=np.int64)])


def test_gradients_must_fit_the_parameters():
    parameters = [np.ones(2)]
    state = Adam().init(parameters)
    for gradients in ([np.ones(3)], [np.ones(2), np.ones(2)]):
        with pytest.raises(InputError, match=r"^Expected gradients of shapes \[\(2,\)\] but got"):
            Adam().update(parameters, gradients, state, 0.1)


def test_state_must_fit_the_optimiser():
    parameters = [np.ones(2)]
    with pytest.raises(InputError, match=r"^Expected an optimiser state .* but got .*; make it"):
        Adam().update(parameters, parameters, SGD(momentum=0.5).init(parameters), 0.1)


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf])
def test_learning_rate_must_be_finite_and_not_negative(rate):
    with pytest.raises(InputError, match=r"^Expected learning_rate >= 0 but got .*check the sche"):
        SGD().update([], [], SGD().init([]), rate)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("adam", {"beta1": 1.0}, r"Expected 0 <= beta1 < 1 but got beta1=1.0; give a decay"),
        ("adabelief", {"beta2": -0.1}, r"Expected 0 <= beta2 < 1 but got beta2=-0.1; give"),
        ("adam", {"eps": 0.0}, r"Expected eps > 0 but got eps=0.0"),
        ("adabelief", {"eps_root": 0.0}, r"Expected eps_root > 0 but got eps_root=0.0"),
        ("sgd", {"momentum": 1.0}, r"Expected 0 <= momentum < 1 but got momentum=1.0"),
        ("sgd", {"nesterov": True}, r"Expected momentum > 0 with nesterov=True but got"),
        ("adam", {"gamma": 1.0}, r"settings of adam among beta1, beta2, eps .* but got gamma;"),
        ("lion", {}, r"Expected optimiser to be one of adabelief, adam, sgd but got 'lion'"),
    ],
)
def test_wrong_settings_of_an_optimiser_are_explained(name, settings, message):
    with pytest.raises(InputError, match=message):
        make_optimiser(name, **settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("constant", {"rate": 0.0}, r"Expected rate > 0 but got rate=0.0"),
        ("exponential", {"rate": -1.0, "decay_epochs": 1.0}, r"Expected rate > 0 but got"),
        ("exponential", {"rate": 1.0, "decay_epochs": 0.0}, r"Expected decay_epochs > 0 but"),
        ("exponential", {"rate": 1.0}, r"rate, decay_epochs \(those without .* but got rate;"),
        ("constant", {}, r"settings of constant among rate .* but got none; correct"),
        ("cosine", {"rate": math.nan}, r"Expected rate > 0 but got rate=nan"),
        ("cosine", {"rate": 1.0, "warmup_epochs": -1.0}, r"Expected warmup_epochs >= 0 but got"),
        ("cosine", {"rate": 1.0, "final_fraction": 2.0}, r"final_fraction between 0 and 1 but"),
        ("plateau", {"rate": 1.0, "factor": 1.0}, r"Expected a plateau's factor between 0 and 1"),
        ("steps", {}, r"Expected schedule to be one of constant, cosine, exponential, plateau but"),
    ],
)
def test_wrong_settings_of_a_schedule_are_explained(name, settings, message):
    with pytest.raises(InputError, match=message):
        make_schedule(name, **settings)


def test_makers_return_what_the_name_says():
    assert make_optimiser("adabelief") == AdaBelief()
    assert make_optimiser("adam", beta1=0.8) == Adam(beta1=0.8)
    assert make_optimiser("sgd", momentum=0.9, nesterov=True) == SGD(momentum=0.9, nesterov=True)
    assert make_schedule("constant", rate=0.1) == Constant(rate=0.1)
    assert make_schedule("exponential", rate=0.1, decay_epochs=5) == Exponential(
        rate=0.1, decay_epochs=5
    )
    assert make_schedule("cosine", rate=0.1, warmup_epochs=5) == Cosine(rate=0.1, warmup_epochs=5)


def test_constant_schedule_is_constant():
    assert [Constant(rate=0.3)(epoch, 10) for epoch in (0, 4.5, 10)] == [0.3] * 3


def test_exponential_schedule_falls_by_e_in_the_decay_time_and_within_an_epoch():
    schedule = Exponential(rate=4e-3, decay_epochs=100)
    assert schedule(0, 100) == 4e-3
    assert schedule(100, 100) == pytest.approx(4e-3 / math.e)
    assert schedule(0.5, 100) == pytest.approx(4e-3 * math.exp(-0.005))


def test_cosine_schedule_rises_falls_and_stays():
    schedule = Cosine(rate=1.0, warmup_epochs=2, final_fraction=0.1)
    rates = [schedule(epoch, 10) for epoch in (0, 1, 2, 6, 10, 11)]
    assert rates == pytest.approx([0, 0.5, 1.0, 0.55, 0.1, 0.1])
    assert Cosine(rate=1.0)(0, 10) == 1.0


def test_cosine_schedule_needs_a_training_longer_than_its_warm_up():
    with pytest.raises(InputError, match=r"^Expected total_epochs > warmup_epochs=5 .*; train lon"):
        Cosine(rate=1.0, warmup_epochs=5)(0, 5)


def test_the_rate_falls_after_epochs_without_a_smaller_loss():
    schedule = make_schedule("plateau", rate=0.8, epochs=2, factor=0.25)
    losses = [5.0, 4.0, 4.0, 4.5, 3.0, 3.5, 3.25, 3.0, 3.0]
    falls = [0, 0, 0, 1, 1, 1, 2, 2, 3]  # after 4.0, 4.5; after 3.5, 3.25; after 3.0, 3.0
    for n, drops in enumerate(falls, start=1):
        assert schedule.adapt(losses[:n])(7.5, 10.0) == 0.8 * 0.25**drops
    assert schedule.adapt([])(0.0, 1.0) == 0.8
    constant = make_schedule("constant", rate=0.8)
    assert constant.adapt(losses) is constant


def test_a_warm_up_rises_to_the_rate_of_its_schedule_and_follows_it():
    schedule = WarmUp(schedule=make_schedule("plateau", rate=0.8, epochs=1), epochs=2.0)
    assert [schedule(p, 10.0) for p in (0.5, 1.0, 2.0, 3.0)] == [0.2, 0.4, 0.8, 0.8]
    assert 0.0 < schedule(0.0, 10.0) < 0.05  # never 0: the first step would be wasted
    assert schedule.adapt([1.0, 1.0])(1.0, 10.0) == 0.2
