"""Taylor integration against 30-digit extrapolation, closed forms and heyoka."""
# ruff: noqa: E741 - the input current is I

import functools
import subprocess
import sys
import types

import mpmath
import numpy as np
import pytest
import sympy as sp

from derivations.generated import adex
from spiketheory.errors import DerivationError
from spiketheory.generation.taylor_printer import print_taylor_functions, print_taylor_import
from spiketheory.runtime import taylor as taylor_runtime
from spiketheory.symbolic.taylor_system import TaylorChart, TaylorSystem

mp = mpmath.mp.clone()
mp.dps = 30
STEP = mp.mpf("1e-10")


def symbols(names):
    return sp.symbols(names, real=True, seq=True)


@functools.cache
def make_eif():
    V, I, r, tau_m, tau_s, V_r = symbols("V I r tau_m tau_s V_r")
    return TaylorSystem(
        constants=(tau_m, tau_s, V_r),
        near=TaylorChart(
            coordinates=(V, I), field=((-V + sp.exp(V) + I) / tau_m, -I / tau_s), surface=None
        ),
        far=TaylorChart(
            coordinates=(r, I), field=(-(1 + r * sp.log(r) + r * I) / tau_m, -I / tau_s), surface=r
        ),
        far_from_near=(sp.exp(-V), I),
        near_from_far=(-sp.log(r), I),
        enter_far=V - 1,
        leave_far=r - sp.E,
        reset=(V_r, I),
        horizon=1000 * (tau_m + tau_s),
    )


@functools.cache
def make_reset_qif():
    V, I, r, tau_m, tau_s, V_r = symbols("V I r tau_m tau_s V_r")
    return TaylorSystem(
        constants=(tau_m, tau_s, V_r),
        near=TaylorChart(
            coordinates=(V, I), field=((V**2 - V + I) / tau_m, -I / tau_s), surface=None
        ),
        far=TaylorChart(
            coordinates=(r, I), field=(-(1 - r + I * r**2) / tau_m, -I / tau_s), surface=r
        ),
        far_from_near=(1 / V, I),
        near_from_far=(1 / r, I),
        enter_far=V - 10,
        leave_far=r - sp.Rational(1, 5),
        reset=(V_r, I),
        horizon=1000 * (tau_m + tau_s),
    )


@functools.cache
def make_izhikevich():
    V, u, I, a, b, c, d, V_peak = symbols("V u I a b c d V_peak")
    return TaylorSystem(
        constants=(a, b, c, d, I, V_peak),
        near=TaylorChart(
            coordinates=(V, u),
            field=(V**2 / 25 + 5 * V + 140 - u + I, a * (b * V - u)),
            surface=V_peak - V,
        ),
        reset=(c, u + d),
        horizon=sp.Integer(10_000),
    )


@functools.cache
def make_adex():
    V, u, r = symbols("V u r")
    C, g, E, V_T, D, tau_w, a, b, V_r, V_p, I = constants = symbols(
        "C g E V_T D tau_w a b V_r V_p I"
    )
    potential = V_T - D * sp.log(r)
    return TaylorSystem(
        constants=tuple(constants),
        near=TaylorChart(
            coordinates=(V, u),
            field=(
                (-g * (V - E) + g * D * sp.exp((V - V_T) / D) - u + I) / C,
                (a * (V - E) - u) / tau_w,
            ),
            surface=None,
        ),
        far=TaylorChart(
            coordinates=(r, u),
            field=(
                -(g + (-g * (potential - E) - u + I) * r / D) / C,
                (a * (potential - E) - u) / tau_w,
            ),
            surface=r - sp.exp((V_T - V_p) / D),
        ),
        far_from_near=(sp.exp((V_T - V) / D), u),
        near_from_far=(potential, u),
        enter_far=V - V_T - D,
        leave_far=r - sp.E,
        reset=(V_r, u + b),
        horizon=sp.Integer(100_000),
    )


@functools.cache
def make_qif():
    x, y, I, tau_m, tau_s = symbols("x y I tau_m tau_s")
    return TaylorSystem(
        constants=(tau_m, tau_s),
        near=TaylorChart(
            coordinates=(x, y, I),
            field=((-x / 2 + I * y) / tau_m, (y / 2 - x) / tau_m, -I / tau_s),
            surface=y,
        ),
        reset=(sp.Integer(-1), sp.Integer(0), I),
        horizon=sp.Integer(200),
    )


