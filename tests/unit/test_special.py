"""Special functions in floating point against arbitrary precision, and that against an ODE."""

import inspect
import itertools
import math
import random
import types

import mpmath
import numba
import pytest
from mpmath import mpf

from spiketheory.runtime import special, special_mpmath

DIGITS = 30
ULP = mpf(2) ** -53
NUS = (0.1, 0.25, 0.5, 1.0, 1.5, 3.0, 0.7321, 7.25)
CURRENTS = (1e-12, -1e-9, 1e-3, -0.02, 0.3, -0.9, 3.0, -7.0, 60.0, -200.0, 1e4, -1e4)
TIMES = (1e-12, 1e-5, 0.03, 0.8, 4.0, 20.0, 1e3)


@pytest.fixture(autouse=True)
def _enough_digits():
    with mpmath.workdps(DIGITS):
        yield


def compile_module(module):
    """Every function of a module, compiled; they call each other by name."""
    names = dict(vars(module))
    functions = {
        name: numba.njit(error_model="numpy")(types.FunctionType(f.__code__, names, name))
        for name, f in vars(module).items()
        if inspect.isfunction(f) and f.__module__ == module.__name__
    }
    names.update(functions)
    return types.SimpleNamespace(**functions)


@pytest.fixture(scope="module")
def compiled():
    return compile_module(special)


def relative(value, exact):
    """Error in units of 2^-53."""
    if exact == 0:
        return 0.0 if value == 0 else math.inf
    return float(abs(mpf(value) - exact) / abs(exact) / ULP)


def to_common_factor(values, exact):
    """``values`` without their power of two, which may differ from the exact matrix's."""
    sizes = [max(abs(mpf(v)) for v in numbers[:4]) for numbers in (values, exact)]
    power = int(mpmath.nint(mpmath.log(sizes[0] / sizes[1], 2) / 300)) * 300
    return [mpf(v) / mpf(2) ** power for v in values]


def phase_of(nu, current, time):
    """How often the solution turns or grows e-fold: what rounding of the arguments is worth."""
    return 2.0 * nu * math.sqrt(abs(current)) * -math.expm1(-time / (2.0 * nu))


def random_points(rng):
    spread, centre = 10.0 ** rng.uniform(-8.0, 2.5), rng.uniform(-300.0, 300.0)
    points = [centre + rng.uniform(-spread, spread) for _ in range(rng.randint(1, 6))]
    return tuple(rng.choice(points[:3]) for _ in points) if rng.random() < 0.5 else tuple(points)


def test_divided_differences_of_exp_are_right_to_a_few_ulp():
    rng = random.Random(1)
    for _ in range(1500):
        points = random_points(rng)
        assert relative(special.exp_dd(points), special_mpmath.exp_dd(points)) < 16, points


def test_divided_differences_of_exp_do_not_depend_on_the_order_of_the_points():
    points = (0.3, -4.0, 0.3, -20.0, 1.0, -2.5)
    values = {special.exp_dd(p) for p in itertools.permutations(points)}
    assert len(values) == 1


@pytest.mark.parametrize("n", range(1, 7))
def test_equal_points_of_a_divided_difference_give_a_derivative(n):
    assert special.exp_dd((0.5,) * n) == pytest.approx(
        math.exp(0.5) / math.factorial(n - 1), rel=1e-15
    )
    exact = mpmath.exp(0.5) / math.factorial(n - 1)
    assert mpmath.almosteq(special_mpmath.exp_dd((0.5,) * n), exact)


def test_divided_differences_of_exp_underflow_to_zero_and_reach_700():
    assert special.exp_dd((-1e6, -1e6, -2e6)) == 0.0
    assert special.exp_dd((-1e6, 0.0, -1e3)) == pytest.approx(1e-9, rel=1e-15)
    assert special.exp_dd((700.0, 700.0, -1e6)) == pytest.approx(math.exp(700.0) / 1000700.0)
    assert special.exp_dd((710.0, 0.0)) == math.inf


