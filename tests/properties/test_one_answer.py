"""One network has one answer: every engine gives the same times and gradients, ties included.

Times agree to 1e-12 of the trial, gradients to 1e-10 of the largest entry of their array.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import mark_slow
from networks import compiled
from one_answer import (
    GRADIENTS,
    TIMES,
    compare,
    compare_in_time,
    compare_recurrent,
    run_plain,
)
from ports import CUBA, make_network

from derivations import compile_readout, list_models
from sim.inputs.trials import Trials
from sim.network.layer_stack import LayerStack
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.readouts import LinearReadout
from spiketheory.language.parse import parse_model
from spiketheory.machine.compile import load_compiled
from spiketheory.route.model_cache import load_or_generate

LAYERED = [name for name in list_models() if compiled(name).has_pseudospikes]
STRENGTHS = {"qif": 6.0, "lif": 4.0, "lif_alpha": 8.0, "lif_delta": 0.6, "nlif": 3.0, "eif": 8.0,
             "izhikevich": 12.0, "adex": 1.0}  # fmt: skip
DURATIONS = {"izhikevich": 30.0, "adex": 6.0}
SLOW = ("adex", "eif", "izhikevich")
"""Models that are integrated, interpreted here."""
OTHERS = mark_slow(list_models(), "adex")
"""One trial of adex takes as long as all of eif and izhikevich, which are integrated like it."""


@st.composite
def layered(draw, name):
    """A stack of 1 to 4 layers, silent to busy, and its input times, of which many coincide."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    strength = STRENGTHS.get(name, 1.0) * draw(st.sampled_from([0.1, 1.0, 3.0]))
    weight = st.integers(-500, 1000).map(lambda w: w / 1000 * strength)
    weights = [
        np.array([[draw(weight) for _ in range(post)] for _ in range(pre)])
        for pre, post in itertools.pairwise(sizes)
    ]
    if draw(st.booleans()):  # two neurons of the first layer that always spike together
        weights[0][:, -1] = weights[0][:, 0]
    duration = draw(st.sampled_from([0.5, 2.0, 5.0]))
    times = draw(st.lists(st.sampled_from([0.0, 0.1, 0.1, 0.4, 0.7, np.inf]),
                          min_size=sizes[0], max_size=sizes[0]))  # fmt: skip
    network = LayerStack(model=compiled(name), duration=duration, weights=tuple(weights))
    return network, np.array(times), draw(st.integers(1, 3))


@pytest.mark.parametrize("name", LAYERED)
def test_all_engines_give_one_answer_for_layers(name):
    spiked = []

    @given(layered(name))
    def run(drawn):
        network, times, n_required = drawn
        for options in ({}, {"other": run_plain}):
            by_time, by_gradient = compare(network, times, n_required, **options)
            assert by_time <= TIMES
            assert by_gradient <= GRADIENTS
        spiked.append(by_time >= 0)

    run()
    assert len(spiked) >= 20


@st.composite
def recurrent(draw, name):
    """Up to three neurons, any connections, self-connections and delays included."""
    n = draw(st.integers(1, 3))
    weight = st.integers(-500, 1000).map(lambda w: w / 1000 * STRENGTHS.get(name, 1.0))
    duration = DURATIONS.get(name, 3.0)
    drawn = [np.array([[draw(weight) for _ in range(n_pre)] for _ in range(n)]) for n_pre in (n, 2)]
    delays = duration * np.array([[draw(st.sampled_from([0.0, 0.05, 0.1])) for _ in range(n)]
                                  for _ in range(n)])  # fmt: skip
    times = draw(st.lists(st.sampled_from([0.0, 0.1, 0.1, 0.3, 0.5]), max_size=5))
    channels = [draw(st.integers(0, 1)) for _ in times]
    return Network(
        populations=[Population(name="cells", model=compiled(name), size=n)],
        inputs=[
            SpikeTrains(name="in", size=2, times=duration * np.array(times),
                        channels=np.array(channels, int))
        ],
        projections=[
            Projection(pre="cells", post="cells", weights=drawn[0], mask=drawn[0] != 0,
                       delays=delays),
            Projection(pre="in", post="cells", weights=drawn[1], mask=drawn[1] != 0),
        ],
        duration=duration,
    )  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_recurrent_networks_have_one_answer_in_both_event_loops(name):
    @given(recurrent(name))
    @settings(max_examples=4 if name in SLOW else 60)
    def run(circuit):
        by_time, by_gradient = compare_recurrent(circuit)
        assert by_time <= TIMES
        assert by_gradient <= GRADIENTS

    run()