@functools.cache
def make_parabola():
    """The height is x + v t + t**2 / 2 and spikes where it falls through zero."""
    x, v = symbols("x v")
    return TaylorSystem(
        constants=(),
        near=TaylorChart(coordinates=(x, v), field=(v, sp.S.One), surface=x),
        reset=(sp.S.One, v),
        horizon=sp.Integer(1000),
    )


EIF = (1.0, 0.5, -1.0)
IZHIKEVICH = (0.02, 0.2, -65.0, 8.0, 10.0, 30.0)
ADEX = (281.0, 30.0, -70.6, -50.4, 2.0, 144.0, 4.0, 80.5, -70.6, 20.0, 1000.0)
QIF = (1.0, 0.5)


def print_module(system):
    functions = print_taylor_functions(system)
    texts = "\n\n\n".join(functions)
    return f"import numpy as np\n\n{print_taylor_import(functions)}\n\n\n{texts}\n"


def load_text(text):
    namespace = {}
    exec(compile(text, "<taylor>", "exec"), namespace)
    return types.SimpleNamespace(**namespace)


@functools.cache
def load(make_system):
    return load_text(print_module(make_system()))


@functools.cache
def load_jitted(make_system):
    """All functions of both modules, compiled in one namespace."""
    numba = pytest.importorskip("numba")
    everything = {**vars(taylor_runtime), **vars(load(make_system))}
    functions = {n: f for n, f in everything.items() if isinstance(f, types.FunctionType)}
    namespace = {n: v for n, v in everything.items() if n == "np" or n.startswith("TAYLOR_")}
    for name, function in functions.items():
        rebound = types.FunctionType(function.__code__, namespace)
        namespace[name] = numba.njit(error_model="numpy", nogil=True)(rebound)
    return types.SimpleNamespace(**namespace)


# The reference: extrapolated midpoint steps in 30 digits.


def extrapolate(field, state, start, end, *, longest=0.25, stages=11):
    """Integrate with Gragg, Bulirsch and Stoer's method."""
    count = int(mp.ceil(abs(end - start) / longest))
    step = (end - start) / max(count, 1)
    for k in range(count):
        rows = []
        for j in range(1, stages + 1):
            rows.append(midpoint(field, state, start + k * step, step, 2 * j))
            for i in range(j - 2, -1, -1):
                weight = mp.mpf(j) ** 2 / mp.mpf(i + 1) ** 2 - 1
                rows[i] = [b + (b - a) / weight for a, b in zip(rows[i], rows[i + 1], strict=True)]
        state = rows[0]
    return state


def midpoint(field, state, time, step, n):
    """Gragg's modified midpoint rule with n substeps; its error is even in the step."""
    h = step / n
    before, now = state, [x + h * f for x, f in zip(state, field(time, state), strict=True)]
    for k in range(1, n):
        slope = field(time + k * h, now)
        before, now = now, [x + 2 * h * f for x, f in zip(before, slope, strict=True)]
    slope = field(time + step, now)
    return [(a + b + h * f) / 2 for a, b, f in zip(before, now, slope, strict=True)]


def eif_field(V, I, tau_m, tau_s, V_r):
    return (-V + mp.exp(V) + I) / tau_m, -I / tau_s


def izhikevich_field(V, u, a, b, c, d, I, V_peak):
    return V * V / 25 + 5 * V + 140 - u + I, a * (b * V - u)


def adex_field(V, u, C, g, E, V_T, D, tau_w, a, b, V_r, V_p, I):
    kick = g * D * mp.exp((V - V_T) / D)
    return (-g * (V - E) + kick - u + I) / C, (a * (V - E) - u) / tau_w


def run_reference(field, state, constants, ends, longest):
    """Time and second coordinate at the spike, with the potential as the independent variable."""

    def by_potential(V, now):
        rise, change = field(V, now[1], *constants)
        return [1 / rise, change / rise]

    now, V = [mp.mpf(0), state[1]], state[0]
    for end, step in zip(ends, longest, strict=True):
        now = extrapolate(by_potential, now, V, mp.mpf(end), longest=step)
        V = mp.mpf(end)
    return now


