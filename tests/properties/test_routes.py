"""Ways of one length are of one length: whatever is under way on them arrives at one instant.

A neuron sends its spikes through chains of others that spike at once when they are reached. The
delays of the chains are permuted, and where they are decimals, one connection has their sum.
"""

import dataclasses
import itertools
from decimal import Decimal

import mpmath
import numpy as np
import pytest
from circuits import EXACT
from exact import DIGITS
from hypothesis import example, given
from hypothesis import strategies as st
from networks import compiled

from sim.engine.choose import differentiate, simulate
from sim.network.instants import SHORTEST, choose_ticks, count_ticks, find_arrival
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.plain.loop import PlainRun
from sim.plain.plain_network import read_network
from spiketheory.errors import InputError

STRONG = 5.0
"""Carries a neuron across its threshold from anywhere."""


def add_exactly(delays):
    """The float next to the sum of delays as they are written."""
    return float(sum(Decimal(repr(d)) for d in delays))


class Routes:
    """Neuron 0 sends by several routes to neuron 1 and, each, to an ear of its own.

    The first route excites neuron 1 so that it would spike; another takes that back.
    """

    def __init__(self, routes, *, duration, drive=0.0, inputs=(), excite=1.5, inhibit=-1.5):
        self.edges, self.ears, self.n = [], [], 2
        for k, delays in enumerate(routes):
            at = 0
            for delay in delays[:-1]:
                self.edges.append((at, self.n, STRONG, delay))
                at, self.n = self.n, self.n + 1
            weight = excite if k == 0 else inhibit / (len(routes) - 1)
            self.edges += [(at, 1, weight, delays[-1]), (at, self.n, STRONG, delays[-1])]
            self.ears.append(self.n)
            self.n += 1
        self.duration, self.drive, self.inputs = duration, drive, inputs

    def build(self):
        """The network."""
        weights, delays = np.zeros((2, self.n, self.n))
        for source, target, weight, delay in self.edges:
            weights[target, source], delays[target, source] = weight, delay
        to = np.zeros((self.n, 1))
        to[0] = STRONG
        drive = np.zeros(self.n)
        drive[0] = self.drive
        return Network(
            populations=[
                Population(
                    name="n", model=compiled("lif_delta"), size=self.n,
                    parameters={"tau": self.duration, "I0": drive, "V_th": 1.0},
                )
            ],
            inputs=[SpikeTrains(name="in", size=1, times=np.array(self.inputs, float),
                                channels=np.zeros(len(self.inputs), int))],
            projections=[
                Projection(pre="in", post="n", weights=to, mask=to != 0),
                Projection(pre="n", post="n", weights=weights, mask=weights != 0, delays=delays),
            ],
            duration=self.duration,
        )  # fmt: skip

    def list_trains(self):
        """Spikes of all neurons by engine; the plain one also in 50 digits."""
        network = self.build()
        found = {e: simulate(network, engine=e).trains() for e in ("events", "plain")}
        with mpmath.workdps(DIGITS):
            run = PlainRun(network=read_network(network, EXACT)).run()
            found["digits"] = [[t for t, i in run.spikes if i == k] for k in range(self.n)]
        return found

    def check(self):
        """All ears hear at one instant, and neuron 1 never spikes."""
        for engine, trains in self.list_trains().items():
            heard = [list(trains[ear]) for ear in self.ears]
            assert 0 < len(heard[0]) <= len(trains[0]), engine
            assert all(times == heard[0] for times in heard), engine
            assert len(trains[1]) == 0, engine


@st.composite
def routes(draw):
    """Routes of permuted delays, and when neuron 0 spikes."""
    exponent = draw(st.integers(-9, 6))
    decimal = draw(st.booleans())

    def time(most):
        k = draw(st.integers(1, most))
        return float(f"{k}e{exponent - 4}") if decimal else k / 3e4 * 10.0**exponent

    delays = [time(1500) for _ in range(draw(st.integers(2, 3)))]
    found = list(dict.fromkeys(itertools.permutations(delays)))
    if decimal:
        found.append((add_exactly(delays),))
    if len(found) == 1:
        found.append((*delays[:-1], delays[-1]))
    duration = 2.0 * 10.0**exponent
    if draw(st.booleans()):
        return Routes(found, duration=duration, drive=draw(st.floats(2.0, 3.0)))
    return Routes(found, duration=duration, inputs=[time(9000)])


@given(routes())
@example(Routes([(0.02, 0.0507), (0.0507, 0.02)], duration=2.0032, drive=2.37))
@example(Routes([(0.02, 0.0507), (0.0507, 0.02)], duration=2.0032, inputs=[0.2]))
@example(Routes([(0.1, 0.1, 0.1), (0.1, 0.2), (0.2, 0.1), (0.3,)], duration=1.0, inputs=[0.1]))
def test_routes_whose_delays_are_permuted_arrive_at_one_instant_in_every_engine(drawn):
    drawn.check()


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(-7, 8))
@example(1, 2, -1)
def test_an_input_meets_one_that_set_out_before_it(first, second, exponent):
    """0.1 and a delay of 0.2 are an input at 0.3, in trials of 1e-7 to 1e15."""
    start, delay, end = (float(f"{k}e{exponent}") for k in (first, second, first + second))
    ticks = choose_ticks(3 * end, [np.array([delay])])
    assert find_arrival(start, count_ticks(np.array([delay]), ticks)[0], ticks) == end


@given(st.floats(0, 1), st.floats(0, 2), st.floats(1e-280, 1e280))
def test_nothing_arrives_before_it_was_sent_nor_far_from_when_it_should(start, delay, duration):
    start, delay = start * duration, delay * duration
    ticks = choose_ticks(duration, [np.array([duration])])
    count = count_ticks(np.array([delay]), ticks)[0]
    if count:
        arrival = find_arrival(start, count, ticks)
        assert arrival > start
        assert abs(arrival - (start + delay)) <= 1.2e-14 * duration
        assert np.rint(arrival * ticks) == np.rint(start * ticks) + count or arrival > duration


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_delay_of_less_than_half_a_tick_is_none(engine):
    routes = Routes([(1e-16,), (5e-324,)], duration=1.0, inputs=[0.1])
    trains = simulate(routes.build(), engine=engine).trains()
    assert [trains[ear].tolist() for ear in routes.ears] == [[0.1], [0.1]]


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_delay_longer_than_any_trial_never_ends(engine):
    routes = Routes([(1e308,), (3.0,)], duration=1.0, inputs=[0.1])
    recording = simulate(routes.build(), engine=engine, record=True)
    assert recording.spike_neuron.tolist() == [0]
    assert np.all(differentiate(recording, spike_time=np.ones(1)).delays[1] == 0)
    assert len(recording.under_way) == 2


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_too_short_a_trial_with_delays_says_so(engine):
    network = Routes([(0.1,), (0.2,)], duration=1.0, inputs=[0.0]).build()
    network = dataclasses.replace(network, duration=SHORTEST / 2)
    with pytest.raises(InputError, match=r"Expected a duration of at least 1e-290 .* got 5e-291;"):
        simulate(network, engine=engine)
