"""Every check in 50 digits finds errors of its own kind, and only these."""

import itertools
import random
from functools import cache
from types import SimpleNamespace

import mpmath
import pytest
from models import derive_once, make_model
from mpmath import mpf

from derivations import read_neuron_model
from spiketheory.errors import VerificationError
from spiketheory.generation.lower import lower
from spiketheory.verification import numeric
from spiketheory.verification.cases import build_cases
from spiketheory.verification.places import Kernels, Place
from spiketheory.verification.tally import Tally

LIF = make_model(
    "dV/dt = (E - V)/tau", spike="V = V_th", positive="tau V_th",
    parameters={"E": {"default": 1.5}},
)  # fmt: skip
MODELS = {"lif": LIF, "theta": read_neuron_model("theta")}
with mpmath.workdps(50):
    SMALL = 1 + mpf(10) ** -20


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mpmath.workdps(50):
        yield


@cache
def prepare(name):
    d = derive_once(MODELS[name])
    return Kernels(lower(d)), build_cases(d)


def put(name, **values):
    """A neuron at given parameters, by name; the others are the defaults."""
    kernels, _ = prepare(name)
    found = {p.symbol: mpf(values.get(p.name, p.default)) for p in MODELS[name].parameters}
    return Place(kernels, found, random.Random(1))


def scale(kernels, kernel, factor, k=0):
    """A kernel function whose k-th result is wrong by a factor."""
    right = kernels.functions[kernel]

    def wrong(*arguments):
        found = list(right(*arguments))
        found[k] *= factor
        return found

    return wrong


SILENT = {"E": "0.5"}
FINDS = {
    "a spike that comes late": (
        "first spike", numeric.check_first_spike, {}, "time_to_spike",
        lambda k: scale(k, "time_to_spike", SMALL), "part of the way",
    ),
    "a spike that comes early": (
        "first spike", numeric.check_first_spike, {}, "time_to_spike",
        lambda k: scale(k, "time_to_spike", 1 / SMALL), "part of the way",
    ),
    "a spike far too late": (
        "first spike", numeric.check_first_spike, {}, "time_to_spike",
        lambda k: scale(k, "time_to_spike", 2), "no spike within",
    ),
    "no spike where there is one": (
        "first spike", numeric.check_first_spike, {}, "time_to_spike",
        lambda k: lambda *at: [mpmath.inf], "no spike within",
    ),
    "a spike in the past": (
        "first spike", numeric.check_first_spike, {}, "time_to_spike",
        lambda k: scale(k, "time_to_spike", -1), "time_to_spike > 0",
    ),
    "a spike now": (
        "first spike", numeric.check_first_spike, {}, "time_to_spike",
        lambda k: lambda *at: [mpf(0)], "time_to_spike > 0",
    ),
    "a spike where there is none": (
        "first spike", numeric.check_first_spike, SILENT, "time_to_spike",
        lambda k: lambda *at: [mpf(2)], "part of the way",
    ),
    "a prediction of silence": (
        "spike prediction", numeric.check_first_spike, {}, "will_spike",
        lambda k: lambda *at: [False], "a spike predicted within",
    ),
    "a prediction of nothing but spikes": (
        "spike prediction", numeric.check_first_spike, {}, "will_spike",
        lambda k: lambda *at: [True], "no spike within",
    ),
    "a prediction of a spike from a silent neuron": (
        "spike prediction", numeric.check_first_spike, SILENT, "will_spike",
        lambda k: lambda *at: [True], "no spike within",
    ),
    "a surface that rises": (
        "crossing at spikes", numeric.check_first_spike, {}, "crossing",
        lambda k: scale(k, "crossing", -1), "the surface to fall at the spike",
    ),
    "a surface that stands still": (
        "crossing at spikes", numeric.check_first_spike, {}, "crossing",
        lambda k: scale(k, "crossing", 0), "the surface to fall at the spike",
    ),
    "a flow that is too fast": (
        "flow against direct integration", numeric.check_integration, {}, "flow",
        lambda k: scale(k, "flow", SMALL), "the state after",
    ),
    "a late spike of the reference's neuron": (
        "spike time against direct integration", numeric.check_integration, {}, "time_to_spike",
        lambda k: scale(k, "time_to_spike", SMALL), "the time to spike from",
    ),
    "a spike that the reference comes first to": (
        "spike time against direct integration", numeric.check_integration, {"E": 30},
        "time_to_spike", lambda k: scale(k, "time_to_spike", 5), "no spike after",
    ),
    "silence of a neuron that spikes": (
        "spike time against direct integration", numeric.check_integration, {}, "time_to_spike",
        lambda k: lambda *at: [mpmath.inf], "no spike after|to be finite",
    ),
    "a spike of a silent neuron": (
        "spike time against direct integration", numeric.check_integration, SILENT,
        "time_to_spike", lambda k: lambda *at: [mpf(1)], "the time to spike from",
    ),
    "bounds that are exchanged": (
        "initial bounds", numeric.check_initial, {}, "initial_bounds",
        lambda k: lambda *at: [mpf(1), mpf(-1), mpf(0)], "lower <= default <= upper",
    ),
    "bounds without room": (
        "initial bounds", numeric.check_initial, {}, "initial_bounds",
        lambda k: lambda *at: [mpf(0)] * 3, "lower <= default <= upper",
    ),
    "a default beyond": (
        "initial bounds", numeric.check_initial, {}, "initial_bounds",
        lambda k: lambda *at: [mpf(-1), mpf(0), mpf("0.5")], "lower <= default <= upper",
    ),
    "a default below": (
        "initial bounds", numeric.check_initial, {}, "initial_bounds",
        lambda k: lambda *at: [mpf(-1), mpf(0), mpf(-2)], "lower <= default <= upper",
    ),
    "bounds beyond the threshold": (
        "initial bounds", numeric.check_initial, {}, "initial_bounds",
        lambda k: lambda *at: [mpf(0), mpf(3), mpf(1)], "the surface at",
    ),
    "a coordinate that is read back wrongly": (
        "initial bounds", numeric.check_initial, {}, "initial_value",
        lambda k: scale(k, "initial_value", SMALL), "the coordinate of the state with",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "check", "values", "kernel", "plant", "words"), FINDS.values(), ids=FINDS
)
def test_an_error_is_found_in_words(name, check, values, kernel, plant, words, monkeypatch):
    place = put("lif", **values)
    monkeypatch.setitem(place.kernels.functions, kernel, plant(place.kernels))
    with pytest.raises(VerificationError, match=rf"^Check '{name}' failed: expected .*({words})"):
        list(check([place]))