def reference_eif(state, constants):
    """The rest of the wait beyond V = 40 is tau_m exp(-V), relative to it exp(-V) V."""
    time, I = run_reference(eif_field, state, constants, (4, 40), (0.3, 1.0))
    tail = constants[0] * mp.exp(-40)
    tail *= 1 - mp.exp(-40) * (I - 40 - 0.5) / 2
    return [time + tail, constants[2], I * mp.exp(-tail / constants[1])]


def reference_izhikevich(state, constants):
    time, u = run_reference(izhikevich_field, state, constants, (constants[5],), (3.0,))
    return [time, constants[2], u + constants[3]]


def reference_adex(state, constants):
    time, u = run_reference(adex_field, state, constants, (-45, constants[9]), (1.0, 2.0))
    return [time, constants[8], u + constants[7]]


REFERENCES = [
    (make_eif, reference_eif, eif_field, EIF, (0.3, 0.2)),
    (make_eif, reference_eif, eif_field, (1.3, 0.4, -2.0), (-0.5, 3.0)),
    (make_izhikevich, reference_izhikevich, izhikevich_field, IZHIKEVICH, (-58.0, -14.0)),
    (make_adex, reference_adex, adex_field, ADEX, (-58.0, 30.0)),
]


def differentiate(function, values):
    """Central differences of a list of results, by each of some values."""
    slopes = []
    for i in range(len(values)):
        ends = []
        for sign in (1, -1):
            moved = list(values)
            moved[i] += sign * STEP
            ends.append(function(moved))
        slopes.append([(a - b) / (2 * STEP) for a, b in zip(*ends, strict=True)])
    return slopes


def relative(found, expected):
    found, expected = np.ravel(np.asarray(found, float)), np.array([float(e) for e in expected])
    return np.max(np.abs(found - expected)) / np.max(np.abs(expected))


def dot(covector, values):
    return sum(c * v for c, v in zip(covector, values, strict=True))


def numbers(values):
    return [mp.mpf(float(v)) for v in values]


@pytest.mark.parametrize(("make", "reference", "field", "constants", "state"), REFERENCES)
def test_spike_times_and_states_after_the_spike_are_those_of_30_digits(
    make, reference, field, constants, state
):
    m = load(make)
    time, *after = reference(numbers(state), numbers(constants))
    assert relative(m.time_to_spike(*state, *constants), [time]) < 4e-15
    fired = m.fire(*state, float(time), *constants)
    for value, expected in zip(fired, after, strict=True):
        assert relative(value, [expected]) < 1e-14


def expect_spike_gradient(slopes, covector, by_time, leaving):
    """Derivatives by the time and, at a fixed time, by the coordinates after the spike."""
    return [by_time * t + dot(covector, after) - dot(covector, leaving) * t for t, *after in slopes]


@pytest.mark.parametrize(("make", "reference", "field", "constants", "state"), REFERENCES)
def test_spike_gradients_are_central_differences_of_30_digits(
    make, reference, field, constants, state
):
    m, covector = load(make), (0.7, -1.3)
    exact = numbers(constants)
    _, *after = reference(numbers(state), exact)
    slopes = differentiate(lambda s: reference(s, exact), numbers(state))
    expected = expect_spike_gradient(slopes, covector, 0.4, field(*after, *exact))
    found = m.fire_vjp(*state, 1.0, *constants, *covector, 0.4)
    assert relative(found, expected) < 1e-12
    by_time = m.fire_vjp(*state, 1.0, *constants, 0.0, 0.0, 1.0)
    assert relative(by_time, [t for t, *_ in slopes]) < 1e-12


@pytest.mark.parametrize(
    ("make", "reference", "field", "constants", "state"), [REFERENCES[0], REFERENCES[2]]
)
def test_gradients_by_constants_are_central_differences_of_30_digits(
    make, reference, field, constants, state
):
    m, covector = load(make), (0.7, -1.3)
    exact = numbers(constants)
    _, *after = reference(numbers(state), exact)
    slopes = differentiate(lambda c: reference(numbers(state), c), exact)
    expected = expect_spike_gradient(slopes, covector, 0.4, field(*after, *exact))
    found = m.fire_constants_vjp(*state, 1.0, *constants, *covector, 0.4)
    assert relative(found, expected) < 1e-12
    by_time = m.time_to_spike_parameters(*state, *constants)
    assert relative(by_time, [t for t, *_ in slopes]) < 1e-12