def test_lambert_w_is_right_to_a_few_ulp_up_to_its_branch_point():
    rng = random.Random(2)
    arguments = [-1 / math.e + 10.0 ** rng.uniform(-17, -1) for _ in range(300)]
    arguments += [10.0 ** rng.uniform(-300, 300) for _ in range(300)]
    arguments += [-(10.0 ** rng.uniform(-300, -0.44)) for _ in range(300)]
    for x in arguments:
        assert relative(special.lambert_w(x), special_mpmath.lambert_w(x)) < 4, x


def test_lambert_w_at_its_ends():
    assert special.lambert_w(0.0) == 0.0
    assert special.lambert_w(-1.0) == -1.0
    assert special.lambert_w(math.inf) == math.inf
    assert special.lambert_w(math.e) == pytest.approx(1.0, rel=1e-16)


def integrate(nu, current, time, y, x):
    """The system itself, by mpmath's Taylor integrator."""
    field = [lambda t, s: -s[1], lambda t, s: -s[1] + current * mpmath.exp(-t / nu) * s[0]]
    solution = mpmath.odefun(lambda t, s: [f(t, s) for f in field], 0, [mpf(y), mpf(x)])
    return solution(time)


@pytest.mark.parametrize(
    ("nu", "current", "time"),
    [(0.5, 3.0, 1.0), (1.0, 2.0, 0.7), (1.5, -3.0, 1.2), (0.3, 5.0, 0.5), (3.0, -1.0, 1.0)],
)
def test_the_closed_forms_solve_the_differential_equation(nu, current, time):
    with mpmath.workdps(25):
        yy, yx, xy, xx = special_mpmath.decay_matrix(nu, current, time)
        for start, end in (((1, 0), (yy, xy)), ((0, 1), (yx, xx))):
            found = integrate(mpf(nu), mpf(current), mpf(time), *start)
            assert max(abs(a - b) for a, b in zip(found, end, strict=True)) < 1e-20


@pytest.mark.parametrize("nu", [1, 2, 3, 0.5, 0.7])
def test_the_closed_forms_are_continuous_in_time_current_and_order(nu):
    tiny = mpf(10) ** -30
    yy, yx, xy, xx = special_mpmath.decay_matrix(nu, 2, tiny)
    expected = (1 - tiny**2, -tiny, 2 * tiny, 1 - tiny)
    for value, limit in zip((yy, yx, xy, xx), expected, strict=True):
        assert abs(value / limit - 1) < 2 * tiny
    here, free = (special_mpmath.decay_matrix(nu, i, 2) for i in (tiny, 0))
    there, beside = (special_mpmath.decay_matrix(n, 2, 2) for n in (nu, nu + tiny))
    assert max(abs(a - b) for a, b in zip(here, free, strict=True)) < 10 * tiny
    assert max(abs(a - b) for a, b in zip(there, beside, strict=True)) < 10 * tiny


def matrix_errors(nu, current, time):
    """Errors of the entries: of small ones relative, but to a floor."""
    exact = special_mpmath.decay_matrix(nu, current, time)
    values = to_common_factor(special.decay_matrix(nu, current, time), exact)
    if nu == 0.5 and max(map(abs, exact)) > 1e60:
        ratio = max(map(abs, exact)) / max(map(abs, values))
        values = [v * ratio for v in values]
    floor = mpf(10) ** -280 * max(map(abs, exact))
    return exact, [
        relative(v, e) if abs(e) > floor else float(abs(v - e) / floor / ULP)
        for v, e in zip(values, exact, strict=True)
    ]


def weigh(exact, nu, current, time):
    """Sizes of the entries relative to the oscillation's amplitude; 1 where nothing oscillates."""
    if current < 0.0 or phase_of(nu, current, time) < 1.0:
        return [1.0] * 4
    units = [1, mpmath.sqrt(current)] * 2
    sizes = [abs(e) * unit for e, unit in zip(exact, units, strict=True)]
    rows = [max(sizes[:2])] * 2 + [max(sizes[2:])] * 2
    return [float(s / row) if row else 1.0 for s, row in zip(sizes, rows, strict=True)]