@pytest.mark.parametrize("values", [{}, SILENT, {"E": 1}])
def test_right_numbers_pass(values):
    place = put("lif", **values)
    found = [
        *numeric.check_first_spike([place]),
        *numeric.check_integration([place]),
        *numeric.check_initial([place]),
        *numeric.check_seams([place], prepare("lif")[1]),
    ]
    names = {c.name for c in found}
    assert {"first spike", "spike prediction", "initial bounds", "branch seams"} < names
    assert ("crossing at spikes" in names) == (not values)


def test_silence_is_looked_for_from_tiny_to_long_durations(monkeypatch):
    asked = set()
    will_spike = Place.will_spike

    def record(self, state, duration):
        asked.add(duration)
        return will_spike(self, state, duration)

    monkeypatch.setattr(Place, "will_spike", record)
    assert list(numeric.check_first_spike([put("lif", **SILENT)]))
    durations = sorted(asked)
    assert abs(durations[0] * mpf(10) ** 12 - 1) < mpf(10) ** -10
    assert abs(durations[-1] / 1000 - 1) < mpf(10) ** -10
    usual = [d for d in durations if mpf("0.15") < d < 105]
    assert all(a < b < 2 * a for a, b in itertools.pairwise(usual))
    assert usual[0] < mpf("0.2")
    assert usual[-1] > 99


def test_pseudospikes_are_looked_at_with_strong_inputs_of_either_sign(monkeypatch):
    place = put("theta")
    right, asked = place.kernels.functions["pseudospike"], set()

    def record(x, y, current, *constants):
        asked.add(current)
        return right(x, y, current, *constants)

    monkeypatch.setitem(place.kernels.functions, "pseudospike", record)
    assert list(numeric.check_pseudospike([place]))
    assert (min(asked), max(asked)) == (-(10**4), 10**4)
    assert {mpf(0)} < asked
    assert {abs(current) < 5 for current in asked - {0}} == {True, False}


