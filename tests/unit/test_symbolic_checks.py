"""Every symbolic check proves what is right, and refutes an error in any expression it is about."""

from dataclasses import replace

import mpmath
import pytest
import sympy as sp
from models import change_derivation, derive_once, make_model

from derivations import read_neuron_model
from spiketheory.errors import VerificationError
from spiketheory.language.symbols import DURATION, PSEUDO_INPUT, WEIGHT
from spiketheory.symbolic.derivation import Branch
from spiketheory.verification import symbolic
from spiketheory.verification.cases import build_cases, is_numerically_zero
from spiketheory.verification.symbolic import (
    SYMBOLIC,
    Claim,
    Setting,
    check_symbolically,
    claim_flow,
    holds,
    is_asked,
    make_settings,
    settle_signs,
    solve_linear,
)

x, y = sp.symbols("x y", real=True)
a = sp.Symbol("a", positive=True)
ADAPTING = make_model(
    "dV/dt = (E - V)/tau\ndu/dt = -u/tau_u", spike="V = V_th", reset="V = V_th/2 - u; u += V_th",
    positive="tau tau_u V_th", parameters={"E": {"default": 1.5}},
)  # fmt: skip
"""Its reset depends on what else there is."""


def read(name):
    return derive_once(ADAPTING if name == "adapting" else read_neuron_model(name))


def prove(derivation, check):
    """Whether all claims of one check hold."""
    claims = {name: claims for name, claims, _ in SYMBOLIC}[check]
    settings = make_settings(derivation, build_cases(derivation))
    made = [(c, s) for s in settings if is_asked(check, s) for c in claims(s)]
    assert made
    return all(holds(claim, s) for claim, s in made)


def at(values, k, change):
    """One of several expressions changed."""
    return tuple(change(v) if i == k else v for i, v in enumerate(values))


def in_chart(field, k, change):
    def plant(d):
        value = getattr(d.chart, field)
        new = change(value) if k is None else at(value, k, change)
        return replace(d, chart=replace(d.chart, **{field: new}))

    return plant


def in_part(part, field, change):
    return lambda d: replace(
        d, **{part: replace(getattr(d, part), **{field: change(getattr(getattr(d, part), field))})}
    )


def in_flow(k, change):
    return lambda d: change_derivation(d, flow=at(d.closed.flow, k, change))


def in_steps(change):
    """Every number of the propagator."""

    def plant(d):
        branches = tuple(
            replace(b, values=tuple(map(change, b.values))) for b in d.propagator.branches
        )
        return replace(d, propagator=replace(d.propagator, branches=branches))

    return plant


def in_waits(change):
    def plant(d):
        return change_derivation(d, time_to_spike=tuple(
            b if b.values[0] in (0, sp.oo) else Branch(condition=b.condition,
                                                       values=(change(b.values[0]),))
            for b in d.closed.time_to_spike
        ))  # fmt: skip

    return plant


def in_field(name, k, change):
    return lambda d: replace(d, **{name: at(getattr(d, name), k, change)})


def in_gradient(k, change):
    return lambda d: change_derivation(
        d, time_to_spike_gradient=at(d.closed.time_to_spike_gradient, k, change)
    )


def double(e):
    return 2 * e


def raised(e):
    return e + 1


def squared(e):
    return e.xreplace({WEIGHT: WEIGHT**2})


def late(e):
    return e.subs(DURATION, DURATION**2)