def test_a_fault_in_the_recurrences_is_found():
    text = print_module(make_eif())
    assert text.count("table[15, m] = taylor_convolve(table, 0, 14, m)") == 1
    fault = "table[15, m] = taylor_convolve(table, 0, 14, m) * (1.0 + 1e-12)"
    m = load_text(text.replace("table[15, m] = taylor_convolve(table, 0, 14, m)", fault))
    _, reference, _, constants, state = REFERENCES[0]
    time = reference(numbers(state), numbers(constants))[0]
    assert relative(m.time_to_spike(*state, *constants), [time]) > 1e-14


@pytest.mark.parametrize("elapsed", [0.1, 0.9])
@pytest.mark.parametrize(
    ("make", "field", "constants", "state"),
    [(make, field, constants, state) for make, _, field, constants, state in REFERENCES],
)
def test_the_flow_and_its_gradients_are_those_of_30_digits(make, field, constants, state, elapsed):
    m, covector, exact = load(make), (0.7, -1.3), numbers(constants)

    def integrate(values):
        n = len(state)
        start, c = values[:n], values[n:]
        ends = mp.mpf(0), mp.mpf(elapsed)
        return extrapolate(lambda _, s: field(*s, *c), start, *ends, longest=0.1)

    values = [*numbers(state), *exact]
    found = m.flow(*state, elapsed, *constants)
    for value, expected in zip(found, integrate(values), strict=True):
        assert relative(value, [expected]) < 4e-15
    slopes = differentiate(integrate, values)
    expected = [dot(covector, row) for row in slopes]
    by_state = m.flow_vjp(*state, elapsed, *constants, *covector)
    assert relative(by_state, expected[:2]) < 1e-12
    by_constants = m.flow_constants_vjp(*state, elapsed, *constants, *covector)
    assert relative(by_constants, expected[2:]) < 1e-12


# Closed forms.


def wait_qif(x, y, I):
    """docs/mathematics.md: y cos(sqrt(I) s) = p sin(sqrt(I) s) / sqrt(I), p = x/2, 1 - s = z."""
    root = mp.sqrt(I)
    s = mp.atan2(y * root, x) / root
    return -mp.log(1 - s)


def test_driven_quadratic_neurons_spike_where_the_closed_form_says():
    m, random = load(make_qif), np.random.default_rng(1)
    for _ in range(30):
        x, y, I = random.normal(), random.uniform(0.1, 2.0), random.uniform(12.0, 30.0)
        expected = wait_qif(*numbers((x, y, I)))
        assert relative(m.time_to_spike(x, y, I, 1.0, 0.5), [expected]) < 1e-14
        slopes = differentiate(lambda s: [wait_qif(*s)], numbers((x, y, I)))
        found = m.fire_vjp(x, y, I, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 1.0)
        assert relative(found, [s[0] for s in slopes]) < 1e-12


def test_after_a_reset_onto_the_surface_the_next_spike_is_the_next_zero():
    m = load(make_qif)
    expected = wait_qif(*numbers((-1.0, 0.0, 40.0)))
    assert relative(m.time_to_spike(-1.0, 0.0, 40.0, 1.0, 0.5), [expected]) < 1e-14
    assert m.time_to_spike(1.0, 0.0, 40.0, 1.0, 0.5) == 0.0
    assert m.fire(-1.0, 0.0, 40.0, 0.0, 1.0, 0.5)[:2] == (-1.0, 0.0)


@pytest.mark.parametrize("V", [30.0, 100.0, 700.0])
def test_a_spike_that_is_almost_there_comes_in_the_time_that_is_left(V):
    """With r = exp(-V), the integral of 1 / (1 + x log x + x I) from 0 to r, to second order."""
    wait = load(make_eif).time_to_spike(V, 1.0, *EIF)
    r = mp.exp(-mp.mpf(V))
    assert relative(wait, [r * (1 - r * (mp.log(r) + 0.5) / 2)]) < 2e-15