@st.composite
def in_time(draw, name):
    """One or two layers that may be recurrent, with axonal delays, a readout and two trials."""
    weight = st.integers(-500, 1000).map(lambda w: w / 1000 * STRENGTHS.get(name, 1.0))
    delay = st.sampled_from([0.0, 0.05, 0.1])
    duration = DURATIONS.get(name, 3.0)
    sizes = [2, *draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))]

    def connect(pre, post, n_pre, n_post, *, delays):
        drawn = [draw(weight) for _ in range(n_pre * n_post)]
        late = duration * np.array([draw(delay) if delays else 0.0 for _ in range(n_pre)])
        return Projection(
            pre=pre, post=post, weights=np.reshape(drawn, (n_post, n_pre)),
            delays=np.broadcast_to(late, (n_post, n_pre)),
        )  # fmt: skip

    names = ["in", *(f"layer{k}" for k in range(1, len(sizes)))]
    projections = [
        connect(names[k], names[k + 1], sizes[k], sizes[k + 1], delays=k > 0)
        for k in range(len(sizes) - 1)
    ]
    projections += [
        connect(names[k], names[k], sizes[k], sizes[k], delays=True)
        for k in range(1, len(sizes))
        if draw(st.booleans())
    ]
    kind = draw(st.sampled_from(["leaky_integrator", "maximum", "potential_at_end"]))
    cube = np.array([draw(st.integers(-9, 9)) for _ in range(2 * sizes[-1])]).reshape(2, -1)
    readout = LinearReadout(
        compiled=compile_readout(kind, backend="numpy", tau_m=duration / 3, tau_s=duration / 9),
        weights=cube, bias=np.array([0.5, -0.5]),
    )  # fmt: skip
    times = st.lists(st.sampled_from([0.0, 0.1, 0.1, 0.3, 0.5]), max_size=4)
    trains = [[duration * np.sort(draw(times)) for _ in range(2)] for _ in range(2)]
    silent = np.empty(0)
    network = Network(
        populations=[
            Population(name=n, model=compiled(name), size=size)
            for n, size in zip(names[1:], sizes[1:], strict=True)
        ],
        inputs=[SpikeTrains(name="in", size=2, times=silent, channels=silent.astype(int))],
        projections=projections,
        readouts=[readout],
        duration=duration,
    )
    return network, Trials.from_trains(trains)


@pytest.mark.parametrize("name", OTHERS)
def test_layers_in_time_give_the_answer_of_the_plain_loop(name):
    @given(in_time(name))
    @settings(max_examples={"lif_alpha": 20}.get(name, 3 if name in SLOW else 40))
    def run(drawn):
        network, trials = drawn
        by_time, by_gradient = compare_in_time(network, trials, np.zeros((2, 2)))
        assert by_time <= TIMES
        assert by_gradient <= GRADIENTS

    run()


@st.composite
def with_ports(draw, model):
    """Two neurons with inputs, and each other, at two ports, and a current in steps."""
    grid = st.integers(-500, 1000).map(lambda w: w / 1000)
    weights = np.array(draw(st.lists(grid, min_size=8, max_size=8))).reshape(2, 2, 2)
    times = draw(st.lists(st.sampled_from([0.0, 0.1, 0.1, 0.7, 1.5, 2.0]), max_size=6))
    return make_network(
        model, weights * np.array([6.0, 0.6])[:, None, None], times=2 * np.array(times),
        channels=np.array([draw(st.integers(0, 1)) for _ in times], int),
        steps=((0.0, draw(grid) * 2), (1.4, draw(grid)), (2.0, 1.5)),
        recurrent=(draw(grid) * 4, draw(grid)), delay=draw(st.sampled_from([0.0, 0.3])),
        duration=5.0,
    )  # fmt: skip


def test_networks_with_ports_and_currents_have_one_answer_in_both_event_loops():
    model = load_compiled(load_or_generate(parse_model(CUBA)), backend="numpy")

    @given(with_ports(model))
    @settings(max_examples=60)
    def run(circuit):
        by_time, by_gradient = compare_recurrent(circuit)
        assert by_time <= TIMES
        assert by_gradient <= GRADIENTS

    run()


def test_models_that_layers_run_are_those_with_pseudospikes():
    assert LAYERED == ["qif", "qif_delta", "rapid_theta", "theta"]
