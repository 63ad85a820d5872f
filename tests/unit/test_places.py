"""Where verification looks: places are what they are said to be, numbers right in 50 digits."""

import random
from dataclasses import replace

import mpmath
import pytest
import sympy as sp
from models import derive_once, make_model
from mpmath import mpf

from derivations import read_neuron_model
from spiketheory.errors import VerificationError
from spiketheory.generation.lower import lower
from spiketheory.verification.cases import build_cases
from spiketheory.verification.places import (
    Kernels,
    Place,
    build_places,
    compile_condition,
    compile_domains,
    differentiate_numerically,
    draw_boundary,
    draw_parameters,
    make_real,
    place_parameters,
    remember,
    rests_inside,
    stretch,
)

LIF = make_model(
    "dV/dt = (E - V)/tau", spike="V = V_th", positive="tau V_th",
    parameters={"E": {"default": 1.5}},
)  # fmt: skip
TINY = mpf(10) ** -45


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mpmath.workdps(50):
        yield


@pytest.fixture(scope="module")
def lif():
    """A leaky neuron that a constant current drives: its kernel functions and cases."""
    d = derive_once(LIF)
    return Kernels(lower(d)), build_cases(d)


@pytest.fixture(scope="module")
def qif():
    d = derive_once(read_neuron_model("qif_delta"))
    return Kernels(lower(d)), build_cases(d)


def put(kernels, *, seed=1, **values):
    """A place with given values, by name; the others are the defaults."""
    found = {
        p.symbol: mpf(values.get(p.name, p.default)) for p in kernels.derivation.model.parameters
    }
    return Place(kernels, found, random.Random(seed))


def read(values, name):
    return next(v for p, v in values.items() if p.name == name)


def test_kernel_functions_are_those_of_the_model_in_fifty_digits(lif):
    place = put(lif[0], E=3, tau=2, V_th=1)
    (V,) = state = [mpf(1) / 3]
    wait = 2 * mpmath.log((3 - V) / 2)
    assert abs(place.wait(state) - wait) < TINY
    assert abs(place.flow(state, mpf("0.4"))[0] - (3 + (V - 3) * mpmath.exp(mpf("-0.2")))) < TINY
    assert place.jump(state, mpf(1) / 3) == [2 * V]
    assert place.fire(state, place.wait(state)) == [0]
    assert abs(place.surface(state) - mpf(2) / 3) < TINY
    assert abs(place.run("crossing", *state)[0] - (V - 3) / 2) < TINY
    assert place.will_spike(state, wait * (1 + TINY))
    assert not place.will_spike(state, wait * (1 - TINY))
    assert place.to_state(state) == state
    assert abs(place.flow_vjp(state, mpf(1), [mpf(1)])[0] - mpmath.exp(mpf("-0.5"))) < TINY


def test_numbers_follow_the_working_precision(lif):
    place = put(lif[0], E=3, tau=2)
    few = place.wait([mpf(0)])
    with mpmath.workdps(200):
        many, want = place.wait([mpf(0)]), 2 * mpmath.log(mpf(3) / 2)
        assert abs(many - want) < mpf(10) ** -195
        assert abs(few - want) > mpf(10) ** -60
    assert place.wait([mpf(0)]) == few


def test_a_place_says_where_it_is_and_moves(lif):
    place = put(lif[0], E="1.25")
    assert place.name == "tau = 1.0, V_th = 1.0, E = 1.25"
    moved = place.at([mpf(2), mpf(3), mpf(4)])
    assert moved.name == "tau = 2.0, V_th = 3.0, E = 4.0"
    assert moved.threshold == 3
    assert place.show([mpf("0.5"), mpf(-2)]) == "(0.5, -2.0) at tau = 1.0, V_th = 1.0, E = 1.25"


def test_the_branch_of_the_time_to_spike_is_the_first_that_holds(lif):
    choose = lif[0].choose_spike_branch
    branches = lif[0].derivation.closed.time_to_spike
    at_once, driven, silent = (
        next(k for k, b in enumerate(branches) if test(b.values[0]))
        for test in (lambda v: v == 0, lambda v: v not in (0, sp.oo), lambda v: v == sp.oo)
    )
    for V, E, branch in ((2, 3, at_once), (0, 3, driven), (0, "0.5", silent), (2, "0.5", at_once)):
        place = put(lif[0], E=E)
        assert choose(mpf(V), *place.constants) == branch