def test_a_potential_whose_exponential_underflows_spikes_at_once():
    m = load(make_eif)
    for V in (745.0, 746.0, 1000.0):
        assert 0.0 <= m.time_to_spike(V, 1.0, *EIF) < 1e-300
        assert m.will_spike(V, 1.0, 1.0, *EIF)
        assert m.fire(V, 1.0, 0.0, *EIF) == (-1.0, 1.0)
        assert np.isfinite(m.fire_vjp(V, 1.0, 0.0, *EIF, 1.0, 1.0, 1.0)).all()
        assert np.isfinite(m.flow(V, 1.0, 0.5, *EIF)).all()
        m.flow_vjp(V, 1.0, 0.5, *EIF, 1.0, 1.0)


# heyoka, an independent Taylor integrator.


@functools.cache
def make_heyoka_eif():
    """The EIF neuron up to V = 3, and from there in a time in which V grows at about unit rate."""
    hy = pytest.importorskip("heyoka")
    V, I, t = hy.make_vars("V", "I", "t")
    clock = hy.exp(-V)
    plain = [(V, (-V + hy.exp(V) + I) / hy.par[0]), (I, -I / hy.par[1]), (t, 1.0 + 0.0 * t)]
    far = [
        (V, (1.0 + (I - V) * clock) / hy.par[0]),
        (I, -I / hy.par[1] * clock),
        (t, clock),
    ]
    return [
        hy.taylor_adaptive(
            fields,
            [0.0, 0.0, 0.0],
            pars=[1.0, 1.0],
            t_events=[hy.t_event(V - end, direction=hy.event_direction.positive)],
        )
        for fields, end in ((plain, 3.0), (far, 60.0))
    ]


@functools.cache
def make_heyoka_izhikevich():
    hy = pytest.importorskip("heyoka")
    V, u = hy.make_vars("V", "u")
    fields = [
        (V, 0.04 * V * V + 5.0 * V + 140.0 - u + hy.par[0]),
        (u, 0.02 * (0.2 * V - u)),
    ]
    event = hy.t_event(V - 30.0, direction=hy.event_direction.positive)
    return hy.taylor_adaptive(fields, [0.0, 0.0], pars=[0.0], t_events=[event])


def run_heyoka(integrator, state, constants, limit):
    integrator.reset_cooldowns()
    integrator.time = 0.0
    integrator.state[:] = state
    integrator.pars[:] = constants
    integrator.propagate_until(limit)
    return integrator


def test_exponential_neurons_spike_when_heyoka_says():
    m, random = load(make_eif), np.random.default_rng(2)
    plain, far = make_heyoka_eif()
    for size in [1.0] * 20 + [1e2] * 5 + [1e4] * 5:
        V, I = random.uniform(-3.0, 2.9), size * random.normal()
        run = run_heyoka(plain, [V, I, 0.0], EIF[:2], 1e6)
        run = run_heyoka(far, run.state, EIF[:2], 1e6)
        assert run.state[0] == pytest.approx(60.0)
        assert m.time_to_spike(V, I, *EIF) == pytest.approx(run.state[2], rel=1e-12)
        assert m.fire(V, I, 0.0, *EIF)[1] == pytest.approx(run.state[1], rel=1e-12)


def test_izhikevich_neurons_spike_when_heyoka_says_and_only_then():
    m, peer, random = load(make_izhikevich), make_heyoka_izhikevich(), np.random.default_rng(3)
    silent = 0
    for _ in range(30):
        V, u, I = random.uniform(-80.0, 0.0), random.uniform(-20.0, 5.0), random.uniform(-5.0, 9.0)
        constants = (0.02, 0.2, -65.0, 8.0, I, 30.0)
        run = run_heyoka(peer, [V, u], [I], 1000.0)
        if run.time == 1000.0:
            silent += 1
            assert not m.will_spike(V, u, 1000.0, *constants)
            assert m.flow(V, u, 1000.0, *constants) == pytest.approx(run.state, rel=1e-11)
        else:
            assert m.time_to_spike(V, u, *constants) == pytest.approx(run.time, rel=1e-12)
            assert m.fire(V, u, 0.0, *constants)[1] - 8.0 == pytest.approx(run.state[1], rel=1e-12)
    assert 0 < silent < 30


# Events.


def test_will_spike_agrees_with_time_to_spike_to_the_last_bit():
    random = np.random.default_rng(4)
    for make, constants, n in ((make_eif, EIF, 15), (make_qif, QIF, 15)):
        m = load(make)
        for _ in range(n):
            state = random.normal(size=len(make().coordinates))
            state[-1] *= 10.0
            if make is make_qif:
                state[1] = abs(state[1])
            wait = m.time_to_spike(*state, *constants)
            if wait < np.inf:
                assert not m.will_spike(*state, wait, *constants)
                assert m.will_spike(*state, np.nextafter(wait, np.inf), *constants)
                assert not m.will_spike(*state, 0.5 * wait, *constants)
                assert m.will_spike(*state, 2.0 * wait, *constants)


