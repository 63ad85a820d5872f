"""Windows of the shortest delay give the spikes of the event engine, ties included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import mark_slow
from networks import compiled

from derivations import compile_model, list_models
from sim.engine.choose import simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.rows import build_rows
from sim.windows.simulate import simulate as simulate_in_windows

STRENGTHS = {"qif": 6.0, "lif": 4.3, "lif_alpha": 8.3, "lif_delta": 0.6, "nlif": 3.0, "eif": 8.0,
             "izhikevich": 12.0, "adex": 1.0}  # fmt: skip
"""Of none of them a single input, or a few, take V just to the threshold and no farther."""
DURATIONS = {"izhikevich": 30.0, "adex": 6.0}
DRIVES = {"theta": {"I0": 6.6}, "lif_delta": {"I0": 1.35}, "qif_delta": {"I0": 4.0},
          "rapid_theta": {"I0": 3.0}}  # fmt: skip
SLOW = ("adex", "eif", "izhikevich")
GRID = [0.05, 0.1, 0.15, 0.3]


def draw_matrix(draw, values, n_post, n_pre):
    return np.array([[draw(values) for _ in range(n_pre)] for _ in range(n_post)])


@st.composite
def delayed(draw, names):
    """Populations of one neuron or more that all hear each other after delays, and inputs."""
    sizes = [draw(st.integers(1, 3)) for _ in names]
    scale = [STRENGTHS.get(name, 1.0) for name in names]
    duration = max(DURATIONS.get(name, 3.0) for name in names)
    weight = st.one_of(st.just(0.0), st.integers(-500, 1000).map(lambda w: w / 1000))
    delay, late = st.sampled_from(GRID), st.sampled_from([0.0, *GRID])
    projections = []
    for post, n_post in enumerate(sizes):
        for pre, n_pre in enumerate([*sizes, 2]):
            matrix = scale[post] * draw_matrix(draw, weight, n_post, n_pre)
            given = draw_matrix(draw, delay if pre < len(sizes) else late, n_post, n_pre)
            projections.append(
                Projection(
                    pre=f"p{pre}" if pre < len(sizes) else "in", post=f"p{post}", weights=matrix,
                    mask=draw_matrix(draw, st.booleans(), n_post, n_pre), delays=duration * given,
                )
            )  # fmt: skip
    times = draw(st.lists(st.sampled_from([0.0, *GRID, 0.5, 0.9, 1.0]), max_size=8))
    return Network(
        populations=[
            Population(
                name=f"p{k}", model=compiled(name), size=size,
                parameters=draw(st.sampled_from([{}, DRIVES.get(name, {})])),
            )
            for k, (name, size) in enumerate(zip(names, sizes, strict=True))
        ],
        inputs=[
            SpikeTrains(name="in", size=2, times=duration * np.array(times),
                        channels=np.array([draw(st.integers(0, 1)) for _ in times], int))
        ],
        projections=projections,
        duration=duration,
    )  # fmt: skip


def find_difference(network, probes, block_size):
    """Of times and probed coordinates of windows and events, relative to T and the largest."""
    options = {"probe_times": network.duration * np.array(probes)}
    one = simulate(network, engine="events", **options)
    other = simulate_in_windows(network, block_size=block_size, **options)
    pairs = list(zip(one.trains(), other.trains(), strict=True))
    assert [len(a) for a, _ in pairs] == [len(b) for _, b in pairs]
    keys = list(zip(other.spike_time, other.spike_neuron, strict=True))
    assert keys == sorted(keys)
    assert sorted(one.under_way) == sorted(other.under_way)
    by_time = max(np.max(np.abs(a - b), initial=0.0) for a, b in pairs) / network.duration
    ends = [list_states(r) for r in (one, other)]
    return by_time, np.abs(ends[0] - ends[1]).max() / np.maximum(1.0, np.abs(ends[0]).max())


def list_states(recording):
    """Coordinates at the end and at all probes; homogeneous ones of length 1."""
    found = []
    for population, own in recording.network.parts:
        probed = recording.probed_coordinates[:, :, own].reshape(len(recording.end), -1)
        states = np.hstack([recording.end[:, own], probed])
        scaled = list(population.model.projective)
        states[scaled] /= np.sqrt(np.sum(states[scaled] ** 2, axis=0)) if scaled else 1.0
        found.append(states.ravel())
    return np.concatenate(found)


@pytest.mark.parametrize("name", mark_slow(list_models(), "adex"))
def test_windows_give_the_spikes_and_states_of_the_event_engine(name):
    @given(delayed([name]), st.lists(st.sampled_from([0.0, *GRID, 0.42, 1.0]), max_size=3),
           st.integers(1, 3))  # fmt: skip
    @settings(max_examples=3 if name in SLOW else 60)
    def run(network, probes, block_size):
        by_time, by_state = find_difference(network, probes, block_size)
        assert by_time <= 1e-12
        assert by_state <= 1e-9

    run()


def draw_with_own_delays(name, seed):
    """Eight neurons that hear each other after delays that all differ, and inputs, many of which
    meet them."""
    rng = np.random.default_rng(seed)
    strength, duration = STRENGTHS.get(name, 1.0), DURATIONS.get(name, 3.0)
    own = rng.integers(5, 60, (8, 8)) / 100
    given = np.where(rng.random((8, 4)) < 0.2, 0.0, rng.integers(0, 30, (8, 4)) / 100)
    second = [None, 0.0, 0.05, rng.integers(0, 30, (8, 2)) / 100][seed % 4]
    times = rng.integers(0, 90, 30) / 100
    matrices = [rng.normal(0.1, 0.3, shape) * strength for shape in ((8, 8), (8, 4), (8, 2))]
    shared = rng.normal(0.1, 0.3, (8, 8)) * strength
    projections = [
        Projection(pre="n", post="n", weights=matrices[0], delays=duration * own),
        Projection(pre="in", post="n", weights=matrices[1], delays=duration * given),
    ]
    if seed % 3:
        projections.append(Projection(pre="n", post="n", weights=shared, delays=duration * 0.07))
    if second is not None:
        late = duration * second if np.ndim(second) else float(duration * second)
        projections.append(Projection(pre="more", post="n", weights=matrices[2], delays=late))
    return Network(
        populations=[
            Population(name="n", model=compiled(name), size=8, parameters=DRIVES.get(name, {}))
        ],
        inputs=[
            SpikeTrains(name="in", size=4, times=duration * times, channels=rng.integers(0, 4, 30)),
            SpikeTrains(name="more", size=2, times=duration * times[:9],
                        channels=rng.integers(0, 2, 9)),
        ],
        projections=projections, duration=duration,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["theta", "lif_delta", "lif", "qif"])
def test_connections_may_each_have_a_delay_of_their_own(name):
    for seed in range(12):
        network = draw_with_own_delays(name, seed)
        by_time, by_state = find_difference(network, [0.3, 0.3, 0.5], 1 + seed % 8)
        assert by_time <= 1e-12
        assert by_state <= 1e-9


HALVES = """
[model]
name = "halves"
equations = \"\"\"
dV/dt = I/tau_m
dI/dt = -I/tau_s
\"\"\"
spike = "V = 1"
reset = "V = 0"
rest = {V = 0, I = 0}
[model.inputs]
halve = "I = I/2 + w"
lower = "V -= w"
[parameters]
tau_m = {default = 1.0, domain = "tau_m > 0"}
tau_s = {default = 0.5, domain = "tau_s > 0"}
"""
"""An input halves the current and adds to it: their order counts; another has a port of its own."""


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    file = tmp_path_factory.mktemp("models") / "halves.toml"
    file.write_text(HALVES)
    return compile_model(str(file), backend="numpy")


def draw_ordered(model, seed, *, own_delays, shared):
    """Six neurons and six channels, of which many arrive at one instant, at two ports."""
    rng = np.random.default_rng(seed)
    projections = []
    for port, scale in (("halve", 3.0), ("lower", 0.3)):
        for pre in ("in", "n", "n"):
            delays = rng.choice([0.1, 0.2, 0.3], (6, 6))
            if own_delays and len(projections) % 3 < 2:  # more than are taken as classes
                delays = (2 + rng.permutation(36).reshape(6, 6)) / 20
            if pre == "in":
                delays[rng.random((6, 6)) < 0.3] = 0.0
            mask = rng.random((6, 6)) < 0.8
            weights = scale * rng.uniform(0.2, 1.0, (6, 6))
            projections.append(
                Projection(pre=pre, post="n", weights=weights, mask=mask, delays=delays, port=port)
            )
    times = rng.integers(1, 40, 60) / 10
    parameters = {} if shared else {"tau_m": np.linspace(0.9, 1.1, 6)}
    network = Network(
        populations=[Population(name="n", model=model, size=6, parameters=parameters)],
        inputs=[SpikeTrains(name="in", size=6, times=times, channels=rng.integers(0, 6, 60))],
        projections=projections, duration=5.0,
    )  # fmt: skip
    assert build_rows(network).tract_own_delays.any() == own_delays
    return network


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("own_delays", [False, True])
def test_simultaneous_inputs_act_in_the_order_in_which_they_were_sent(own_delays, shared, halves):
    for seed in range(3):
        network = draw_ordered(halves, seed, own_delays=own_delays, shared=shared)
        by_time, by_state = find_difference(network, [0.3, 0.5], 1 + seed)
        assert by_time <= 1e-12
        assert by_state <= 1e-9


def test_an_input_current_at_the_instant_of_a_spike_comes_after_it():
    """Neurons that begin on their threshold, with parameters of their own."""
    inputs = SpikeTrains(name="in", size=1, times=[0.0, 0.0, 0.5], channels=[0, 0, 0])
    network = Network(
        populations=[
            Population(name="n", model=compiled("lif"), size=3,
                       parameters={"tau_m": [1.0, 1.1, 1.2]}, initial={"V": 1.0, "I": 1.5})
        ],
        inputs=[inputs], duration=3.0,
        projections=[
            Projection(pre="in", post="n", weights=[[2.5], [0.0], [3.0]]),
            Projection(pre="n", post="n", weights=np.full((3, 3), 0.3), delays=0.2),
        ],
    )  # fmt: skip
    assert (simulate(network, engine="events").spike_time[:3] == 0.0).all()
    by_time, by_state = find_difference(network, [0.0, 0.5], 2)
    assert by_time <= 1e-12
    assert by_state <= 1e-9
