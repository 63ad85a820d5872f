import pytest

from sim.status import MESSAGES, Status, raise_status
from spiketheory.errors import SimulationError


def test_success_is_no_error():
    assert raise_status(Status.OK, sample=0, limit=1) is None


def test_every_failure_has_a_message_of_its_own():
    assert set(MESSAGES) == set(Status) - {Status.OK}
    assert len(set(MESSAGES.values())) == len(MESSAGES)


def test_too_many_spikes_name_the_sample_and_the_limit():
    with pytest.raises(SimulationError) as caught:
        raise_status(Status.TOO_MANY_SPIKES, sample=3, limit=50)
    assert str(caught.value) == (
        "Expected at most 50 spikes per layer and sample but sample 3 has more; "
        "lower the weights or the trial's duration, or raise max_spikes."
    )


def test_an_overflow_names_the_sample_and_a_remedy():
    with pytest.raises(SimulationError, match="sample 7 left the range of the number format"):
        raise_status(Status.NOT_FINITE, sample=7, limit=50)
    with pytest.raises(ValueError, match="lower the weights"):
        raise_status(Status.NOT_FINITE, sample=7, limit=50)


def test_kernels_may_return_plain_numbers():
    with pytest.raises(SimulationError):
        raise_status(2, sample=0, limit=1)
    with pytest.raises(ValueError, match="not a valid Status"):
        raise_status(99, sample=0, limit=1)