@pytest.mark.parametrize("make", [make_eif, make_reset_qif])
def test_an_instant_before_a_spike_at_infinity_rounding_changes_nothing(make):
    m, random = load(make), np.random.default_rng(5)
    for _ in range(20):
        state = (random.normal(), random.uniform(15.0, 30.0))
        wait = m.time_to_spike(*state, *EIF)
        expected = m.fire_vjp(*state, wait, *EIF, 0.0, 0.0, 1.0)
        for elapsed in (wait, np.nextafter(wait, 0.0), wait * (1 - 1e-12)):
            V, I = m.flow(*state, elapsed, *EIF)
            left = m.time_to_spike(V, I, *EIF)
            assert elapsed + left == pytest.approx(wait, abs=1e-15)
            covector = m.fire_vjp(V, I, left, *EIF, 0.0, 0.0, 1.0)
            assert m.flow_vjp(*state, elapsed, *EIF, *covector) == pytest.approx(expected, rel=1e-9)


def test_a_surface_that_is_touched_and_not_crossed_is_no_spike():
    m = load(make_parabola)
    assert m.time_to_spike(0.5, -1.0) == np.inf
    assert m.time_to_spike(0.5 + 1e-12, -1.0) == np.inf


def test_the_first_of_two_close_zeros_is_the_spike():
    m = load(make_parabola)
    for gap in (1e-2, 1e-6, 1e-10, 1e-13):
        x = 0.5 - gap
        expected = 1 - mp.sqrt(1 - 2 * mp.mpf(x))
        assert relative(m.time_to_spike(x, -1.0), [expected]) < 1e-16 / np.sqrt(gap) + 2e-16


def test_a_state_on_or_beyond_the_surface_spikes_at_once_unless_it_rises():
    m = load(make_parabola)
    assert m.time_to_spike(0.0, -1.0) == 0.0
    assert m.time_to_spike(-0.3, 5.0) == 0.0
    assert m.time_to_spike(0.0, 1.0) == np.inf
    assert m.time_to_spike(0.0, 0.0) == np.inf
    assert m.fire(-0.3, 5.0, 0.0) == (1.0, 5.0)
    assert not m.will_spike(-0.3, 5.0, 0.0)


def test_the_time_of_a_spike_at_once_does_not_depend_on_the_state():
    m = load(make_parabola)
    assert m.fire_vjp(-0.3, 5.0, 0.0, 2.0, 3.0, 7.0) == (0.0, 3.0)
    assert m.fire_vjp(0.0, -1.0, 0.0, 0.0, 0.0, 7.0)[0] == 7.0


def test_a_neuron_that_never_spikes_waits_for_ever():
    m, quiet = load(make_izhikevich), (0.02, 0.2, -65.0, 8.0, 0.0, 30.0)
    assert m.time_to_spike(-65.0, -13.0, *quiet) == np.inf
    rest = m.flow(-65.0, -13.0, 5000.0, *quiet)
    assert rest == pytest.approx((-70.0, -14.0), rel=1e-13)
    assert m.time_to_spike(-70.0, -14.0, *quiet) == np.inf
    assert m.time_to_spike_parameters(-70.0, -14.0, *quiet) == (0.0,) * 6
    assert load(make_parabola).time_to_spike(1.0, 1.0) == np.inf


@pytest.mark.parametrize("roots", [[0.3], [0.3, 0.3001, 0.9], [0.5, 0.5 + 1e-7, 0.8], [0.25, 1.0]])
def test_the_first_falling_zero_of_a_polynomial_is_found(roots):
    order = taylor_runtime.TAYLOR_ORDER
    coefficients = np.poly(roots)[::-1] * (-1.0) ** len(roots)
    polynomial = np.zeros(order + 1)
    polynomial[: len(coefficients)] = coefficients
    root = taylor_runtime.taylor_find_root(polynomial, np.empty(order + 1))
    assert root == pytest.approx(roots[0], abs=1e-15 / np.prod(np.abs(np.diff(roots[:2]))))