PSEUDO = {
    "a delay that is negative": (["-0.1", "1", "0.5"], "0 < delay <= period"),
    "no delay": (["0", "1", "0.5"], "0 < delay <= period"),
    "a delay beyond the period": (["1.1", "1", "0.5"], "0 < delay <= period"),
    "a rate beyond one": (["0.5", "1", "1.1"], "0 <= rate <= 1"),
    "a negative rate": (["0.5", "1", "-0.1"], "0 <= rate <= 1"),
    "a delay that ends with a jump": (["0.5", "1", "1"], "delay = 0 and rate = 1 just before"),
    "a rate that ends with a jump": (["1e-30", "1", "0.5"], "delay = 0 and rate = 1 just before"),
}


@pytest.mark.parametrize(("numbers", "words"), PSEUDO.values(), ids=PSEUDO)
def test_a_wrong_pseudospike_is_found(numbers, words, monkeypatch):
    place = put("theta")
    made = list(map(mpf, numbers))
    monkeypatch.setitem(place.kernels.functions, "pseudospike", lambda *at: made)
    with pytest.raises(VerificationError, match=f"^Check 'pseudospike values' .*{words}"):
        list(numeric.check_pseudospike([place]))


def test_right_pseudospikes_pass():
    assert list(numeric.check_pseudospike([put("theta")]))


def test_a_neuron_without_pseudospikes_has_none_to_check():
    assert list(numeric.check_pseudospike([put("lif")])) == []


def test_ways_to_a_seam_come_ever_nearer_to_it():
    above, below, on = prepare("lif")[1]
    place = put("lif", V_th=2, tau=3)

    def drive(p):
        values = {s.name: v for s, v in p.parameters.items()}
        assert (values["V_th"], values["tau"]) == (2, 3)
        return values["E"] - 2

    ways = [list(map(drive, numeric.approach_seam(place, c, 0))) for c in (above, below, on)]
    distances = [mpf(10) ** -10, mpf(10) ** -30]
    for way, sign in zip(ways[:2], (-1, 1), strict=True):
        assert len(way) == 2
        assert all(abs(w - sign * d) < d / 10**6 for w, d in zip(way, distances, strict=True))
    assert ways[2] == [0]


def test_only_places_on_one_seam_are_compared():
    near, far, here = put("lif", E=1 + mpf(10) ** -20), put("lif", E=2), put("lif", E=1)
    assert numeric.measure_distance(far, here) == 1
    assert numeric.measure_distance(here, far) == 1
    assert numeric.are_near([far, near], [here])
    assert not numeric.are_near([near, far], [here])
    assert not numeric.are_near([], [here])


@pytest.mark.parametrize(
    ("jump", "slope"), [("1e-6", 0), ("1e-12", 0), ("-1e-17", 0), ("1e-12", 3)]
)
def test_a_jump_of_the_flow_at_a_seam_is_found_however_steep_it_is(jump, slope, monkeypatch):
    kernels, cases = prepare("lif")
    place = put("lif")
    right = kernels.functions["flow"]
    names = [s.name for s in kernels.derivation.chart.coordinates]
    symbols = [*names, *(s.name for s in kernels.derivation.propagator.symbols),
               *kernels.constants]  # fmt: skip

    def jumps(*arguments):
        at = dict(zip(symbols, arguments, strict=True))
        apart = at["E"] - at["V_th"]
        return [right(*arguments)[0] + slope * apart + (0 if apart else mpf(jump))]

    monkeypatch.setitem(kernels.functions, "flow", jumps)
    with pytest.raises(VerificationError, match=r"^Check 'branch seams' .* derivatives from"):
        list(numeric.check_seams([place], cases))


