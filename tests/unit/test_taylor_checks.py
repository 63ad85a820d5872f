"""Checks of integrated models: where they look; an error of 1e-9 in any number is found."""

import random
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import mpmath
import pytest
import sympy as sp
from models import derive_once, make_model
from mpmath import mpf

from derivations import read_neuron_model
from spiketheory.errors import VerificationError
from spiketheory.generation.lower import lower
from spiketheory.language.parse import read_model
from spiketheory.verification import taylor
from spiketheory.verification.tally import Tally

MODELS = {
    "eif": read_neuron_model("eif"),
    "izhikevich": read_neuron_model("izhikevich"),
    "logistic_refractory": read_model(
        Path(__file__).parents[1] / "models" / "logistic_refractory.toml"
    ),
    "narrow": make_model(
        "dV/dt = 1 - V**3 - a*V", spike="V = 4", reset="V = -1",
        parameters={"a": {"default": 1.0, "domain": "a > 0.97 and a < 1.03"}},
    ),
}  # fmt: skip
ERROR = 1e-9
STILL = SimpleNamespace(uniform=lambda low, high: 0.0)
"""Draws nothing: no input, and parameters as they are."""


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mpmath.workdps(50):
        yield


@cache
def prepare(name):
    """The default setting of a model."""
    derivation = derive_once(MODELS[name])
    folder = Path(FOLDERS.mktemp(name))
    module = taylor.load_functions(lower(derivation), folder)
    return next(taylor.list_settings(derivation, module, random.Random(1)))


@cache
def list_states(name):
    return taylor.list_states(prepare(name), random.Random(1))


@pytest.fixture(autouse=True, scope="module")
def _folders(tmp_path_factory):
    global FOLDERS
    FOLDERS = tmp_path_factory


def run_spike(name, spiking=True):
    setting, states = prepare(name), list_states(name)
    flow, spike, reset = Tally("flow", "-"), Tally("spike", "-"), Tally("reset", "-")
    states = [s for s in states if taylor.spikes_within(setting, s, taylor.LONGEST) == spiking]
    taylor.compare_spike(setting, states[-1], taylor.LONGEST, flow, spike, reset)
    return flow, spike, reset


def run_gradients(name):
    setting, states = prepare(name), list_states(name)
    slope, later = Tally("slope", "-"), Tally("later", "-")
    (state, *_) = (s for s in states if taylor.spikes_within(setting, s, taylor.LONGEST))
    taylor.compare_gradients(setting, state, taylor.LONGEST, slope, later)
    return slope, later


def run_held(name):
    setting, states = prepare(name), list_states(name)
    held = Tally("held", "-")
    taylor.compare_held_flow(setting, states[-1], held)
    return (held,)


def spoil(name, kernel, k, *, asked=lambda arguments: True):
    """A generated function whose k-th result is wrong."""
    right = getattr(prepare(name).module, kernel)

    def wrong(*arguments):
        found = right(*arguments)
        if not asked(arguments):
            return found
        if not isinstance(found, tuple):
            return found + ERROR * (1 + abs(found))
        return tuple(v + ERROR * (1 + abs(v)) * (i == k) for i, v in enumerate(found))

    return wrong


def is_later(arguments):
    """Whether the derivative is of the state after the spike, rather than of its time."""
    return arguments[-1] == 0


def is_time(arguments):
    return arguments[-1] == 1


