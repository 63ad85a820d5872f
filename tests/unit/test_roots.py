"""First zeros of sums of exponentials, next to grazes too."""

import inspect
import math
import random
import types

import mpmath
import numba
import pytest
from mpmath import mpf

from derivations.generated import lif_alpha
from spiketheory.runtime import roots

LIF_RATES = (0.0, -1.0)


def lif_heights(t, V, I, nu):  # noqa: E741
    """V' = -V + I, I' = -I/nu, threshold 1: f_1 = V - I, f_2 = f_1' + f_1 = I/nu."""
    fall, wane = math.exp(-t), math.exp(-t / nu)
    current = I * wane
    voltage = V * fall + I * nu / (1.0 - nu) * (fall - wane)
    return 1.0 - voltage, voltage - current, current / nu


def lif_heights_mpmath(t, V, I, nu):  # noqa: E741
    fall, wane = mpmath.exp(-t), mpmath.exp(-t / nu)
    current = I * wane
    voltage = V * fall + I * nu / (1 - nu) * (fall - wane)
    return 1 - voltage, voltage - current, current / nu


def product_heights(t, scale):
    """A polynomial in x = scale * t with zeros at 1/2, 1, 2, 3, and its derivatives."""
    x = scale * t
    f = (x - 0.5) * (x - 1.0) * (x - 2.0) * (x - 3.0)
    d1 = 4 * x**3 - 19.5 * x**2 + 28 * x - 11.5
    d2 = 12 * x**2 - 39 * x + 28
    d3 = 24 * x - 39
    return f, scale * d1, scale**2 * d2, scale**3 * d3, scale**4 * 24.0


def compile_roots():
    names = dict(vars(roots))
    functions = {
        name: numba.njit(error_model="numpy")(types.FunctionType(f.__code__, names, name))
        for name, f in vars(roots).items()
        if inspect.isfunction(f) and f.__module__ == roots.__name__
    }
    names.update(functions)
    return functions["first_zero"]


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-13])
def test_a_lif_neuron_just_above_its_graze_spikes_and_just_below_does_not(gap):
    """V = I (a - a^2) with a = exp(-t): a spike at a = (1 + sqrt(1 - 4/I))/2 for I > 4."""
    for sign, spikes in ((1, True), (-1, False)):
        arguments = (0.0, 4.0 * (1.0 + sign * gap), 0.5)
        time = roots.first_zero(lif_heights, LIF_RATES, 50.0, arguments)
        assert (time < math.inf) == spikes
        if spikes:
            with mpmath.workdps(40):
                a = (1 + mpmath.sqrt(1 - 4 / mpf(arguments[1]))) / 2
                assert abs(time + mpmath.log(a)) < 4e-16 / math.sqrt(gap)


def test_it_works_unchanged_with_mpmath():
    with mpmath.workdps(60):
        current = mpf("4.000001")
        arguments = (mpf(0), current, mpf("0.5"))
        time = roots.first_zero(lif_heights_mpmath, (mpf(0), mpf(-1)), mpf(50), arguments)
        a = (1 + mpmath.sqrt(1 - 4 / current)) / 2
        assert abs(time + mpmath.log(a)) < mpf(10) ** -54
        below = (mpf(0), 4 - mpf(10) ** -50, mpf("0.5"))
        assert roots.first_zero(lif_heights_mpmath, (mpf(0), mpf(-1)), mpf(50), below) == math.inf


def test_it_works_compiled_and_gives_the_same_times():
    first_zero, heights = compile_roots(), numba.njit(error_model="numpy")(lif_heights)
    for arguments in ((0.0, 5.0, 0.5), (0.0, 3.0, 0.5), (0.9, -1.0, 2.0), (2.0, 1.0, 2.0)):
        expected = roots.first_zero(lif_heights, LIF_RATES, 50.0, arguments)
        assert first_zero(heights, LIF_RATES, 50.0, arguments) == pytest.approx(expected, rel=1e-14)


def test_a_neuron_at_its_threshold_spikes_now():
    assert roots.first_zero(lif_heights, LIF_RATES, 50.0, (1.0, 3.0, 0.5)) == 0.0
    assert roots.first_zero(lif_heights, LIF_RATES, 50.0, (1.5, -3.0, 0.5)) == 0.0


