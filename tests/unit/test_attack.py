"""The parts of the opponent: two simulators that agree, what is drawn, ladders, random models."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from mpmath import mpf

from derivations import read_neuron_model
from spiketheory.checking.attack.bench import Bench
from spiketheory.checking.attack.contradiction import Contradiction, PlainTrial, take_trial
from spiketheory.checking.attack.equations import find_growth
from spiketheory.checking.attack.ladder import Ladder, stays
from spiketheory.checking.attack.limits import read_limits
from spiketheory.checking.attack.pile_up import measure_ratios
from spiketheory.checking.attack.precise import PreciseNeuron
from spiketheory.checking.attack.precise_equations import Lost
from spiketheory.checking.attack.replay import read_contradiction, write_contradiction
from spiketheory.checking.attack.sides import find_kinks, resolve
from spiketheory.checking.attack.swarm import DONE, ESCAPED, FULL, STUCK, Trials, join
from spiketheory.checking.campaign import Row, summarise
from spiketheory.checking.random_models import draw_model, write_model
from spiketheory.errors import InputError, ModelError
from spiketheory.language.parse import parse_assumption, parse_model
from tests.models import make_model


def make_trials(model, *, initial=None, times=(), weights=(), duration=4.0):
    bench = Bench(model)
    drawer = bench.drawer
    state = drawer.at_rest if initial is None else np.array(initial, float)
    return bench, Trials(
        parameters=drawer.defaults[:, None],
        initial=state[:, None],
        times=np.array(times, float)[:, None],
        weights=np.array(weights, float)[:, None],
        duration=np.array([duration]),
    )


KINKED = make_model("dV/dt = V**2 + abs(V - z) + 1\ndz/dt = -abs(z)", spike="V -> oo",
                    reset="V = -oo; z += 1", input="z += w")  # fmt: skip


@pytest.mark.parametrize("model", ["lif", "qif", "eif", KINKED], ids=["lif", "qif", "eif", "kinks"])
def test_floats_and_many_digits_agree(model):
    bench = Bench(read_neuron_model(model) if isinstance(model, str) else model, seed=3)
    trials = bench.drawer.draw(5)
    runs = bench.run(trials)
    assert runs.count.sum() > 0
    for lane in np.flatnonzero(runs.is_sound):
        trial = take_trial(trials, lane)
        inputs = list(zip(trial.times, trial.weights, strict=True))
        found = PreciseNeuron(bench.model, 30).run(
            trial.parameters, trial.initial, inputs, trial.duration
        )
        got = runs.spikes[: runs.count[lane], lane]
        assert len(found.spikes) == len(got)
        assert np.allclose(got, np.array(found.spikes, float), rtol=0, atol=1e-6)


def test_spike_times_are_those_of_closed_forms():
    bench, trials = make_trials(make_model("dV/dt = V**2 + 1", spike="V -> oo", reset="V = -oo"))
    runs = bench.run(trials)
    assert np.allclose(runs.spikes[0, 0], np.pi / 2, rtol=0, atol=1e-10)
    bench, trials = make_trials(make_model("dV/dt = exp(V)", spike="V -> oo", reset="V = 0"))
    runs = bench.run(trials)
    assert np.allclose(runs.spikes[:3, 0], [1, 2, 3], rtol=0, atol=1e-9)


def test_a_dip_to_the_threshold_within_a_step_is_a_spike():
    """V = sin(2 t) with a threshold just below and just above its crest."""
    for threshold, count in ((1 - 1e-9, 1), (1 + 1e-9, 0)):
        model = make_model(
            "dV/dt = 2*y\ndy/dt = -2*V", spike=f"V = {threshold!r}", reset="V = 0; y = 0"
        )
        bench, trials = make_trials(model, initial=[0.0, 1.0], duration=2.0)
        assert bench.run(trials).count[0] == count


def test_lanes_end_as_they_should():
    fast = make_model("dV/dt = 1000", reset="V = 0")
    bench, trials = make_trials(fast)
    assert bench.run(trials, most=20).status[0] == FULL
    bench, trials = make_trials(make_model("dV/dt = 1", reset="V = 1 + V"), duration=2.0)
    assert bench.run(trials, most=200).status[0] == STUCK
    runaway = make_model("dV/dt = -V**2", spike="V = 1")
    bench, trials = make_trials(runaway, initial=[-1.0])
    assert bench.run(trials).status[0] == ESCAPED
    bench, trials = make_trials(make_model("dV/dt = -V", spike="V = 1"), initial=[-1.0])
    assert bench.run(trials).status[0] == DONE


def test_exponential_growth_is_no_escape_in_finite_time():
    model = make_model("dV/dt = 100*V", spike="V = 1")
    neuron = PreciseNeuron(model, 30)
    assert neuron.run((), [-1], [], 1.5).escaped is None
    runaway = PreciseNeuron(make_model("dV/dt = -V**2", spike="V = 1"), 30)
    assert abs(runaway.run((), [-1], [], 4).escaped - 1) < 1e-20


def test_trials_outside_of_the_assumptions_are_marked():
    model = make_model("dV/dt = 1 + I\ndI/dt = -I", input="I += w", spike="V = 9")
    bench = Bench(model, [parse_assumption("I < 1", model)])
    weights = np.array([[0.5, 2.0]])
    trials = Trials(parameters=np.zeros((0, 2)), initial=np.zeros((2, 2)),
                    times=np.ones((1, 2)), weights=weights, duration=np.full(2, 3.0))  # fmt: skip
    assert bench.run(trials).admitted.tolist() == [True, False]


def test_what_is_drawn_keeps_to_domains_and_comes_next_to_their_edges():
    model = make_model(
        "dV/dt = a - V + I\ndI/dt = -I", input="I += w",
        parameters={"a": {"default": 2.0, "domain": "a >= 1"}},
    )  # fmt: skip
    bench = Bench(model, [parse_assumption(t, model) for t in ("abs(w) < 3", "I >= 0")], seed=1)
    trials = bench.drawer.draw(400)
    a, current = trials.parameters[0], trials.initial[1]
    assert a.min() == 1
    assert ((a > 1) & (a < 1.01)).any()
    assert current.min() == 0
    assert ((current > 0) & (current < 0.01)).any()
    used = trials.weights[np.isfinite(trials.times)]
    assert np.abs(used).max() < 3
    assert used.min() < -2.5
    assert (trials.initial[0] < 1).all()


def test_bounds_on_both_sides_and_between_symbols_are_read():
    model = make_model("dV/dt = b - V", free="a b")
    assumptions = [parse_assumption(t, model) for t in ("abs(w) <= a", "V < b", "w < V")]
    limits = read_limits(model, assumptions)
    assert [len(g) for g in (limits.of_weight, limits.of_state, limits.of_both)] == [2, 1, 1]
    p = np.array([[1.0, 1.0], [2.0, 2.0]])
    assert limits.admit_weights(p, np.array([1.0, 1.1])).tolist() == [True, False]


def test_growth_is_told_from_the_equation():
    def grow(rate):
        return find_growth(make_model(f"dV/dt = {rate}", spike="V -> oo"))[:2]

    assert grow("V**2 + tanh(V)") == ("power", 2)
    assert grow("V**4 - V") == ("power", 4)
    assert grow("exp(2*V) + V**2")[0] == "exponential"
    with pytest.raises(InputError, match="Expected V of mine to blow up"):
        grow("3*V")


def test_a_field_has_a_side_for_each_kink():
    x, y = sp.symbols("x y")
    value = sp.Abs(x) + sp.Max(x - y, sp.Abs(y))
    kinks = find_kinks([value])
    assert len(kinks) == 3
    for at in ({x: 2, y: 1}, {x: -2, y: 1}, {x: 3, y: -4}):
        sides: list[int] = []
        for kink in kinks:
            sides.append(1 if resolve(kink.place, kinks, sides).subs(at) >= 0 else -1)
        assert resolve(value, kinks, sides).subs(at) == value.subs(at)


def test_a_jump_stays_and_a_logarithm_does_not():
    assert stays([mpf("0.5") + mpf(10) ** -k for k in (5, 10, 15)])
    assert not stays([mpf("0.5"), mpf("1.0"), mpf("1.5")])
    assert not stays([mpf("0.5") * mpf("0.4") ** k for k in (0, 1, 2)])


def climb(model, trial, place, low, high):
    bench = Bench(model)
    return Ladder(bench.get_precise, trial, place).climb(low, high)


def test_a_ladder_finds_the_jump_of_a_swap_and_none_on_a_steep_slope():
    model = make_model("dV/dt = 1 + I\ndI/dt = -I", input="I += w")
    trial = PlainTrial(parameters=(), initial=(0.0, 0.0), times=(1.0,), weights=(-3.0,),
                       duration=3.0)  # fmt: skip
    step = climb(model, trial, ("times", 0), 1 - 1e-9, 1 + 1e-9)
    assert step is not None
    assert len(step.spikes[0]) == 0
    steep = make_model("dV/dt = V", reset="V = -1")
    trial = PlainTrial(parameters=(), initial=(1e-9,), times=(), weights=(), duration=30.0)
    assert climb(steep, trial, ("initial", 0), 1e-9, 3e-9) is None


def test_ratios_tell_a_pile_up_from_harmonic_intervals():
    def add(power):
        return np.cumsum(np.arange(1.0, 2049) ** -power).tolist()

    assert max(measure_ratios(add(2))) < 0.6
    assert min(measure_ratios(add(1))) > 0.98
    assert len(measure_ratios(add(2))) == 5


def test_joined_trials_keep_their_inputs():
    _, one = make_trials(make_model("dV/dt = 1"), times=[1.0], weights=[2.0])
    _, other = make_trials(make_model("dV/dt = 1"))
    both = join([one, other])
    assert both.times.tolist() == [[1.0, np.inf]]
    assert take_trial(both, 1).weights == ()


def test_one_seed_is_one_model_that_is_well_formed():
    texts = {write_model(seed) for seed in range(150)}
    assert len(texts) > 140
    for seed in range(60):
        model = draw_model(seed)
        assert parse_model(model.to_toml()) == model == draw_model(seed)


def test_random_models_are_of_many_kinds():
    models = [draw_model(seed) for seed in range(300)]
    moving = [m for m in models if m.spike.value.free_symbols & set(m.state)]
    blow_ups = [m for m in models if m.spike.is_blowup]
    closed = [p for m in models for p in m.parameters if ">=" in str(p.domain)]
    kinks = [m for m in models if find_kinks(m.derivatives)]
    coupled = [m for m in models if any(
        r.free_symbols - {s} for s, r in zip(m.state, m.reset, strict=True))]  # fmt: skip
    for found in (moving, blow_ups, closed, kinks, coupled):
        assert 10 < len(found) < 290
    assert {len(m.state) for m in models} == {1, 2, 3, 4}


def test_a_file_that_is_no_contradiction_is_refused(tmp_path):
    path = tmp_path / "x.json"
    for text in ("", "{}", '{"schema": 1}'):
        path.write_text(text)
        with pytest.raises(InputError, match="Expected a file that `spiketheory check --attack`"):
            read_contradiction(path)


def test_a_contradiction_with_a_parameter_outside_its_domain_is_refused(tmp_path):
    model = read_neuron_model("lif_delta")
    trial = PlainTrial(
        parameters=(1.0, 0.0, 1.0), initial=(0.0,), times=(0.5,), weights=(0.5,), duration=3.0
    )
    found = Contradiction(kind="jump", text="", claim="C2", trial=trial)
    write_contradiction(tmp_path / "x.json", model, (), "smooth", found)
    assert read_contradiction(tmp_path / "x.json")[2] == found
    none = replace(found, trial=trial.move(("parameters", 0), 0.0))
    write_contradiction(tmp_path / "x.json", model, (), "smooth", none)
    with pytest.raises(ModelError, match=r"Expected tau > 0 in lif_delta but got tau=0\.0"):
        read_contradiction(tmp_path / "x.json")


def test_a_speed_that_is_no_number_loses_a_trial():
    precise = Bench(read_neuron_model("lif_delta")).get_precise(30)
    with pytest.raises(Lost, match="finite"):
        precise.run([0.0, 0.0, 1.0], [0], [(0, 0.5)], 3)


def test_too_many_steps_in_many_digits_lose_a_trial():
    bench = Bench(read_neuron_model("lif"))
    bench.allow_steps(3)
    with pytest.raises(Lost, match="fewer steps"):
        bench.get_precise(30).run(bench.drawer.defaults, [0, 0], [(0, 5)], 3)


def test_a_summary_counts_verdicts():
    rows = [Row(seed=k, name=f"m{k}", verdict=v) for k, v in enumerate(["smooth", "failed"])]
    assert summarise(rows).splitlines()[-2].split() == ["all", "2", "0"]
