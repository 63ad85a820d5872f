"""Comparisons in as many digits as they need: rounding goes away, a fault stays."""

import mpmath
import pytest
from mpmath import mpf

from spiketheory.errors import VerificationError
from spiketheory.verification.tally import LEVELS, Tally, resolve


def compare_at(tally, seen, error):
    """A comparison whose error is a function of the working precision."""

    def compare():
        seen.append(mpmath.mp.dps)
        tally.demand(True, "", "")
        tally.compare("a number", [1 + error(mpmath.mp.dps)], [mpf(1)])

    return compare


def test_what_agrees_is_compared_once():
    tally, seen = Tally("check", "remedy"), []
    resolve(compare_at(tally, seen, lambda digits: mpf(0)), tally)
    assert seen == [LEVELS[0]]
    assert (tally.compared, tally.demanded) == (1, 1)


def test_rounding_goes_away_and_what_failed_is_not_counted():
    tally, seen = Tally("check", "remedy"), []
    resolve(compare_at(tally, seen, lambda digits: mpf(10) ** (110 - digits)), tally)
    assert seen == list(LEVELS[:3])
    assert (tally.compared, tally.demanded) == (1, 1)
    assert tally.worst < mpf(10) ** -80


@pytest.mark.parametrize("fault", ["1e-6", "1e-20", "1"])
def test_a_fault_stays_and_is_found_in_two_precisions(fault):
    tally, seen = Tally("check", "remedy"), []
    with pytest.raises(VerificationError, match="Check 'check' failed: expected a number to be 1"):
        resolve(compare_at(tally, seen, lambda digits: mpf(fault)), tally)
    assert seen == list(LEVELS[:2])


def test_a_condition_that_fails_is_tried_in_all_precisions():
    tally, seen = Tally("check", "remedy"), []

    def demand():
        seen.append(mpmath.mp.dps)
        tally.demand(False, "a spike", "none")

    with pytest.raises(VerificationError, match="expected a spike but got none"):
        resolve(demand, tally)
    assert seen == list(LEVELS)


def test_an_error_that_only_halves_is_a_fault():
    tally, seen = Tally("check", "remedy"), []
    with pytest.raises(VerificationError):
        resolve(compare_at(tally, seen, lambda digits: mpf(1) / digits), tally)
    assert seen == list(LEVELS)