@pytest.mark.parametrize("nu", NUS)
def test_the_matrix_keeps_the_relative_accuracy_of_every_entry(nu):
    """Up to what rounding the arguments does to phases, to exp(-t/nu), and near zeros of y, x."""
    for current, time in itertools.product(CURRENTS, TIMES):
        if nu in (1.0, 3.0) and abs(current) > 50.0 and time != 0.03:
            continue  # Bessel functions of whole order take mpmath a second each.
        exact, errors = matrix_errors(nu, current, time)
        allowed = 20.0 + 4.0 * (phase_of(nu, current, time) + time + time / nu)
        for error, weight in zip(errors, weigh(exact, nu, current, time), strict=True):
            assert error * weight < allowed, (current, time, errors)


@pytest.mark.parametrize("nu", NUS)
def test_the_matrix_of_a_random_case_is_right(nu):
    rng = random.Random(f"matrix {nu}")
    for _ in range(10):
        current = rng.choice((-1, 1)) * 10.0 ** rng.uniform(-6, 2)
        time = 10.0 ** rng.uniform(-6, 1)
        _, errors = matrix_errors(nu, current, time)
        assert sorted(errors)[2] < 20.0 + 6.0 * (phase_of(nu, current, time) + time / nu)


@pytest.mark.parametrize("nu", [0.3, 0.5, 1.0, 4.0])
def test_a_matrix_that_would_overflow_is_scaled_and_repeats(nu):
    y, x = 1.0, 1.0
    for _ in range(20):
        yy, yx, xy, xx = special.decay_matrix(nu, -1e6, 3.0)
        y, x = yy * y + yx * x, xy * y + xx * x
        size = abs(x) + abs(y)
        assert 0.0 < size < math.inf
        y, x = y / size, x / size
    assert y > 0.0 > x


@pytest.mark.parametrize("nu", [0.25, 0.7, 2.0])
@pytest.mark.parametrize("current", [1e6, -1e6])
def test_the_jump_over_a_strong_current_ends_where_steps_do(nu, current, monkeypatch):
    stepped = special.decay_matrix_tangent(nu, current, 0.5)
    monkeypatch.setattr(special, "MANY_TURNS", 400.0)
    assert special.longest_jump(nu, current) > 0.0 or nu < 0.3
    jumped = special.decay_matrix_tangent(nu, current, 0.5)
    for part in (0, 4, 8):
        for a, b in zip(ratios(stepped, part), ratios(jumped, part), strict=True):
            assert a == pytest.approx(b, rel=1e-3, abs=1e-6 * abs(ratios(stepped, part)[0]))


def ratios(tangent, part):
    """Derivatives of the ratios of the entries, which do not depend on the common factor."""
    biggest = max(range(4), key=lambda i: abs(tangent[i]))
    whole = tangent[biggest]
    if part == 0:
        return [tangent[i] / whole for i in (0, 1, 3)]
    lean = tangent[part + biggest] / whole
    return [(tangent[part + i] - lean * tangent[i]) / whole for i in (0, 1, 3)]


def test_currents_and_times_of_any_size_give_finite_numbers_soon():
    for current, nu, time in itertools.product((1e50, -1e300), (0.5,), (1e-9, 1e9)):
        special_matrix = special.decay_matrix(nu, current, time)
        assert all(map(math.isfinite, special_matrix))
        assert special.decay_wait(nu, -1.0, 0.0, current) >= 0.0


def test_without_time_or_current_the_matrix_is_elementary():
    for nu in NUS:
        assert special.decay_matrix(nu, 5.0, 0.0) == pytest.approx((1.0, 0.0, 0.0, 1.0), abs=0)
        free = special.decay_matrix(nu, 0.0, 30.0)
        assert free == pytest.approx((1.0, math.expm1(-30.0), 0.0, math.exp(-30.0)), rel=1e-14)


def test_the_matrix_has_a_limit_at_infinity():
    for nu, current in ((0.5, 3.0), (0.7, 3.0), (3.0, -2.0)):
        late, last = (special.decay_matrix(nu, current, t) for t in (1e3, math.inf))
        assert last == pytest.approx(late, abs=1e-13)


