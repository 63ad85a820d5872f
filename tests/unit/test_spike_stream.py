"""Spikes that are written to HDF5 while a network runs, and read again."""

import errno
import os

import h5py
import numpy as np
import pytest

import sim.files.spike_stream as spike_stream
from derivations import compile_model
from sim.engine.choose import simulate
from sim.events.recording import Advance
from sim.files.batch_file import write_arrays
from sim.files.network_file import collect_network_results
from sim.files.record_table import parse_record, select
from sim.files.result_file import read_result
from sim.files.spike_stream import FullError, SpikeStream
from sim.network.network import Network, Population
from spiketheory.errors import InputError


@pytest.fixture
def network() -> Network:
    model = compile_model("theta", backend="numpy")
    first, second = (
        Population(name=name, model=model, size=size, parameters={"I0": np.linspace(1, 2, size)})
        for name, size in (("a", 3), ("b", 2))
    )
    return Network(populations=[first, second], duration=30.0)


def run(network: Network, stream: SpikeStream, recorded=None):
    def on_advance(advance: Advance) -> bool:
        stream.advance(advance.time)
        return False

    recording = simulate(network, on_spikes=stream.add, on_advance=on_advance, recorded=recorded)
    stream.finish(recording)
    stream.close()
    return recording


@pytest.mark.parametrize("buffer", [1, 10**6])
def test_a_file_that_was_written_on_the_way_holds_what_an_npz_does(
    network, buffer, tmp_path, monkeypatch
):
    monkeypatch.setattr(spike_stream, "BUFFER", buffer)
    run(network, SpikeStream(tmp_path / "a.h5", network, None))
    whole = simulate(network)
    write_arrays(tmp_path / "a.npz", collect_network_results(whole))
    one, other = read_result(tmp_path / "a.h5"), read_result(tmp_path / "a.npz")
    assert len(one.times) > 20
    assert np.array_equal(one.times, other.times)
    assert np.array_equal(one.neurons, other.neurons)
    assert (one.names, one.sizes, one.time) == (("a", "b"), (3, 2), 30.0)
    assert (other.names, other.sizes, other.time) == (("a", "b"), (3, 2), 30.0)
    with h5py.File(tmp_path / "a.h5") as file:  # closed in order: any program opens it
        assert file["closed"][()] == 1
        assert np.array_equal(file["b_V_end"], whole.end_state[1]["V"])
        assert np.array_equal(file["spike_count"], whole.spike_counts)


def test_the_file_can_be_read_while_it_grows(network, tmp_path, monkeypatch):
    monkeypatch.setattr(spike_stream, "PAUSE", 0.0)
    stream = SpikeStream(tmp_path / "a.h5", network, None)
    assert len(read_result(tmp_path / "a.h5").times) == 0
    stream.add(np.array([0.5, 1.0]), np.array([2, 4]))
    stream.advance(1.25)
    found = read_result(tmp_path / "a.h5")
    assert (found.times.tolist(), found.neurons.tolist(), found.time) == ([0.5, 1.0], [2, 4], 1.25)
    with h5py.File(tmp_path / "a.h5", "r", swmr=True) as file:
        assert file["closed"][()] == 0
        assert np.isnan(file["a_V_end"]).all()
    stream.close()


def test_spikes_wait_until_there_are_many_or_time_has_passed(network, tmp_path):
    stream = SpikeStream(tmp_path / "a.h5", network, None)
    stream.add(np.array([0.5]), np.array([2]))
    stream.advance(1.0)
    assert stream.n_written == 0
    stream.last -= 2.0
    stream.advance(1.5)
    assert stream.n_written == 1
    stream.close()


def test_a_disk_that_fills_up_ends_the_run_with_what_came_before(network, tmp_path, monkeypatch):
    stream = SpikeStream(tmp_path / "a.h5", network, None)
    stream.add(np.array([0.5, 1.0]), np.array([2, 4]))
    stream.write(1.0)

    def refuse(handle, offset, length):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    stream.add(np.arange(2.0, 2.0 + spike_stream.CHUNK), np.zeros(spike_stream.CHUNK, int))
    with pytest.raises(FullError, match=r"No space left.*up to t=1 of T=30, 2 spikes, is there"):
        stream.write(2.0)
    stream.close()
    assert read_result(tmp_path / "a.h5").times.tolist() == [0.5, 1.0]
    with h5py.File(tmp_path / "a.h5") as file:  # closed in order
        assert file["t_end"][()] == 1.0