def test_states_of_a_finite_threshold_are_below_it_and_some_lead_to_a_spike(lif):
    driven = put(lif[0], E=3, V_th=1)
    assert all(driven.surface(s) > 0 for s in driven.states)
    assert sum(mpmath.isfinite(driven.wait(s)) for s in driven.states) >= 4
    assert driven.states[-1] == [0]  # as after a spike
    assert len({tuple(s) for s in driven.states}) == len(driven.states)
    silent = put(lif[0], E="0.5", V_th=1)
    assert len(silent.states) == 3
    assert not any(mpmath.isfinite(silent.wait(s)) for s in silent.states)


def test_a_state_beyond_a_finite_threshold_is_a_third_beyond(lif, qif):
    (beyond,) = put(lif[0], V_th=2).beyond
    assert abs(beyond[0] - mpf(7) / 3) < mpf(10) ** -12
    assert put(qif[0]).beyond == []


def test_states_of_a_neuron_that_blows_up_are_in_far_corners_too(qif):
    place = put(qif[0])
    potentials = [place.to_state(s)[0] for s in place.states]
    for corner in (mpf(10) ** 8, -(mpf(10) ** 8), mpf(10) ** 4):
        assert min(abs(v / corner - 1) for v in potentials) < TINY
    assert sum(abs(v) < 10 for v in potentials) >= 3
    assert all(place.surface(s) > 0 for s in place.states[:6])


def test_currents_are_strong_too():
    place = put(Kernels(lower(derive_once(read_neuron_model("nlif")))))
    model = place.derivation.model
    index = next(k for k, s in enumerate(model.state) if s != model.spike.variable)
    currents = {place.to_state(s)[index] for s in place.states}
    assert {mpf(10) ** 4, -(mpf(10) ** 4)} <= currents


def test_no_state_inside_is_an_error_in_words(lif, monkeypatch):
    monkeypatch.setattr(Place, "surface", lambda self, state: mpf(-1))
    with pytest.raises(VerificationError, match=r"states on the inner side .* none among 200"):
        put(lif[0]).draw_state(None)


def frame_of(equations, *, rest, threshold="V_th", **parameters):
    model = make_model(
        equations, spike=f"V = {threshold}", reset=f"V = {rest}", rest={"V": rest},
        parameters={n: {"default": v, "domain": f"{n} > 0"} if v > 0 else {"default": v}
                    for n, v in parameters.items()},
    )  # fmt: skip
    return put(Kernels(lower(derive_once(model)))).frame


def test_states_in_ordinary_units_are_around_zero(lif):
    assert put(lif[0]).frame == ([0], [1])
    assert put(lif[0], V_th=5).frame == ([0], [1])


def test_states_in_millivolts_are_around_rest_as_far_as_the_threshold():
    origin, scales = frame_of("dV/dt = (E_L - V)/tau", rest="E_L", E_L=-70.0, tau=10.0, V_th=-50.0)
    assert (origin, scales) == ([-70], [20])


def test_a_threshold_near_rest_sets_the_scale():
    origin, scales = frame_of("dV/dt = (1 - V)/tau", rest="1", tau=10.0, threshold="1.125")
    assert origin == [1]
    assert scales == [mpf("0.125")]


def test_a_current_has_the_size_that_moves_the_potential_to_the_threshold():
    origin, scales = frame_of(
        "dV/dt = (E_L - V + R*I)/tau\ndI/dt = -I/tau_s",
        rest="E_L", E_L=-70.0, R=3.0, tau=10.0, tau_s=4.0, V_th=-50.0,
    )  # fmt: skip
    # V after one tau from a unit current: R (exp(-1) - exp(-tau/tau_s)) / (tau/tau_s - 1)
    moved = 3 * (mpmath.exp(-1) - mpmath.exp(mpf("-2.5"))) / mpf("1.5")
    assert origin == [-70, 0]
    assert scales[0] == 20
    assert abs(scales[1] - 20 / moved) < mpf(10) ** -40