def test_the_elementary_case_continues_the_general_one():
    for current, time in itertools.product((-40.0, -1.0, 1e-4, 2.0, 100.0), (1e-6, 0.5, 6.0)):
        half = special.decay_matrix(0.5, current, time)
        beside = special.decay_matrix(math.nextafter(0.5, 1.0), current, time)
        size = max(map(abs, half))
        assert half == pytest.approx(beside, rel=1e-12, abs=1e-13 * size)


@pytest.mark.parametrize("nu", [0.1, 0.5, 1.0, 1.5, 3.0])
def test_the_tangent_is_right_to_the_last_digits_of_every_entry(nu):
    rng = random.Random(f"tangent {nu}")
    for time in (1e-12, 0.3, 1.0, 25.0):
        current = rng.choice((-1, 1)) * 10.0 ** rng.uniform(-5, 2)
        exact = special_mpmath.decay_matrix_tangent(nu, current, time)
        values = special.decay_matrix_tangent(nu, current, time)
        assert len(values) == 12
        allowed = 100.0 + 10.0 * (phase_of(nu, current, time) + time + time / nu)
        for part in range(0, 12, 4):
            weights = weigh(exact[part : part + 4], nu, current, time)
            for i, weight in enumerate(weights, part):
                assert relative(values[i], exact[i]) * weight < allowed, (current, time, i)


