"""Divided differences of exp for readouts, against 40 digits."""

import random

import mpmath
import pytest
from mpmath import mpf

from spiketheory.runtime import differences, special_mpmath

ACCURACY = mpf(2) ** -49


def draw_points(count, seed):
    """Ascending points below 0 from very near to far apart, some of them equal."""
    draw = random.Random(f"{count} {seed}")
    for _ in range(400):
        width = 10 ** draw.uniform(-4, 2.3)
        shares = [0.0, 1.0, draw.random(), draw.choice([0.0, 1.0, 10 ** draw.uniform(-9, 0)])]
        yield [-width * share for share in shares[:count]]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_they_are_right_to_few_units_in_the_last_place_wherever_the_points_are(count):
    with mpmath.workdps(40):
        for points in draw_points(count, 1):
            want = special_mpmath.exp_dd(tuple(points))
            assert abs(differences.exp_dd(tuple(points)) - want) <= ACCURACY * want, points


@pytest.mark.parametrize("near", [differences.NEAR_3, differences.NEAR_4])
def test_they_are_right_on_both_sides_of_where_the_series_ends(near):
    with mpmath.workdps(40):
        for factor in (1 - 2.0**-40, 1.0, 1 + 2.0**-40):
            for middle in (0.0, 1e-9, 0.5, 1 - 1e-9, 1.0):
                for points in ([0.0, -near * factor, -near * middle],
                               [0.0, -near * factor, -near * middle, -near * 0.3]):  # fmt: skip
                    want = special_mpmath.exp_dd(tuple(points))
                    assert abs(differences.exp_dd(tuple(points)) - want) <= ACCURACY * want


def test_the_order_of_the_points_does_not_matter():
    points = (-3.0, 0.0, -0.4, -7.0)
    values = {
        differences.exp_dd((points[a], points[b], points[c], points[6 - a - b - c]))
        for a in range(4) for b in range(4) for c in range(4) if len({a, b, c}) == 3
    }  # fmt: skip
    assert len(values) == 1


def test_far_points_underflow_to_0():
    assert differences.exp_dd((-1e5, -2e5, -3e5)) == 0.0
    assert differences.exp_dd((0.0, -1e300, -1e300)) == 1e-300 * 1e-300