PLANTS = {
    "chart round trip": [
        ("theta", in_chart("to_state", 0, raised)), ("theta", in_chart("from_state", 0, raised)),
        ("nlif", in_chart("to_state", 1, raised)), ("nlif", in_chart("from_state", 1, raised)),
    ],
    "chart field": [
        (m, in_chart("field", k, double))
        for m, k in (("theta", 0), ("theta", 1), ("nlif", 0), ("nlif", 1), ("eif", 1))
    ],
    "flow residual": [
        (m, in_flow(k, lambda e: e + DURATION**2))
        for m, k in (("theta", 0), ("theta", 1), ("nlif", 0), ("nlif", 1), ("lif_delta", 0))
    ],
    "flow at zero duration": [
        (m, in_flow(k, raised))
        for m, k in (("theta", 0), ("theta", 1), ("nlif", 0), ("nlif", 1), ("lif_delta", 0))
    ],
    "semigroup": [(m, in_steps(late)) for m in ("theta", "nlif", "lif_delta")],
    "input jump": [
        (m, in_field("jump", k, lambda e: e + WEIGHT))
        for m, k in (("theta", 0), ("nlif", 0), ("nlif", 1), ("eif", 0), ("eif", 1))
    ],
    "simultaneous inputs": [
        (m, in_field("jump", k, squared)) for m, k in (("theta", 0), ("nlif", 1), ("lif_delta", 0))
    ],
    "spike surface": [
        *((m, in_chart("surface", None, raised)) for m in ("theta", "nlif")),
        ("theta", in_chart("surface", None, lambda e: -e)),
    ],
    "reset": [
        (m, in_field("reset", k, raised))
        for m, k in (("theta", 1), ("nlif", 0), ("nlif", 1), ("adapting", 0), ("adapting", 1))
    ],
    "time to spike": [(m, in_waits(double)) for m in ("theta", "nlif", "lif_delta")],
    "spike time gradient": [
        *((m, in_gradient(k, double)) for m, k in (("theta", 0), ("theta", 1), ("nlif", 0),
                                                  ("nlif", 1), ("lif_delta", 0))),
        ("nlif", in_waits(double)),
    ],
    "transversality": [
        ("theta", in_chart("surface", None, lambda e: e - sp.Symbol("x", real=True) + 1)),
    ],
    "initial coordinate": [
        *((m, in_part("initial", "default", raised)) for m in ("theta", "nlif", "eif")),
        *((m, in_part("initial", "value", double)) for m in ("theta", "nlif", "eif")),
        ("nlif", in_part("initial", "state", lambda state: state[::-1])),
    ],
    "pseudospike continuity": [
        ("theta", in_part("pseudospike", field, change))
        for field, change in (("delay", double), ("period", double), ("rate", double),
                              ("rate", raised), ("delay", raised), ("rate", lambda e: e**2))
    ],
    "pseudo input": [
        *(("theta", in_part("pseudospike", field, lambda e: e.subs(PSEUDO_INPUT, 2 * PSEUDO_INPUT)))
          for field in ("delay", "rate")),
        ("theta", in_part("pseudospike", "period", lambda e: e + PSEUDO_INPUT)),
        ("theta", in_waits(raised)),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("check", "model", "plant"),
    [
        pytest.param(check, model, plant, id=f"{check}-{model}-{number}")
        for check, plants in PLANTS.items()
        for number, (model, plant) in enumerate(plants)
    ],
)
def test_an_error_is_refuted_by_the_check_that_is_about_it(check, model, plant):
    wrong = plant(read(model))
    assert wrong != read(model)
    assert not prove(wrong, check)


CLAIMS = {
    "theta": {
        "chart round trip": 1, "chart field": 1, "flow residual": 2, "flow at zero duration": 1,
        "semigroup": 1, "input jump": 1, "simultaneous inputs": 1, "spike surface": 2, "reset": 3,
        "time to spike": 1, "spike time gradient": 4, "transversality": 2, "initial coordinate": 2,
        "pseudospike continuity": 5, "pseudo input": 4,
    },
    "nlif": {
        "chart round trip": 2, "chart field": 2, "flow residual": 4, "flow at zero duration": 2,
        "semigroup": 2, "input jump": 2, "simultaneous inputs": 2, "spike surface": 1, "reset": 2,
        "time to spike": 1, "spike time gradient": 4, "initial coordinate": 3,
    },
    "eif": {
        "chart round trip": 2, "chart field": 2, "input jump": 2, "simultaneous inputs": 2,
        "initial coordinate": 3,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_what_is_right_is_proved_claim_by_claim(name):
    found = list(check_symbolically(make_settings(read(name), build_cases(read(name)))))
    assert {c.name: int(c.detail.split()[0]) for c in found} == CLAIMS[name]
    assert not any("cases" in c.detail for c in found)
    assert all(("identity" in c.detail) == (c.detail[:2] == "1 ") for c in found)


@pytest.mark.parametrize("check", ["chart round trip", "reset", "spike surface"])
def test_a_reset_that_depends_on_the_state_is_proved(check):
    assert prove(read("adapting"), check)


def test_a_claim_that_does_not_hold_is_told_with_its_case_and_a_remedy():
    wrong = in_chart("from_state", 0, raised)(read("lif_delta"))
    settings = make_settings(wrong, build_cases(wrong))
    words = (
        r"^Check 'chart round trip' failed: expected to_state\(from_state\(V\)\) to be V for "
        r"-I0 \+ V_th > 0 but got V \+ 1; correct to_state or from_state of the chart\.$"
    )
    with pytest.raises(VerificationError, match=words):
        list(check_symbolically(settings))


def test_numbers_of_the_flow_have_a_setting_for_each_closed_form():
    d = read("qif")
    settings = make_settings(d, build_cases(d))
    assert [s.form for s in settings] == list(d.numbers.closed_forms)
    assert {s.side for s in settings} == {None}
    first = d.numbers.closed_forms[0]
    for s in settings:
        assert is_asked("chart field", s) == is_asked("reset", s) == (s.form is first)
        assert is_asked("flow residual", s)
        assert is_asked("semigroup", s) != s.is_bessel
    assert any(s.is_bessel for s in settings)


def test_solutions_with_bessel_functions_are_claimed_to_solve_the_equation():
    d = read("qif")
    s = next(s for s in make_settings(d, build_cases(d)) if s.is_bessel)

    def hold(solutions):
        claims = list(claim_flow(replace(s, form=replace(s.form, solutions=solutions))))
        assert len(claims) == len(solutions) * len(d.chart.coordinates)
        with mpmath.workdps(50):
            return all(is_numerically_zero(s.finish(c.got - c.expected)) for c in claims)

    right = s.form.solutions
    assert len(right) == 2
    assert hold(right)
    for k in range(2):
        for place in range(len(right[k])):
            wrong = at(right, k, lambda solution, place=place: at(solution, place, double))
            assert not hold(wrong)


def test_gradients_of_elementary_numbers_are_proved_and_refuted():
    d = read("qif")
    assert prove(d, "spike time gradient")
    assert not prove(in_gradient(1, double)(d), "spike time gradient")


def test_each_side_of_a_glued_chart_is_proved_where_it_counts():
    d = read("rapid_theta")
    settings = make_settings(d, build_cases(d))
    assert [s.side for s in settings] == [0, 1]
    asked = {name: [s.side for s in settings if is_asked(name, s)] for name, _, _ in SYMBOLIC}
    assert asked["chart field"] == asked["flow residual"] == asked["time to spike"] == [0, 1]
    assert (asked["spike surface"], asked["reset"]) == ([0], [1])
    assert asked["simultaneous inputs"] == asked["initial coordinate"] == []
    assert [s.where for s in settings] == [" for first side", " for second side"]
    one, two = (s.choose(d.chart.to_state[0]) for s in settings)
    assert not one.has(sp.Piecewise, sp.Abs)
    assert not two.has(sp.Piecewise, sp.Abs)
    assert one != two
    assert [s.choose(sp.Abs(x) + x) for s in settings] == [2 * x, 0]


def test_a_check_that_one_side_is_not_asked_is_made_on_the_other(monkeypatch):
    d = read("rapid_theta")
    monkeypatch.setattr(symbolic, "SYMBOLIC", [s for s in SYMBOLIC if s[0] == "reset"])
    (check,) = check_symbolically(make_settings(d, build_cases(d)))
    assert (check.name, check.detail[0]) == ("reset", "1")


def test_one_side_of_a_glued_chart_that_is_wrong_is_refuted():
    d = read("rapid_theta")

    def spoil(number):
        def double_piece(piecewise):
            (first, condition), (second, _) = piecewise.args
            return sp.Piecewise(
                (first * (1 + (number == 0)), condition), (second * (1 + (number == 1)), True)
            )

        state = d.chart.to_state[0].replace(lambda e: isinstance(e, sp.Piecewise), double_piece)
        return replace(d, chart=replace(d.chart, to_state=(state,)))

    assert prove(d, "chart field")
    for number in (0, 1):
        assert not prove(spoil(number), "chart field")


@pytest.fixture(scope="module")
def setting():
    d = read("nlif")
    return Setting(d, build_cases(d)[0])


@pytest.mark.parametrize(
    ("got", "expected", "proved"),
    [
        (x, x, True), (2 * (x + 1), 2 * x + 2, True), (x, y, False), (sp.oo, sp.oo, True),
        (sp.oo, -sp.oo, False), (sp.oo, x, False), (x, -sp.oo, False), (sp.nan, x, False),
        (sp.nan, sp.S.Zero, False), (sp.zoo, sp.S.Zero, False), (x + sp.oo, x, False),
        (sp.sin(x) * sp.oo, sp.S.One, False), (x + sp.exp(-sp.oo, evaluate=False), x, False),
        (sp.sign(x**2 + a), sp.S.One, True), (sp.sign(-a), -sp.S.One, True),
        (sp.sign(x), sp.S.One, False), (sp.sign(x - y), sp.sign(x - y), True),
        (sp.sign(x**2 - 2 * x * y + y**2), sp.S.One, True), (sp.sign(-a - x**2), sp.S.One, False),
    ],
)  # fmt: skip
def test_a_claim_holds_only_if_both_sides_are_the_same(setting, got, expected, proved):
    assert holds(Claim(what="it", got=got, expected=expected), setting) is proved


def test_signs_are_settled_inside_of_expressions():
    assert settle_signs(x * sp.sign(a * (x - y) ** 2)) == x
    assert settle_signs(x * sp.sign(-a * (x**2 + 2 * x * y + y**2))) == -x
    assert settle_signs(x * sp.sign(x - y)) == x * sp.sign(x - y)
    assert settle_signs(x + y) == x + y


def test_points_of_a_projective_chart_are_the_same_up_to_a_multiple():
    d = read("theta")
    (s,) = make_settings(d, build_cases(d))
    one, two = (sp.Integer(3), x), (sp.Integer(6), 2 * x)
    claims = list(s.equal("it", one, two))
    assert len(claims) == 1
    assert claims[0].what == "it, up to a multiple,"
    assert all(holds(c, s) for c in claims)
    assert not all(holds(c, s) for c in s.equal("it", one, (sp.Integer(6), x)))
    plain = read("nlif")
    (s,) = make_settings(plain, build_cases(plain))
    assert [(c.got, c.expected) for c in s.equal("it", one, two)] == [(3, 6), (x, 2 * x)]


def test_an_equation_is_solved_for_the_first_symbol_that_enters_linearly():
    assert solve_linear(x**2 + 2 * y - a, (x, y)) == {y: (a - x**2) / 2}
    assert solve_linear(a * x - y, (x, y)) == {x: y / a}
    with pytest.raises(VerificationError, match="one of x, y to enter linearly but got x\\*\\*2"):
        solve_linear(x**2 + y**2, (x, y))
    with pytest.raises(VerificationError, match="'spike surface'"):
        solve_linear(a + 1, (x, y))
