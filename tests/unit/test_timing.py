import signal
import threading
import time

import pytest

from spiketheory.errors import DerivationError
from spiketheory.time_limit import limit_time


def test_what_takes_too_long_ends_with_an_error_that_says_what_to_do():
    with pytest.raises(DerivationError) as raised, limit_time(0.05, "the derivation of m"):
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