def test_initial_values_are_strictly_between_their_bounds(lif, qif):
    place = put(lif[0], V_th=1)
    assert place.initial_bounds == [-mpmath.inf, 1, 0]
    assert len(place.initial_values) >= 2
    assert all(v < 1 for v in place.initial_values)
    place = put(lif[0])
    place.initial_bounds = [mpf(1), mpmath.inf, mpf(1)]  # the default is a bound itself
    assert 1 not in place.initial_values
    place = put(lif[0])
    place.initial_bounds = [mpf(3), mpf(10), mpf(5)]
    assert place.initial_values == [4, 5, 6, 7, 8, 9]


def test_places_are_the_defaults_one_in_every_case_and_far_ones(lif):
    kernels, cases = lif
    ordinary, far = build_places(kernels, cases)
    assert ordinary[0].parameters == put(kernels).parameters
    drives = [read(p.parameters, "E") - read(p.parameters, "V_th") for p in ordinary[1:]]
    signs = {"-E + V_th > 0": -1, "-E + V_th < 0": 1, "-E + V_th = 0": 0}
    assert [mpmath.sign(d) for d in drives] == [signs[c.name] for c in cases]
    assert all(abs(d) < 10 for d in drives)
    # parameters 1e-6 and 100 from the boundary, which are squares here; none on the boundary
    apart = [read(p.parameters, "E") - read(p.parameters, "V_th") for p in far]
    assert [mpmath.sign(d) for d in apart] == [-1, -1, 1, 1]
    for large, small in zip(apart[::2], apart[1::2], strict=True):
        assert mpf(10) ** 3 < abs(large) < mpf(10) ** 5
        assert mpf(10) ** -13 < abs(small) < mpf(10) ** -11
    for place in (*ordinary, *far):
        assert all(read(place.parameters, name) > 0 for name in ("tau", "V_th"))


def test_many_cases_have_one_far_place_each_unless_asked(lif):
    kernels, cases = lif
    _, far = build_places(kernels, cases[:2] * 4)
    apart = [abs(read(p.parameters, "E") - read(p.parameters, "V_th")) for p in far]
    assert [a > 1 for a in apart] == [True, False] * 4
    kernels.thorough = True
    assert len(build_places(kernels, cases[:2] * 4)[1]) == 16
    kernels.thorough = False


@pytest.mark.parametrize("seed", range(8))
def test_on_a_boundary_what_decides_is_zero_exactly(lif, qif, seed):
    for kernels, cases in (lif, qif):
        draws = [draw_boundary(kernels, case, random.Random(seed)) for case in cases]
        assert draws[:2] == [None, None]
        if kernels is lif[0]:
            assert read(draws[2], "E") == read(draws[2], "V_th") > 0
        else:
            assert read(draws[2], "I0") == mpf("0.25")
            assert read(draws[2], "tau") in {mpf("0.25"), 1, 4}


@pytest.mark.parametrize(("drive", "count"), [("3*E - 7*V_th", 0), ("E - V_th", 1)])
def test_a_boundary_where_what_decides_is_only_rounded_to_zero_is_none(drive, count):
    """A third of a number has no end of digits; fifty of them are no answer."""
    model = make_model(
        f"dV/dt = ({drive})/tau", spike="V = 9", rest={"V": -9}, reset="V = -9", positive="tau",
        parameters={"E": {"default": 1.5}, "V_th": {"default": 0.5}},
    )  # fmt: skip
    d = derive_once(model)
    kernels, seen = Kernels(lower(d)), set()
    for case in build_cases(d):
        for seed in range(8):
            found = draw_boundary(kernels, case, random.Random(seed))
            if found is not None:
                assert read(found, "E") == read(found, "V_th")
                seen.add(mpmath.sign(read(found, "E")))
    assert seen == ({-1, 1} if count else set())