SPOILED = {
    "time to spike": (run_spike, "eif", "time_to_spike", 0, None, "'spike' .* the time to spike"),
    "flow": (run_spike, "eif", "flow", 0, None, "'flow' .* the state after"),
    "flow of another": (run_spike, "eif", "flow", -1, None, "'flow' .* the state after"),
    "after a spike": (run_spike, "eif", "fire", -1, None, "'reset' .* the state after the spike"),
    "its potential": (run_spike, "izhikevich", "fire", 0, None, "'reset' .* after the spike"),
    "its recovery": (run_spike, "izhikevich", "fire", 1, None, "'reset' .* after the spike"),
    "slope": (run_gradients, "eif", "fire_vjp", 0, is_time, "'slope' .* of the spike time"),
    "later": (run_gradients, "izhikevich", "fire_vjp", 1, is_later, "'later' .* after a spike"),
    "held": (run_held, "logistic_refractory", "held_flow", 1, None, "'held' .* the held state"),
    "slope of held": (run_held, "logistic_refractory", "held_flow_vjp", 1, None,
                      "'held' .* derivative of the held flow"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("run", "name", "kernel", "k", "asked", "words"), SPOILED.values(), ids=SPOILED
)
def test_a_small_error_is_found(run, name, kernel, k, asked, words, monkeypatch):
    setting, states = prepare(name), list_states(name)
    k = k % len(setting.to_chart(states[0]))
    wrong = spoil(name, kernel, k, asked=asked or (lambda arguments: True))
    monkeypatch.setattr(setting.module, kernel, wrong)
    with pytest.raises(VerificationError, match=f"^Check {words}"):
        run(name)


def test_right_numbers_pass():
    found = (*run_spike("eif"), *run_gradients("izhikevich"), *run_held("logistic_refractory"))
    assert [t.compared for t in found] == [1, 1, 1, 1, 1, 4]
    assert max(t.worst for t in found) < mpf(10) ** -12


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (lambda wait, asked: True, "no spike predicted within"),
        (lambda wait, asked: asked < wait / 2 or asked >= 30, "no spike predicted within"),
        (lambda wait, asked: asked >= 30, "a spike predicted within"),
        (lambda wait, asked: False, "no spike from .* within 30"),
    ],
)
def test_a_wrong_prediction_is_found(answers, words, monkeypatch):
    setting, states = prepare("izhikevich"), list_states("izhikevich")
    state = next(s for s in states if taylor.spikes_within(setting, s, taylor.LONGEST))
    coordinates = setting.to_chart(state)
    (wait,) = setting.run("time_to_spike", *coordinates)
    size = len(coordinates)
    monkeypatch.setattr(
        setting.module, "will_spike", lambda *arguments: answers(wait, arguments[size])
    )
    tallies = [Tally("it", "-") for _ in range(3)]
    with pytest.raises(VerificationError, match=words):
        taylor.compare_spike(setting, state, taylor.LONGEST, *tallies)


def test_silence_is_compared_as_far_as_it_is_looked_ahead():
    setting, silent = prepare("narrow"), [mpf(0)]
    flow, spike, reset = (Tally("it", "-") for _ in range(3))
    taylor.compare_spike(setting, silent, mpf(1), flow, spike, reset)
    assert (flow.compared, spike.demanded, spike.compared, reset.compared) == (1, 3, 0, 0)
    taylor.compare_gradients(setting, silent, taylor.LONGEST, spike, reset)
    assert spike.compared == reset.compared == 0


def test_parameters_beside_the_defaults_are_admissible():
    setting = prepare("narrow")
    for seed in range(6):
        settings = taylor.list_settings(setting.derivation, setting.module, random.Random(seed))
        first, second = (next(iter(s.parameters.values())) for s in settings)
        assert first == 1
        assert 0.97 < second < 1.03
        assert second != 1


def test_parameters_are_drawn_within_a_tenth():
    setting = prepare("eif")
    _, other = taylor.list_settings(setting.derivation, setting.module, random.Random(3))
    for p, v in other.parameters.items():
        assert abs(v - setting.parameters[p]) <= abs(setting.parameters[p]) / 10
    assert other.parameters != setting.parameters


def test_states_are_after_a_reset_between_and_at_rest():
    setting = prepare("izhikevich")
    after, middle, rest = taylor.list_states(setting, STILL)[:3]
    model = setting.derivation.model
    want = setting.evaluate(model.rest, (), ())
    close = [abs(a - b) < 1e-12 * (1 + abs(b)) for a, b in zip(rest, want, strict=True)]
    assert all(close)
    reset = setting.evaluate(model.reset, model.state, want)
    assert all(abs(a - b) < 1e-12 * (1 + abs(b)) for a, b in zip(after, reset, strict=True))
    for a, b, c in zip(after, middle, rest, strict=True):
        assert abs(b - (a + c) / 2) < 1e-12 * (1 + abs(b))