def test_a_spike_is_found_among_many_zeros():
    order, degree = taylor_runtime.TAYLOR_ORDER, 8
    chebyshev = np.polynomial.chebyshev.cheb2poly([0.0] * degree + [1.0])
    shifted = np.polynomial.Polynomial(chebyshev)(np.polynomial.Polynomial([-1.0, 2.0])).coef
    polynomial = np.append(shifted, np.zeros(order - degree))
    first = 0.5 * (1.0 - np.cos(np.pi / (2 * degree)))
    root = taylor_runtime.taylor_find_root(polynomial, np.empty(order + 1))
    assert root == pytest.approx(first, rel=1e-13)


# Recurrences, names and errors.


def make_everything():
    """Every function with a recurrence, positive and negative, whole and broken powers."""
    table, m, elapsed = symbols("table m elapsed")
    first = sp.sin(table) * sp.cos(m) / (2 + sp.sinh(table) ** 2) + sp.tanh(m) ** 3
    second = sp.sqrt(table**2 + 1) - sp.cosh(m) / 3 + elapsed * sp.tan(table / 4)
    second += sp.log(table**2 + 3) ** sp.Rational(3, 2) / (m**2 + 1) ** 2 + sp.Integer(2) ** m
    return TaylorSystem(
        constants=(elapsed,),
        near=TaylorChart(coordinates=(table, m), field=(first, second), surface=10 - m),
        reset=(table, sp.Integer(0)),
        horizon=sp.Integer(10),
    )


def everything_field(x, m, k):
    first = mp.sin(x) * mp.cos(m) / (2 + mp.sinh(x) ** 2) + mp.tanh(m) ** 3
    second = mp.sqrt(x**2 + 1) - mp.cosh(m) / 3 + k * mp.tan(x / 4)
    return first, second + mp.log(x**2 + 3) ** 1.5 / (m**2 + 1) ** 2 + mp.mpf(2) ** m


def test_every_recurrence_is_right_whatever_the_names():
    m = load(make_everything)
    state, elapsed, covector, constant = (0.4, -0.3), 0.8, (0.7, -1.3), 0.6

    def integrate(values):
        start, c = values[:2], values[2:]
        field = everything_field
        return extrapolate(lambda _, s: field(*s, *c), start, mp.mpf(0), mp.mpf(elapsed))

    values = numbers((*state, constant))
    found = m.flow(*state, elapsed, constant)
    assert relative(found, integrate(values)) < 1e-15
    slopes = differentiate(integrate, values)
    expected = [dot(covector, row) for row in slopes]
    assert relative(m.flow_vjp(*state, elapsed, constant, *covector), expected[:2]) < 1e-14
    by_constant = m.flow_constants_vjp(*state, elapsed, constant, *covector)
    assert relative(by_constant, expected[2:]) < 1e-14


def make_explosion():
    V, h = symbols("V h")
    return TaylorSystem(
        constants=(),
        near=TaylorChart(coordinates=(V, h), field=(V**2, sp.S.Zero), surface=h),
        reset=(V, h),
        horizon=sp.Integer(10),
    )


def test_an_explosion_without_a_far_chart_ends_in_infinite_coordinates():
    m = load(make_explosion)
    assert m.flow(1.0, 1.0, 0.5) == pytest.approx((2.0, 1.0), rel=1e-15)
    assert m.flow(1.0, 1.0, 2.0) == (np.inf, np.inf)
    assert m.time_to_spike(1.0, 1.0) == np.inf


def test_the_flow_stops_at_a_spike_that_its_caller_overlooked():
    m = load(make_eif)
    assert np.isfinite(m.flow(0.3, 0.2, 50.0, *EIF)).all()
    m.flow_vjp(0.3, 0.2, 50.0, *EIF, 1.0, 1.0)


def test_a_state_that_is_no_number_ends_the_integration():
    m = load(make_eif)
    assert m.time_to_spike(np.inf, 1.0, *EIF) >= 0.0
    assert not m.will_spike(0.0, np.inf, 1.0, *EIF)
    assert m.time_to_spike(np.nan, 1.0, *EIF) == np.inf