def test_parameters_that_are_drawn_lie_in_their_domains(lif):
    model = make_model(
        "dV/dt = (E - V)/tau", spike="V = V_th", reset="V = V_r", positive="tau", rest={"V": "V_r"},
        parameters={"E": {"default": 1.5}, "V_th": {"default": 1.0},
                    "V_r": {"default": 0.5, "domain": "V_r < V_th"}},
    )  # fmt: skip
    d = derive_once(model)
    kernels, draw = Kernels(lower(d)), random.Random(1)
    for case in build_cases(d):
        for _ in range(5):
            found = draw_parameters(kernels, case, draw)
            assert found is not None
            assert read(found, "V_r") < read(found, "V_th")
            assert read(found, "tau") > 0
    holds = compile_domains(d)
    names = {p.name: p.symbol for p in model.parameters}
    for values, admissible in (((1, 2, 1, 0), True), ((0, 2, 1, 0), False), ((1, 2, 1, 1), False),
                               ((1, 2, -3, -4), True), ((-1, 2, 1, 2), False)):  # fmt: skip
        at = {names[n]: mpf(v) for n, v in zip(("tau", "E", "V_th", "V_r"), values, strict=True)}
        assert holds(at) is admissible


def test_no_parameters_are_drawn_where_none_are_admissible(lif):
    kernels, (case, *_) = lif
    for rewrite in (lambda e: -e, lambda e: sp.sqrt(-e)):
        wrong = {p: rewrite(e) if p.name == "tau" else e for p, e in case.parameters.items()}
        impossible = replace(case, parameters=wrong)
        assert draw_parameters(kernels, impossible, random.Random(1)) is None
    assert place_parameters(impossible, dict.fromkeys(case.free, mpf(1))) is None


def test_a_neuron_rests_inside_below_its_threshold(lif, qif):
    for threshold, inside in ((1, True), (0, False), (-1, False)):
        assert rests_inside(lif[0], put(lif[0], V_th=threshold).parameters) is inside
    assert rests_inside(qif[0], put(qif[0]).parameters)


def test_later_parts_of_a_condition_are_asked_where_the_earlier_hold():
    x = sp.Symbol("x", real=True)
    condition = compile_condition([x], sp.And(x > 0, 1 / x > 2, sp.log(x) < 5), {})
    values = (mpf(0), mpf("0.25"), mpf(1), mpf(-1))
    assert [condition(v) for v in values] == [False, True, False, False]


def test_what_is_not_real_is_no_number():
    assert make_real(True) is True
    assert make_real(2) == mpf(2)
    assert mpmath.isnan(make_real(mpmath.mpc(1, 2)))


def test_an_answer_is_remembered_for_its_precision():
    asked = []

    def third(x):
        asked.append(mpmath.mp.dps)
        return [x / 3]

    known = remember(third)
    first = known(mpf(1))
    assert known(mpf(1)) is first
    with mpmath.workdps(100):
        assert abs(known(mpf(1))[0] - mpf(1) / 3) < mpf(10) ** -99
    assert asked == [50, 100]
    assert known(mpf(2)) != first


@pytest.mark.parametrize("digits", [50, 100])
@pytest.mark.parametrize("x", ["0", "0.3", "-2", "1e8", "1e-12", "1e-30"])
def test_differences_are_right_in_more_digits_than_are_compared(x, digits):
    with mpmath.workdps(digits):
        x = mpf(x)
        got = differentiate_numerically(lambda a, b, c: a * mpmath.sin(b) + c, [mpf(3), x, x], 1)
        assert abs(got - 3 * mpmath.cos(x)) < mpf(10) ** -(digits - 11)
        got = differentiate_numerically(lambda a, b, c: a * mpmath.sin(b) + c, [x, mpf(3), x], 0)
        assert abs(got - mpmath.sin(3)) < mpf(10) ** -(digits - 2)


@pytest.mark.parametrize("x", ["1e-15", "1e-9", "1", "1e65"])
def test_steps_of_differences_are_in_proportion_to_the_argument(x):
    x = mpf(x)
    assert abs(differentiate_numerically(mpmath.log, [x], 0) * x - 1) < mpf(10) ** -40


def test_differences_of_huge_values_have_more_digits():
    offset = mpf(10) ** 90
    got = differentiate_numerically(lambda v: offset + v**2, [mpf(3)], 0, size=offset)
    assert abs(got - 6) < mpf(10) ** -20


def test_numbers_of_digits_stretch_with_the_precision():
    assert stretch(90) == 90
    with mpmath.workdps(100):
        assert stretch(-30) == -60
