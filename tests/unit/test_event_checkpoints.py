"""Going back through checkpoints gives what going back through a whole tape gives, to the bit."""

import numpy as np
import pytest
from networks import compiled

from sim.events import checkpoints
from sim.events.differentiate import differentiate
from sim.events.simulate import simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.errors import InputError


def make_network(duration=9.0):
    """Two models; delays that tie, none, and long ones; an input under way for long."""
    rng = np.random.default_rng(3)
    sparse = np.where(rng.random((4, 4)) < 0.6, rng.normal(0, 0.5, (4, 4)), 0)
    return Network(
        populations=[
            Population(name="a", model=compiled("theta"), size=4, initial={"V": [0.1, 0.5, 2, -1]}),
            Population(name="b", model=compiled("lif"), size=3),
        ],
        inputs=[SpikeTrains(name="in", size=2, times=[0.2, 0.2, 0.9, 4], channels=[0, 1, 0, 1])],
        projections=[
            Projection(pre="a", post="a", weights=sparse, delays=0.5),
            Projection(pre="a", post="b", weights=np.full((3, 4), 1.7), delays=1.75),
            Projection(pre="b", post="a", weights=np.full((4, 3), 0.3), delays=0.5),
            Projection(pre="in", post="a", weights=np.full((4, 2), 0.4), delays=2.5),
            Projection(pre="in", post="b", weights=np.full((3, 2), 3.0)),
        ],
        duration=duration,
    )  # fmt: skip


def list_gradients(gradients):
    """All numbers of a gradient."""
    found = [np.asarray(m) for m in (*gradients.weights, *gradients.delays, *gradients.input_times)]
    for part in (*gradients.initial, *gradients.parameters):
        found += [np.atleast_1d(part[name]) for name in sorted(part)]
    return np.concatenate([np.ravel(array) for array in found])


def go_back(recording):
    rng = np.random.default_rng(1)
    n_probes, n_probed = len(recording.probe_times), len(recording.probed)
    return differentiate(
        recording, spike_time=rng.normal(size=len(recording.spike_time)),
        end=[{"V": rng.normal(size=4)}, {"I": rng.normal(size=3)}],
        probed_state=[{}, {"V": rng.normal(size=(n_probes, n_probed - 1))}], parameters=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def want():
    return simulate(make_network(), record=True, probe_times=[0.3, 2.95, 8.0], probed=[1, 4, 6])


@pytest.mark.parametrize(
    ("share", "most", "at_least"), [(1, 1000, 60), (7, 1000, 15), (3, 4, 3), (10**6, 4, 1)]
)
def test_stretches_have_the_gradient_of_the_whole(monkeypatch, want, share, most, at_least):
    monkeypatch.setattr("sim.events.simulate.SHARES", {"numpy": share})
    monkeypatch.setattr(checkpoints, "MOST_CHECKPOINTS", most)
    got = simulate(
        make_network(), record="checkpoints", probe_times=[0.3, 2.95, 8.0], probed=[1, 4, 6]
    )
    assert got.tape is None
    kept = got.checkpoints.kept
    assert at_least <= len(kept) <= most
    if at_least > 1:
        assert max(max(one.in_flight.events, default=-1) for one in kept[1:]) >= 0
    assert got.spike_time.tolist() == want.spike_time.tolist()
    assert len(got.spike_time) > 20
    np.testing.assert_array_equal(list_gradients(go_back(got)), list_gradients(go_back(want)))


def test_a_run_that_was_stopped_can_be_gone_back_through(monkeypatch):
    monkeypatch.setattr("sim.events.simulate.SHARES", {"numpy": 9})
    stop = lambda advance: advance.time > 5  # noqa: E731
    runs = [simulate(make_network(), record=r, on_advance=stop) for r in (True, "checkpoints")]
    assert 5 < runs[0].time == runs[1].time < 9
    slopes = np.cos(np.arange(len(runs[0].spike_time)))
    one, other = (differentiate(r, spike_time=slopes, parameters=True) for r in runs)
    np.testing.assert_array_equal(list_gradients(one), list_gradients(other))


def test_checkpoints_are_between_instants(monkeypatch):
    monkeypatch.setattr("sim.events.simulate.SHARES", {"numpy": 1})
    got = simulate(make_network(), record="checkpoints")
    times = [one.time for one in got.checkpoints.kept]
    assert len(set(times)) == len(times)


def test_another_word_for_record_is_refused():
    with pytest.raises(InputError, match="Expected record to be one of checkpoints but"):
        simulate(make_network(), record="tape")