def test_a_time_to_spike_that_stays_finite_towards_silence_is_found(monkeypatch):
    kernels, cases = prepare("lif")
    right = kernels.functions["time_to_spike"]

    def bounded(*arguments):
        (wait,) = right(*arguments)
        return [min(wait, mpf(20)) if mpmath.isfinite(wait) else wait]

    monkeypatch.setitem(kernels.functions, "time_to_spike", bounded)
    with pytest.raises(VerificationError, match=r"'branch seams' .* to grow beyond all bounds"):
        list(numeric.check_seams([put("lif")], cases))


class Two:
    """A place with two branches of the time to spike, which meet at V = 1/3."""

    def __init__(self, below, above):
        self.waits = below, above
        self.states = [[mpf(0)], [mpf(1)]]
        self.constants = ()
        self.kernels = SimpleNamespace(choose_spike_branch=lambda V: int(mpf(1) / 3 < V))

    def wait(self, state):
        side = self.kernels.choose_spike_branch(*state)
        return self.waits[side](abs(state[0] - mpf(1) / 3))

    def show(self, state):
        return str(state[0])


def grow(d):
    return -mpmath.log(d)


@pytest.mark.parametrize(
    ("below", "above", "passes"),
    [
        (lambda d: 1 + d, lambda d: 1 - d, True),
        (lambda d: 1 + mpmath.sqrt(d), lambda d: mpf(1), True),
        (lambda d: 1 + d, lambda d: 1 - d + mpf(10) ** -6, False),
        (lambda d: 1 + d, lambda d: 1 - d + mpf(10) ** -15, False),
        (grow, lambda d: 2 * grow(d), True),
        (grow, lambda d: mpmath.inf, True),
        (lambda d: mpmath.inf, grow, True),
        (lambda d: mpmath.inf, lambda d: 1 + d, False),
        (grow, lambda d: mpf(1), False),
        (lambda d: mpmath.inf, lambda d: mpmath.inf, True),
    ],
)
def test_times_to_spike_agree_across_seams_or_grow_beyond_all_bounds(below, above, passes):
    tally = Tally("branch seams", "mend it")
    place = Two(below, above)
    if passes:
        numeric.compare_spike_seams(tally, place)
    else:
        with pytest.raises(VerificationError, match="between 0"):
            numeric.compare_spike_seams(tally, place)


def test_states_in_one_branch_have_no_seam():
    place = Two(lambda d: d, lambda d: 7 + d)
    place.states = [[mpf(0)], [mpf("0.25")], [mpf(-1)]]
    tally = Tally("branch seams", "mend it")
    numeric.compare_spike_seams(tally, place)
    assert tally.compared == tally.demanded == 0


def test_a_seam_is_found_between_two_states():
    start, end = [mpf(0), mpf(2)], [mpf(1), mpf(0)]
    inside, outside = numeric.bisect(lambda at: int(at[0] >= mpf(1) / 3), start, end)
    assert inside[0] < mpf(1) / 3 <= outside[0]
    assert max(abs(a - b) for a, b in zip(inside, outside, strict=True)) <= mpf(10) ** -40
    assert abs(inside[1] - mpf(4) / 3) < mpf(10) ** -39
    assert numeric.move(start, end, mpf("0.25")) == [mpf("0.25"), mpf("1.5")]


@pytest.mark.parametrize(
    ("times", "answer"),
    [
        ((1, 2, 3), True), ((1, 3, 9), True), ((1, 2, "2.75"), True), ((1, 2, "2.5"), False),
        ((1, 2, "2.25"), False), ((3, 2, 1), False), ((1, 1, 1), False), ((3, 1, 2), False),
        ((1, 2, "inf"), False), (("inf", "inf", "inf"), False),
    ],
)  # fmt: skip
def test_times_grow_beyond_all_bounds_as_a_logarithm_or_faster(times, answer):
    assert numeric.grows(list(map(mpf, times))) is answer


def test_times_that_do_not_grow_are_found():
    tally = Tally("branch seams", "mend it")
    numeric.demand_growth(tally, "it", [[mpf(1), mpf(2), mpf(3)], [mpmath.inf] * 3, [mpf(1)]])
    assert tally.demanded == 1
    for times in ([1, 2, 2], [1, 3, 2], [2, 1]):
        with pytest.raises(VerificationError, match="expected it but got"):
            numeric.demand_growth(tally, "it", [list(map(mpf, times))])
