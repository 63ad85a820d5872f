"""Kernels of readouts as they run, against 50 digits: over many orders of magnitude.

In units of the trial's end both time constants are drawn from 1e-8 to 1e8, equal and nearly equal
ones among them; errors count relative to the largest value during the trial.
"""

import random
from functools import lru_cache

import mpmath
import pytest
from mpmath import mpf

import derivations
from spiketheory.generation.readout import lower_readout, print_readout
from spiketheory.symbolic.readout import derive_readout
from spiketheory.verification.places import read_functions

ACCURACY = 1e-13
DIGITS = 50
N_PLACES = 30
WITH_TIME_CONSTANTS = ("leaky_integrator", "potential_at_end")


@lru_cache
def read_in_digits(name):
    """The same functions in the working precision of mpmath."""
    derivation = derive_readout(derivations.read_readout(name))
    return read_functions(print_readout(lower_readout(derivation), in_digits=True))


def draw_places():
    """Trial's ends, two time constants, and times in the trial, many of them next to its end."""
    draw = random.Random(16)
    for k in range(N_PLACES):
        end = 10 ** draw.uniform(-6, 6)
        tau_m, tau_s = (end * 10 ** draw.uniform(-8, 8) for _ in range(2))
        if k % 3 == 0:
            tau_s = tau_m * (1 + 10 ** draw.uniform(-17, 0))
        if k % 5 == 0:
            tau_s = end
        if k % 10 == 0:
            tau_m = end
        times = [0.0, end, *(end * draw.random() for _ in range(6))]
        times += [end * (1 - 10 ** draw.uniform(-12, 0)) for _ in range(6)]
        near = (min(tau_m, tau_s) * 10 ** draw.uniform(-2, 2) for _ in range(8))
        times += [max(0.0, end - left) for left in near]
        yield end, (tau_m, tau_s), times


def evaluate(functions, time, end, values, one):
    """Kernel, slope and derivatives by the parameters."""
    return [
        functions["kernel"](time, 0 * time, end, *values),
        functions["kernel_slope"](time, 0 * time, end, *values),
        *functions["kernel_vjp"](time, 0 * time, end, *values, one),
    ]


@pytest.mark.parametrize("name", WITH_TIME_CONSTANTS)
def test_kernels_and_derivatives_are_right_to_1e_13_of_the_largest_value(name):
    exact = read_in_digits(name)
    compiled = vars(derivations.compile_readout(name).functions)
    with mpmath.workdps(DIGITS):
        for end, values, times in draw_places():
            got = [evaluate(compiled, t, end, values, 1.0) for t in times]
            want = [
                evaluate(exact, mpf(t), mpf(end), tuple(map(mpf, values)), mpf(1)) for t in times
            ]
            for quantity, exactly in zip(zip(*got, strict=True), zip(*want, strict=True),
                                         strict=True):  # fmt: skip
                largest = max(map(abs, exactly))
                errors = [abs(a - b) for a, b in zip(quantity, exactly, strict=True)]
                assert max(errors) <= ACCURACY * largest, (end, values)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("n_windows", [1, 2, 7])
def test_windows_are_right_to_1e_13_in_both_backends(backend, n_windows):
    exact = read_in_digits("windows")
    readout = derivations.compile_readout("windows", backend=backend, n_windows=n_windows,
                                          width=0.8)  # fmt: skip
    with mpmath.workdps(DIGITS):
        for m in range(n_windows):
            for time in (0.0, 0.3, 1.9, 2.9999, 3.0):
                place = (time, float(m), 3.0, *readout.values)
                for name, scale in (("kernel", 1), ("kernel_slope", n_windows)):
                    want = exact[name](*map(mpf, place))
                    got = getattr(readout.functions, name)(*place)
                    assert abs(got - want) <= ACCURACY * scale, (place, name)


@pytest.mark.parametrize("name", WITH_TIME_CONSTANTS)
def test_compiled_and_interpreted_functions_agree(name):
    fast, slow = (derivations.compile_readout(name, backend=b) for b in ("numba", "numpy"))
    for time in (0.0, 0.7, 1.999, 2.0, 2.1):
        place = (time, 0, 2.0, 0.6, 0.6)
        assert fast.functions.kernel(*place) == pytest.approx(slow.functions.kernel(*place),
                                                              rel=1e-14)  # fmt: skip
        both = slow.functions.kernel_and_slope(*place)
        alone = (slow.functions.kernel(*place), slow.functions.kernel_slope(*place))
        assert both == pytest.approx(alone, rel=1e-14)
        assert fast.functions.kernel_and_slope(*place) == pytest.approx(both, rel=1e-14)


def test_the_response_of_the_maximum_is_the_kernel_of_the_potential_at_the_end():
    maximum, at_end = map(derivations.compile_readout, ("maximum", "potential_at_end"))
    for elapsed in (0.0, 0.4, 3.0):
        value = maximum.functions.response(elapsed, 1.2, 0.4)
        assert value == pytest.approx(at_end.functions.kernel(8.0 - elapsed, 0, 8.0, 1.2, 0.4))
        slope = maximum.functions.response_slope(elapsed, 1.2, 0.4)
        # Time since the spike grows as that of the spike falls.
        other = at_end.functions.kernel_slope(8.0 - elapsed, 0, 8.0, 1.2, 0.4)
        assert slope == pytest.approx(-other, rel=1e-12)
        by = maximum.functions.response_vjp(elapsed, 1.2, 0.4, 2.0)
        assert by == pytest.approx(
            at_end.functions.kernel_vjp(8.0 - elapsed, 0, 8.0, 1.2, 0.4, 2.0)
        )
