import pytest

from spiketheory.errors import InputError
from spiketheory.memory import check_memory, get_memory_size


def test_what_fits_into_memory_passes():
    size = get_memory_size()
    assert size is None or size > 2**20
    check_memory(2**20, "a thousand weights")


def test_what_cannot_fit_into_memory_is_refused(monkeypatch):
    monkeypatch.setattr("spiketheory.memory.get_memory_size", lambda: 2**30)
    with pytest.raises(InputError) as caught:
        check_memory(2**43, "the weights")
    assert str(caught.value) == (
        "Expected a network that fits into 1.0 GiB of memory but the weights need about "
        "8,192.0 GiB; choose fewer neurons or a machine with more memory."
    )


def test_a_system_that_does_not_tell_its_memory_is_not_limited(monkeypatch):
    monkeypatch.delattr("os.sysconf", raising=False)
    monkeypatch.setattr("spiketheory.memory.GROUP_LIMITS", ())
    assert get_memory_size() is None
    check_memory(2**80, "the weights")