@pytest.mark.parametrize("nu", [0.5, 0.8, 3.0])
def test_the_tangent_contains_the_matrix(nu):
    for current, time in ((3.0, 1.0), (-30.0, 4.0), (0.0, 2.0), (1e-7, 100.0)):
        matrix = special.decay_matrix(nu, current, time)
        tangent = special.decay_matrix_tangent(nu, current, time)
        assert tangent[:4] == pytest.approx(matrix, rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("nu", [0.3, 0.5, 1.0])
def test_the_slope_is_the_tangents_first_part(nu):
    rng = random.Random(f"slope {nu}")
    for time in (1e-12, 0.3, 1.0, 25.0):
        for size in (0.0, 1e-9, 1e-3, 1.0, 1.99, 2.01, 30.0, 300.0):
            current = rng.choice((-1, 1)) * size
            exact = special_mpmath.decay_matrix_slope(nu, current, time)
            values = special.decay_matrix_slope(nu, current, time)
            assert len(values) == 8
            allowed = 100.0 + 10.0 * (phase_of(nu, current, time) + time + time / nu)
            for part in (0, 4):
                weights = weigh(exact[part : part + 4], nu, current, time)
                for i, weight in enumerate(weights, part):
                    assert relative(values[i], exact[i]) * weight < allowed, (current, time, i)


def wait_cases(rng, nu, count):
    for _ in range(count):
        current = rng.choice((-1, 1)) * 10.0 ** rng.uniform(-4, 3)
        y = 10.0 ** rng.uniform(-8, 1)
        x = rng.choice((-1, 1, 1)) * 10.0 ** rng.uniform(-3, 2) * rng.choice((1.0, y))
        if current < 0.0 and rng.random() < 0.5:
            x = y * (0.5 + math.sqrt(0.25 - current)) * (1.0 + 10.0 ** rng.uniform(-6, 0))
        if rng.random() < 0.2:
            x, y = -abs(x), 0.0
        yield nu, x, y, current


def sensitivity(nu, x, y, current, wait):
    """How far the wait moves, relative, when x, y, and the current are off by their size."""
    y_x, x_x = special_mpmath.decay_matrix(nu, current, wait)[1::2]
    y_y, x_y = special_mpmath.decay_matrix(nu, current, wait)[::2]
    speed = abs(x_y * mpf(y) + x_x * mpf(x))
    moved = abs(y_y * mpf(y)) + abs(y_x * mpf(x))
    return 1.0 + float(moved / (speed * wait)) * (1.0 + phase_of(nu, current, float(wait)))


@pytest.mark.parametrize("nu", NUS)
def test_the_wait_is_the_first_zero_as_exactly_as_its_arguments_allow(nu):
    for case in wait_cases(random.Random(f"wait {nu}"), nu, 12):
        wait, exact = special.decay_wait(*case), special_mpmath.decay_wait(*case)
        assert (wait == math.inf) == (exact == mpmath.inf), case
        if wait < math.inf:
            assert relative(wait, exact) < 20.0 * sensitivity(*case, exact), case


def test_the_wait_is_zero_after_the_spike_and_infinite_without_one():
    for nu in (0.5, 0.7, 3.0):
        assert special.decay_wait(nu, 1.0, 0.0, 1.0) == 0.0
        assert special.decay_wait(nu, 1.0, -1.0, 1.0) == 0.0
        assert special.decay_wait(nu, 0.0, 1.0, 0.2) == math.inf
        assert special.decay_wait(nu, -1.0, 0.0, -5.0) == math.inf
        assert special.decay_wait(nu, 1.0, 1.0, 0.0) == math.inf
        assert special.decay_wait(nu, 2.0, 1.0, 0.0) == pytest.approx(math.log(2.0), rel=1e-15)


@pytest.mark.parametrize("nu", [0.3, 0.5, 1.0, 2.7])
@pytest.mark.parametrize("current", [-2.0, 0.5, 4.0, 50.0])
def test_a_spike_that_needs_for_ever_is_found_on_one_side_of_the_border_only(nu, current):
    """y(oo) = yy y + yx x = 0 at the border of the states that spike."""
    yy, yx, _, _ = special_mpmath.decay_matrix(nu, current, 2000)
    if yy / -yx < 0:
        pytest.skip("every state spikes")
    border = float(yy / -yx)
    gap = 1e-13 * max(1.0, abs(border))
    first_spike = special.decay_wait(nu, border + gap, 1.0, current)
    assert first_spike < math.inf
    if special_mpmath.decay_wait(nu, border - gap, 1.0, current) == mpmath.inf:
        assert special.decay_wait(nu, border - gap, 1.0, current) == math.inf
        assert first_spike > 20.0


@pytest.mark.parametrize("nu", NUS)
def test_the_wait_and_the_sign_of_y_agree(nu):
    for case in wait_cases(random.Random(f"sign {nu}"), nu, 40):
        _, x, y, current = case
        wait = special.decay_wait(*case)
        for share in (0.5, 1.0 - 1e-9):
            yy, yx, _, _ = special.decay_matrix(nu, current, min(wait, 50.0) * share)
            assert yy * y + yx * x > 0.0, case
        if wait < math.inf:
            later = wait * (1.0 + 1e-9)
            yy, yx, xy, xx = special.decay_matrix(nu, current, later)
            if xy * y + xx * x > 1e-3 * (abs(xy * y) + abs(xx * x)):
                assert yy * y + yx * x < 1e-14 * (abs(yy * y) + abs(yx * x)), case


@pytest.mark.slow  # compiles for 7 s; parity/test_backends.py does so within qif, lif and lif_alpha
def test_compiled_functions_agree_with_python(compiled):
    for nu, current, time in itertools.product((0.5, 0.7, 3.0), (-300.0, 1e-9, 5.0), (1e-9, 2.0)):
        case = (nu, current, time)
        for name in ("decay_matrix", "decay_matrix_slope", "decay_matrix_tangent"):
            expected = getattr(special, name)(*case)
            size = max(map(abs, expected[:4]))
            found = getattr(compiled, name)(*case)
            assert found == pytest.approx(expected, rel=1e-13, abs=1e-14 * size), case
        for x, y in ((2.0, 1.0), (-1.0, 0.0), (0.0, 1.0), (1.0, -1.0)):
            expected = special.decay_wait(nu, x, y, current)
            assert compiled.decay_wait(nu, x, y, current) == pytest.approx(expected, rel=1e-12)
    rng = random.Random(3)
    for _ in range(100):
        points = random_points(rng)
        assert compiled.exp_dd(points) == pytest.approx(special.exp_dd(points), rel=1e-14)
        x = rng.uniform(-0.5, 9.0)
        assert compiled.lambert_w(x) == pytest.approx(special.lambert_w(x), rel=1e-14)


def test_both_files_have_the_same_functions():
    for name, function in special_mpmath.FUNCTIONS.items():
        assert function is getattr(special_mpmath, name)
        here, there = (inspect.signature(getattr(m, name)) for m in (special, special_mpmath))
        assert list(here.parameters) == list(there.parameters)
