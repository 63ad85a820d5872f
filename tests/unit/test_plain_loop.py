"""The plain event loop: coordinates that grow, and what makes a neuron spike at once."""

import numpy as np
import pytest
from networks import compiled

from sim.engine.choose import differentiate, simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.plain.backward import Backward, start_slopes
from sim.plain.loop import LARGE, Arrival, PlainRun, Spike, StoppedPlainly, rescale
from sim.plain.plain_network import read_network


def make(times, weights, *, model="lif_delta", duration=2.0, parameters=None, initial=None):
    """One neuron and one channel per input."""
    return Network(
        populations=[
            Population(
                name="n", model=compiled(model), size=1, parameters=parameters or {},
                initial=initial or {},
            )
        ],
        inputs=[
            SpikeTrains(name="in", size=len(times), times=times, channels=np.arange(len(times)))
        ],
        projections=[Projection(pre="in", post="n", weights=[weights])],
        duration=duration,
    )  # fmt: skip


def run_plainly(network):
    """All that happened."""
    return PlainRun(network=read_network(network)).run().steps


def list_arrivals(steps):
    return [step for step in steps if isinstance(step, Arrival)]


def list_spikes(steps):
    return [step for step in steps if isinstance(step, Spike)]


def make_growing(weight):
    times = 0.001 * np.arange(1, 400)
    return make(times, [weight] * 399, model="theta", duration=3.0, initial={"phi0": 1.0})


def test_homogeneous_coordinates_that_grow_are_scaled_down_and_nothing_else_notices():
    """Their size would otherwise be beyond 1e150, which stops a run."""
    network = make_growing(-3.0e4)
    arrivals = list_arrivals(run_plainly(network))
    assert max(abs(v) for a in arrivals for v in a.before) < 1e6 * LARGE
    scales = [a.scale for a in arrivals]
    assert scales.count(2.0**-128) > 5
    assert set(scales) == {1.0, 2.0**-128}
    events, plain = (
        simulate(network, engine=engine, record=True) for engine in ("events", "plain")
    )
    np.testing.assert_allclose(plain.spike_time, events.spike_time, rtol=1e-12)
    want, got = (differentiate(r, end=[{"V": 1.0}], parameters=True) for r in (events, plain))
    np.testing.assert_allclose(got.weights[0], want.weights[0], rtol=1e-9)
    np.testing.assert_allclose(got.input_times[0], want.input_times[0], rtol=1e-9)
    assert got.parameters[0]["I0"] == pytest.approx(want.parameters[0]["I0"], rel=1e-9)


def test_only_homogeneous_coordinates_are_scaled():
    assert rescale((3.0, 5.0, 7.0), (0, 2), 0.5) == (1.5, 5.0, 3.5)
    assert rescale((3.0, 5.0), (), 0.5) == (3.0, 5.0)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_state_next_to_the_largest_is_left_and_one_beyond_stops_the_run(sign):
    run = PlainRun(network=read_network(make([0.1], [0.5])))
    assert run.find_scale(0, (sign * 1e150,)) == 1.0
    with pytest.raises(StoppedPlainly, match="finite states but neuron 0 left") as info:
        run.find_scale(0, (sign * 1.001e150,))
    assert info.value.remedy == "lower the weights of its inputs"
    with pytest.raises(StoppedPlainly):
        run.find_scale(0, (float("nan"),))


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_an_input_that_is_taken_back_at_the_same_instant_causes_no_spike(engine):
    """The neuron goes on to a spike of its own, whose time then moves as that of any other."""
    options = {"parameters": {"I0": 1.5}, "duration": 1.8}
    crossing = simulate(make([0.3, 0.3], [1.2, -1.1], **options), engine=engine, record=True)
    plain = simulate(make([0.3], [0.1], **options), engine=engine, record=True)
    assert len(plain.spike_time) == 1
    np.testing.assert_allclose(crossing.spike_time, plain.spike_time, rtol=1e-13)
    assert plain.spike_time[0] > 0.5
    got, want = (differentiate(r, spike_time=np.ones(1)) for r in (crossing, plain))
    np.testing.assert_allclose(got.weights[0][0], want.weights[0][0, 0], rtol=1e-12)
    np.testing.assert_allclose(got.initial[0]["V"], want.initial[0]["V"], rtol=1e-12)


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_spike_at_once_moves_with_the_input_that_crossed_the_threshold_first(engine):
    """Further inputs of that instant leave it beyond; what is above the threshold is lost."""
    network = make([0.3, 0.3, 0.3], [0.4, 1.2, 0.5], duration=0.5)
    recording = simulate(network, engine=engine, record=True)
    assert recording.spike_time.tolist() == [0.3]
    found = differentiate(recording, spike_time=np.ones(1))
    assert found.input_times[0].tolist() == [0.0, 1.0, 0.0]
    assert found.weights[0].tolist() == [[0.0, 0.0, 0.0]]


def test_a_spike_says_what_caused_it_if_anything_did():
    steps = run_plainly(make([0.3, 0.3, 1.0], [0.4, 1.2, 0.1], parameters={"I0": 1.5}))
    causes = [spike.cause for spike in list_spikes(steps)]
    assert causes[0] == ((0, 1), 1)
    assert causes[1:] == [None]


@pytest.mark.parametrize("weight", [0.0, 0.7, -0.7])
def test_where_the_threshold_is_infinite_an_input_at_the_spike_comes_before_it(weight):
    options = {"model": "theta", "parameters": {"I0": 1.5}, "duration": 3.0}
    (time,) = (float(time) for time in simulate(make([2.9], [0.0], **options)).spike_time)
    steps = run_plainly(make([time], [weight], **options))
    assert [type(step) for step in steps[:2]] == [Arrival, Spike]
    assert steps[1].cause is None


def test_a_run_that_is_stopped_at_time_0_has_derivatives_too():
    """They are those by the start, as nothing has happened but an input."""
    run = PlainRun(network=read_network(make([0.0], [0.25]))).run(lambda run: True)
    assert run.now == 0
    slopes = start_slopes(run)
    slopes.states[0] = (1.0,)
    found = Backward(run, slopes).go()
    assert found.weights == [1.0]
    assert found.states == [(1.0,)]