def test_a_spike_after_the_horizon_is_none():
    arguments = (0.0, 5.0, 0.5)
    time = roots.first_zero(lif_heights, LIF_RATES, 50.0, arguments)
    assert roots.first_zero(lif_heights, LIF_RATES, 0.999 * time, arguments) == math.inf
    assert roots.first_zero(lif_heights, LIF_RATES, 1.001 * time, arguments) == pytest.approx(time)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_first_of_several_zeros_is_found(scale):
    heights, rates = product_heights, (0.0, 0.0, 0.0, 0.0, 0.0)
    time = roots.first_zero(heights, rates, 10.0 / scale, (scale,))
    assert time * scale == pytest.approx(0.5, rel=1e-15)


def test_a_touch_is_no_crossing():
    def heights(t):
        return (t - 1.0) * (t - 1.0), 2.0 * (t - 1.0), 2.0

    assert roots.first_zero(heights, (0.0, 0.0), 3.0, ()) == math.inf


def test_two_levels_are_enough_for_one_exponential():
    def heights(t, x):
        return 1.0 - x * (1.0 - math.exp(-t)), -x * math.exp(-t)

    assert roots.first_zero(heights, (0.0,), 50.0, (2.0,)) == pytest.approx(math.log(2.0))
    assert roots.first_zero(heights, (0.0,), 50.0, (0.5,)) == math.inf
    assert roots.first_zero(heights, (0.0,), 50.0, (0.0,)) == math.inf


def sum_heights(exponents, weights):
    """f = sum_k w_k exp(-p_k t): each level removes one exponential by its rate."""
    rates = [-p for p in exponents]

    def heights(t):
        left, values = list(weights), []
        for k in range(len(weights)):
            values.append(
                math.fsum(w * math.exp(-p * t) for w, p in zip(left, exponents, strict=True))
            )
            left = [w * (exponents[k] - p) for w, p in zip(left, exponents, strict=True)]
        return tuple(values)

    return heights, rates


@pytest.mark.parametrize("n", range(2, 7))
def test_no_zero_of_a_random_sum_of_exponentials_is_missed_or_invented(n):
    rng = random.Random(n)
    for _ in range(60):
        exponents = [0.3 * k + rng.uniform(0.0, 0.25) for k in range(n)]
        weights = [rng.uniform(-1.0, 1.0) * 3.0**k for k in range(n)]
        heights, rates = sum_heights(exponents, weights)
        if heights(0.0)[0] <= 0.0:
            assert roots.first_zero(heights, rates, 20.0, ()) == 0.0
            continue
        time = roots.first_zero(heights, rates, 20.0, ())
        grid = [0.02 * k for k in range(1001)]
        negative = [t for t in grid if heights(t)[0] < 0.0]
        assert not negative or time <= negative[0]
        if time < math.inf:
            assert heights(time * (1.0 - 1e-7))[0] > 0.0 > heights(time * (1.0 + 1e-7))[0]


AT_REST = {
    "just after a strong input": (0.0, 0.0, 20.0),
    "just after a weak input": (0.0, 0.0, 1.5),
    "at rest": (0.0, 0.0, 0.0),
    "on its way to rest": (0.5, 0.0, 0.0),
}


@pytest.mark.parametrize("state", AT_REST.values(), ids=AT_REST)
def test_a_zero_at_the_start_is_not_searched_for_among_the_smallest_floats(state):
    calls = 0

    def heights(t, *state):
        nonlocal calls
        calls += 1
        return lif_alpha.heights(t, *state)

    arguments = (*state, 1.0, 0.5, 1.0)
    time = roots.first_zero(heights, (0.0, -1.0, -2.0, -2.0), 600.0, arguments)
    assert (time < math.inf) == (state[2] > 10)
    assert calls < 100
    with mpmath.workdps(30):  # whose numbers have no smallest one
        wide = tuple(map(mpf, arguments))
        exact = roots.first_zero(lif_alpha_exactly, (0, -1, -2, -2), mpf(600), wide)
    assert float(exact) == pytest.approx(time, rel=1e-14)


def lif_alpha_exactly(t, V, I, J, tau_m, tau_s, V_th):  # noqa: E741
    """tau_m V' = -V + I, tau_s I' = -I + J, tau_s J' = -J at tau_m = 2 tau_s = 1."""
    a, b, s = mpmath.exp(-t), mpmath.exp(-2 * t), t / tau_s
    current, behind = (I + J * s) * b, J * b
    potential = V * a + I * (a - b) + 2 * J * (a - b - t * b)
    return V_th - potential, potential - current, 2 * (current - behind), 4 * behind