def test_silent_neurons_are_pushed_until_one_spikes(monkeypatch):
    """Gently for a spike soon; only if none comes at all as hard as it takes."""
    setting = prepare("eif")
    place = [s.name for s in setting.derivation.model.state].index("I")

    def list_pushes(enough, late=10**6):
        def spikes(setting, state, longest):
            return state[place] > (enough if longest == taylor.LONGEST else min(enough, late))

        monkeypatch.setattr(taylor, "spikes_within", spikes)
        return [state[place] for state in taylor.list_states(setting, STILL)]

    assert list_pushes(10) == [0, 0, 0, 4, -4, 20]
    assert list_pushes(-1) == [0, 0, 0]
    assert list_pushes(10, late=3) == [0, 0, 0, 4, -4]
    assert list_pushes(10**6) == [0, 0, 0, 4, -4, 20, -20, 100, -100, 1000, -1000]


def test_an_input_is_halved_until_it_alone_is_no_spike():
    setting = prepare("narrow")
    for weight, moved in ((2, 3), (4, 3), (12, 2.5), (-20, -19), (3, 2.5)):
        assert taylor.push(setting, [mpf(1)], sp.Integer(weight)) == [moved]
    blowing = prepare("eif")
    state = [mpf(0)] * 2
    pushed = taylor.push(blowing, state, sp.Integer(1000))
    assert max(pushed) == 1000


def test_a_setting_without_any_spike_is_refused():
    model = make_model("dV/dt = -V - V**3", spike="V = 1000000", reset="V = 0", input="")
    with pytest.raises(VerificationError, match=r"a state of mine that leads to a spike .* none"):
        list(taylor.check_integrals(lower(derive_once(model))))


@pytest.mark.parametrize(
    ("waits", "longest"),
    [([2, 50], 30), ([mpmath.inf, 30], 30), ([50, 80], "50.5"), ([mpmath.inf, 1000], 1010),
     ([mpmath.inf, 1001], 30), ([mpmath.inf] * 2, 30)],
)  # fmt: skip
def test_checks_look_as_far_as_the_first_spike(waits, longest, monkeypatch):
    found = iter(map(mpf, waits))
    monkeypatch.setattr(taylor, "find_wait", lambda *at: next(found))
    setting = SimpleNamespace(to_chart=lambda state: state)
    assert abs(taylor.find_longest(setting, [[0], [1]]) - mpf(longest)) < mpf(10) ** -10


def test_a_spike_is_not_looked_for_where_none_is_predicted():
    def run(name, *at):
        assert (name, at) != ("time_to_spike", (1,))
        return [at[0] > 1] if name == "will_spike" else [mpf(7)]

    setting = SimpleNamespace(run=run)
    assert taylor.find_wait(setting, [1], mpf(30)) == mpmath.inf
    assert taylor.find_wait(setting, [2], mpf(30)) == 7


@pytest.mark.parametrize("lost", [(0,), (1,), (0, 1)])
def test_there_is_no_gradient_next_to_a_state_that_does_not_spike(lost):
    times = [None if k in lost else mpf(k) for k in range(2)]
    arrivals = iter([([mpf(0)], time) for time in times])
    reference = SimpleNamespace(arrive=lambda state, longest: next(arrivals))
    setting = SimpleNamespace(reference=reference)
    assert taylor.differentiate(setting, [mpf(1)], mpf(1)) is None


def test_differences_are_of_the_time_and_the_state_at_the_spike():
    def arrive(state, longest):
        assert longest == 4
        return [3 * state[0], state[0] * state[1]], 5 * state[0] - 7 * state[1]

    setting = SimpleNamespace(reference=SimpleNamespace(arrive=arrive))
    waits, ends = taylor.differentiate(setting, [mpf(2), mpf(11)], mpf(2))
    want = [5, -7], [[3, 11], [0, 2]]
    assert max(abs(a - b) for a, b in zip(waits, want[0], strict=True)) < mpf(10) ** -30
    for row, expected in zip(ends, want[1], strict=True):
        assert max(abs(a - b) for a, b in zip(row, expected, strict=True)) < mpf(10) ** -30