def test_the_text_is_formatted(tmp_path):
    pytest.importorskip("ruff")
    for make in (make_eif, make_izhikevich, make_adex, make_qif, make_parabola):
        file = tmp_path / f"{make.__name__}.py"
        file.write_text(print_module(make()), encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "format", "--diff", "--line-length", "100"]
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow  # compiles for 20 s; parity/test_backends.py does so for izhikevich
def test_compiled_functions_return_what_the_interpreted_ones_return():
    plain, jitted, state = load(make_eif), load_jitted(make_eif), (0.3, 0.2)
    calls = {
        "time_to_spike": (*state, *EIF),
        "will_spike": (*state, 1.0, *EIF),
        "flow": (*state, 0.9, *EIF),
        "flow_vjp": (*state, 0.9, *EIF, 1.0, 2.0),
        "fire": (*state, 1.0, *EIF),
        "fire_vjp": (*state, 1.0, *EIF, 1.0, 2.0, 3.0),
    }
    for name, arguments in calls.items():
        found = getattr(jitted, name)(*arguments)
        assert found == pytest.approx(getattr(plain, name)(*arguments), rel=1e-13)
    assert jitted.fire(1e3, 0.2, 0.0, *EIF) == (-1.0, 0.2)


def test_a_system_that_cannot_be_is_refused():
    x, bad = symbols("x taylor_x")
    chart = TaylorChart(coordinates=(x,), field=(x,), surface=None)
    with pytest.raises(DerivationError, match="exactly one chart but got \\['None'\\]"):
        TaylorSystem(constants=(), near=chart, reset=(x,), horizon=sp.S.One)
    chart = TaylorChart(coordinates=(x,), field=(x,), surface=x)
    with pytest.raises(DerivationError, match="one expression per coordinate"):
        TaylorSystem(constants=(), near=chart, reset=(), horizon=sp.S.One)
    with pytest.raises(DerivationError, match="does not begin with taylor_ but got taylor_x"):
        TaylorSystem(constants=(bad,), near=chart, reset=(x,), horizon=sp.S.One)
    chart = TaylorChart(coordinates=(x,), field=(sp.Abs(x),), surface=x)
    system = TaylorSystem(constants=(), near=chart, reset=(x,), horizon=sp.S.One)
    with pytest.raises(DerivationError, match=r"a Taylor recurrence but got Abs\(x\)"):
        print_taylor_functions(system)


@pytest.mark.parametrize(
    ("state", "parameters", "wait"),
    [
        (
            (-7.170587254418972, -13.695474234794878),
            (0.8832319896060207, 18.3258609501962, 0.0749389768355969, 1.1653040456912374,
             0.15796940183840844, 0.11767465761509142, 0.9131352762953591, 2.1558158957971605,
             1.1760581908846315),
            0.449512288967765,
        ),
        (
            (-4.7003565335391455, -23.165235261161076),
            (0.7846427262997456, 17.80676939969762, 0.07831800788273095, 1.2184369343074046,
             0.15519384978646464, 0.10167108656277213, 0.48084175342179786, 3.1057045858897663,
             1.0563497411441594),
            0.195921971400718,
        ),
    ],
)  # fmt: skip
def test_an_exponential_too_small_to_be_seen_in_any_coefficient_is_not_stepped_over(
    state, parameters, wait
):
    """Found by `spiketheory accuracy`: the first spike was missed, the second 4e-7 late."""
    assert adex.time_to_spike(*state, *parameters) == pytest.approx(wait, rel=1e-14)


def make_cancelling():
    """x(t) = x + 3 t / 2 + u (1 - exp(-2 t)) / 2, spikes at x = 1."""
    x, u = symbols("x u")
    return TaylorSystem(
        constants=(),
        near=TaylorChart(coordinates=(x, u), field=(u + sp.Rational(3, 2), -2 * u), surface=1 - x),
        reset=(sp.S.Zero, u),
        horizon=sp.Integer(1000),
    )


@pytest.mark.parametrize("x", [8e-227, 1e-30, 0.0])
def test_velocities_that_cancel_to_their_last_bits_do_not_stop_the_integration(x):
    """Found by `spiketheory check`: their rounding was taken for a fault of the step."""
    u = -1.49999999999985
    expected = mp.findroot(lambda t: x + 1.5 * t + u * (1 - mp.exp(-2 * t)) / 2 - 1, 1.1)
    assert load(make_cancelling).time_to_spike(x, u) == pytest.approx(float(expected), rel=1e-14)
