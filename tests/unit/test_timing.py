import contextlib
import signal
import threading
import time

import pytest
from hypothesis import find, settings, strategies

from spiketheory.errors import SpiketheoryError, TimeLimitError
from spiketheory.time_limit import limit_time


def test_what_takes_too_long_ends_with_an_error_that_says_what_to_do():
    with pytest.raises(TimeLimitError) as raised, limit_time(0.05, "the derivation of m"):
        time.sleep(5)
    assert str(raised.value) == (
        "Expected the derivation of m to take at most 0.05 s but it is not done; simplify the "
        "model, give its parameters domains, or allow more time (--timeout)."
    )


def test_what_is_done_in_time_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    with limit_time(0.2, "it"):
        pass
    time.sleep(0.3)
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_limit_sets_no_timer(seconds):
    with limit_time(seconds, "it"):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_other_threads_are_not_limited():
    done = []

    def work():
        with limit_time(0.01, "it"):
            time.sleep(0.05)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def swallow(error, times):
    """Wait for five seconds and take what comes, so many times."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            time.sleep(0.01)
        except error:
            times -= 1
            if times < 0:
                raise


@pytest.mark.parametrize("error", [SpiketheoryError, ValueError, Exception])
def test_no_except_clause_of_the_mathematics_swallows_the_end(error):
    begun = time.monotonic()
    with pytest.raises(TimeLimitError), limit_time(0.05, "it"):
        swallow(error, 1000)
    assert time.monotonic() < begun + 1


def test_what_is_swallowed_all_the_same_comes_again():
    begun = time.monotonic()
    with pytest.raises(TimeLimitError), limit_time(0.05, "it"):
        swallow(BaseException, 3)
    assert 0.3 < time.monotonic() - begun < 1


def test_a_block_that_lost_the_end_and_came_to_its_own_has_failed():
    with (
        pytest.raises(TimeLimitError),
        limit_time(0.05, "it"),
        contextlib.suppress(BaseException),
    ):
        time.sleep(5)


def turn_into_another_error():
    try:
        time.sleep(5)
    except BaseException as err:
        raise KeyError("gone") from err


def test_an_error_that_the_end_turned_into_is_the_end():
    with pytest.raises(TimeLimitError), limit_time(0.05, "it"):
        turn_into_another_error()


def test_other_errors_and_interrupts_pass():
    for error in (KeyError, KeyboardInterrupt):
        with pytest.raises(error), limit_time(5, "it"):
            raise error
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize(("outer", "inner", "what"), [(0.05, 3, "outer"), (3, 0.05, "inner")])
def test_of_two_limits_the_first_counts(outer, inner, what):
    with (
        pytest.raises(TimeLimitError, match=f"Expected {what} "),
        limit_time(outer, "outer"),
        limit_time(inner, "inner"),
    ):
        time.sleep(5)


def pause_twice():
    with limit_time(0.2, "inner"):
        time.sleep(0.1)
    time.sleep(5)


def test_an_outer_limit_holds_on_behind_an_inner_one():
    begun = time.monotonic()
    with pytest.raises(TimeLimitError, match="Expected outer "), limit_time(0.3, "outer"):
        pause_twice()
    assert time.monotonic() < begun + 1
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_seconds_of_the_processor_are_those_of_the_processor():
    with limit_time(0.1, "it", of_processor=True):
        time.sleep(0.3)
    begun = time.process_time()
    with pytest.raises(TimeLimitError), limit_time(0.1, "it", of_processor=True):
        burn_time()
    assert time.process_time() < begun + 2
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def burn_time():
    while True:
        with contextlib.suppress(Exception):
            sum(range(1000))


def test_hypothesis_does_not_take_the_end_for_an_example_that_fails():
    def is_wanted(value):
        with contextlib.suppress(Exception):
            time.sleep(0.01)
        return False

    with pytest.raises(TimeLimitError), limit_time(0.2, "it"):
        find(strategies.integers(), is_wanted, settings=settings(max_examples=10**6))