def test_a_write_that_fails_leaves_what_came_before(network, tmp_path, monkeypatch):
    stream = SpikeStream(tmp_path / "a.h5", network, None)
    stream.add(np.array([0.5]), np.array([2]))
    stream.write(1.0)

    class Broken:
        def __getitem__(self, name):
            raise OSError("errno = 28, error message = 'No space left on device'")

    whole, stream.file = stream.file, Broken()
    stream.add(np.array([1.5]), np.array([0]))
    with pytest.raises(FullError, match=r"No space left on device'; what ran up to t=1 of T=30"):
        stream.write(2.0)
    whole.close()
    assert read_result(tmp_path / "a.h5").times.tolist() == [0.5]


def test_a_file_of_some_neurons_says_which(network, tmp_path):
    recorded = np.array([1, 4])
    recording = run(network, SpikeStream(tmp_path / "a.h5", network, recorded), recorded)
    write_arrays(tmp_path / "a.npz", collect_network_results(simulate(network, recorded=recorded)))
    for name in ("a.h5", "a.npz"):
        found = read_result(tmp_path / name)
        assert found.recorded.tolist() == [1, 4]
        assert set(found.neurons) == {1, 4}
    assert recording.spike_counts.sum() > len(found.times)


def test_populations_are_recorded_by_name(network):
    assert parse_record((), network) is None
    assert parse_record(("b", "a=1"), network).tolist() == [0, 3, 4]
    assert parse_record(("a=1:3",), network).tolist() == [1, 2]
    assert select([2, 0, 2], 3).tolist() == [0, 2]
    assert select(0, 3).tolist() == []
    for value in ([3], [True], "2:2", "1:4", 4, -1, True, 1.0, "some"):
        assert select(value, 3) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c", r"Expected --record with one of a, b but got 'c'"),
        ("a=4", r"within the 3 neurons of a but got 'a=4'"),
        ("a=2:1", r"within the 3 neurons of a but got 'a=2:1'"),
    ],
)
def test_neurons_that_are_not_there_are_not_recorded(text, message, network):
    with pytest.raises(InputError, match=message):
        parse_record((text,), network)


GOOD = {
    "spike_time": np.array([0.5, 1.0]), "spike_neuron": np.array([0, 3]),
    "population_name": np.array(["a", "b"]), "population_size": np.array([3, 2]),
    "t_end": np.array(2.0),
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"spike_time": np.array([1.0, 0.5])},
        {"spike_time": np.array([np.nan, 0.5])},
        {"spike_neuron": np.array([0, 5])},
        {"spike_neuron": np.array([0.0, 1.0])},
        {"spike_neuron": np.array([0])},
        {"population_size": np.array([3])},
        {"population_size": np.array([5, 0])},
        {"recorded": np.array([0])},
        {"recorded": np.array([3, 0])},
        {"t_end": np.array([2.0])},
        {"t_end": np.array("late")},
        {"spike_time": np.array([-0.5, 1.0])},
    ],
)
def test_other_arrays_are_refused(change, tmp_path):
    write_arrays(tmp_path / "good.npz", GOOD)
    assert read_result(tmp_path / "good.npz").recorded.tolist() == [0, 1, 2, 3, 4]
    write_arrays(tmp_path / "bad.npz", GOOD | change)
    with pytest.raises(InputError, match=r"Expected sorted spike times, and neurons"):
        read_result(tmp_path / "bad.npz")


def test_files_of_something_else_are_refused(tmp_path):
    write_arrays(tmp_path / "a.npz", {"spike_time": np.zeros(1)})
    with pytest.raises(InputError, match=r"but got no spike_neuron; name a file that spiketheory"):
        read_result(tmp_path / "a.npz")
    (tmp_path / "a.h5").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"Expected an HDF5 file of spikes at .*a.h5"):
        read_result(tmp_path / "a.h5")
