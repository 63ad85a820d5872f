"""Networks in rows of blocks: the same connections as the matrices', however they are cut."""

from itertools import chain

import numpy as np
import pytest
import scipy.sparse
from networks import compiled

from derivations import compile_model
from sim.network.currents import CurrentSteps
from sim.network.distribution import Distribution
from sim.network.drawn import Drawn
from sim.network.listed import Listed
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.row_layout import FLOAT32, FLOAT64, ONE
from sim.network.rows import BlockRows, build_rows, estimate_rows
from sim.network.wiring import wire
from spiketheory.errors import InputError

N = 60
CHOICE = Distribution(kind="choice", numbers=(0.1, 0.2, 0.3))
UNIFORM = Distribution(kind="uniform", numbers=(0.1, 0.3))
NORMAL = Distribution(kind="normal", numbers=(1.0, 0.5), at_least=0.25)
MANY = Distribution(kind="choice", numbers=np.arange(1, 30) / 10)


def make(*projections: Projection, **more) -> Network:
    sizes = {"a": N, "b": 25}
    populations = [
        Population(name=name, model=compiled("theta"), size=n) for name, n in sizes.items()
    ]
    return Network(populations=populations, projections=projections, duration=2.0, **more)


def drawn(rule: str = "in_degree", number: float = 7, **more) -> Projection:
    given = Drawn(rule=rule, number=number, shape=(N, N), self_connections=False, **more)
    return Projection(pre="a", post="a", weights=given)


def walk(rows: BlockRows) -> list[tuple]:
    """Source, target, weight, delay in ticks and port of every connection, as the engine reads."""
    found = []
    weights = {FLOAT32: rows.weights32, FLOAT64: rows.weights64}
    for k, first in enumerate(rows.tract_sources):
        sender = np.searchsorted(rows.senders, first, side="right") - 1
        assert rows.sender_tracts[sender] <= k < rows.sender_tracts[sender + 1]
        for b in range(len(rows.bounds) - 1):
            if rows.starts_at[b, k] < 0:
                continue
            for source in range(first, rows.senders[sender + 1]):
                o = rows.starts_at[b, k] + source - first
                row = range(rows.starts[o], rows.starts[o + 1])
                targets = [int(rows.targets[rows.targets_at[b, k] + e]) for e in row]
                assert targets == sorted(set(targets))
                for e, target in zip(row, targets, strict=True):
                    kind, delay = rows.tract_kinds[k], rows.tract_delays[k]
                    weight = (
                        rows.tract_weights[k]
                        if kind == ONE
                        else weights[kind][rows.weights_at[b, k] + e]
                    )
                    if rows.tract_own_delays[k]:
                        delay = rows.delays[rows.delays_at[b, k] + e] * rows.delay_step
                        assert rows.tract_delays[k] <= delay <= rows.tract_longest[k]
                    port = rows.tract_ports[k]
                    found.append((source, rows.bounds[b] + target, weight, delay, port))
    return sorted(tuple(map(float, one)) for one in found)


def walk_wires(network: Network) -> list[tuple]:
    """The same of the arrays of the event engine."""
    wires = wire(network).wires
    sources = np.repeat(np.arange(network.n_sources), np.diff(wires.source_groups))
    n = np.diff(wires.group_edges)
    ports = wires.ports if len(wires.ports) else np.zeros(len(wires.targets))
    columns = np.repeat(sources, n), wires.targets, wires.weights, np.repeat(wires.group_delays, n)
    return sorted(tuple(map(float, one)) for one in zip(*columns, ports, strict=True))


RULES = [
    *(("in_degree", k) for k in (0, 7, 50, N - 1)),
    *(("out_degree", k) for k in (7, 50)),
    *(("total", k) for k in (100, 3000, N * (N - 1))),
    *(("probability", p) for p in (0.0, 0.1, 1.0)),
]


@pytest.mark.parametrize(("rule", "number"), RULES)
def test_drawn_connections_are_the_same_in_any_blocks_and_in_every_engine(rule, number):
    for delay, weight in ((0.1, 2.0), (CHOICE, NORMAL), (UNIFORM, NORMAL), (MANY, UNIFORM)):
        network = make(drawn(rule, number, delay=delay, weight=weight))
        wanted = walk_wires(network)
        assert walk(build_rows(network)) == wanted
        assert walk(build_rows(network, block_size=13)) == wanted
        parts = [build_rows(network, block_size=9, neurons=slice(*e)) for e in ((0, 31), (31, 85))]
        assert sorted(chain(*map(walk, parts))) == wanted


@pytest.mark.parametrize(("rule", "number"), RULES)
def test_drawn_connections_keep_their_rule(rule, number):
    projection = drawn(rule, number)
    dense = projection.matrix.toarray()
    assert not np.diag(dense).any()
    assert projection.matrix.nnz == projection.n_connections == dense.sum()
    if rule == "in_degree":
        assert (dense.sum(axis=1) == number).all()
    elif rule == "out_degree":
        assert (dense.sum(axis=0) == number).all()
    elif rule == "total":
        assert dense.sum() == number
    else:
        sd = np.sqrt(number * (1 - number) * N * (N - 1))
        assert abs(dense.sum() - number * N * (N - 1)) <= 4 * sd


PORTS = """
[model]
name = "two_ports"
equations = "dV/dt = X\\ndX/dt = 0"
spike = "V = 1"
reset = "V = 0"
rest = {V = 0, X = 0}
[model.inputs]
drive = "X += w"
exc = "V += w"
"""


def test_projections_of_all_kinds_stand_beside_each_other(tmp_path):
    (tmp_path / "two_ports.toml").write_text(PORTS)
    model = compile_model(str(tmp_path / "two_ports.toml"), backend="numpy")
    rng = np.random.default_rng(0)
    pattern = scipy.sparse.random_array((N, 25), density=0.2, rng=rng, format="coo")
    few = scipy.sparse.coo_array(
        (rng.integers(1, 4, pattern.nnz) / 10, (pattern.row, pattern.col)), shape=pattern.shape
    )
    ends = np.arange(25)
    network = Network(
        populations=[Population(name=n, model=model, size=k) for n, k in (("a", N), ("b", 25))],
        inputs=[SpikeTrains(name="in", size=5, times=[], channels=np.empty(0, int))],
        currents=[CurrentSteps(name="current", size=25, times=[0.0, 1.0], values=[0.5, 2.0])],
        projections=[
            drawn(delay=UNIFORM, weight=NORMAL, precision="float32"),
            Projection(pre="in", post="b", weights=rng.uniform(size=(25, 5))),
            Projection(pre="b", post="a", weights=pattern, delays=few),
            Projection(pre="b", post="a", weights=pattern, delays=0.3, port="exc"),
            Projection(
                pre="b", post="b", port="drive",
                weights=Listed(sources=ends[::-1], targets=ends, shape=(25, 25), delays=ends / 7),
            ),
            Projection(
                pre="current", post="b", port="drive",
                weights=scipy.sparse.coo_array((rng.normal(size=25), (ends, ends))),
            ),
            Projection(
                pre="current", post="b", port="drive",
                weights=Drawn(rule="in_degree", number=3, shape=(25, 25), stream=1,
                              weight=NORMAL, precision="float32"),
            ),
        ],
        duration=2.0,
    )  # fmt: skip
    for block_size in (65_536, 13):
        rows = build_rows(network, block_size=block_size)
        assert walk(rows) == walk_wires(network)
        assert rows.ticks == wire(network).wires.ticks
    assert set(rows.tract_kinds) == {ONE, FLOAT32, FLOAT64}
    assert (np.diff(rows.tract_sources) >= 0).all()


@pytest.mark.parametrize("rule", ["in_degree", "out_degree"])
def test_threads_change_nothing(monkeypatch, rule):
    network = make(drawn(rule, 7, delay=CHOICE, weight=NORMAL))
    found = []
    for n_threads in ("1", "3"):
        monkeypatch.setenv("SPIKETHEORY_THREADS", n_threads)
        found.append(build_rows(network, block_size=13))
    assert all(np.array_equal(*pair) for pair in zip(*found, strict=True))


def test_each_entry_says_which_connection_it_is():
    listed = Listed(sources=[3, 0, 1], targets=[0, 59, 2], shape=(N, N), weights=[1.0, 2.0, 3.0])
    network = make(
        drawn(number=3, weight=NORMAL, delay=CHOICE),
        Projection(pre="a", post="a", weights=listed),
        drawn("out_degree", 3, weight=NORMAL),
    )
    rows = build_rows(network, block_size=13, places=True)
    data = np.concatenate([p.matrix.data for p in network.projections])
    seen = []
    for k in range(len(rows.tract_sources)):
        for b in range(len(rows.bounds) - 1):
            o = rows.starts_at[b, k]
            if o < 0:
                continue
            n = rows.starts[o + N]
            places = rows.places[rows.targets_at[b, k] :][:n] + rows.tract_firsts[k]
            weights = rows.weights64[rows.weights_at[b, k] :][:n]
            assert weights.tolist() == data[places].tolist()
            seen += places.tolist()
    assert sorted(seen) == list(range(len(data)))


def test_what_does_not_fit_is_refused_before_anything_is_built(monkeypatch):
    n = 10**7
    population = Population(name="a", model=compiled("theta"), size=n)
    given = Drawn(rule="in_degree", number=1000, shape=(n, n), weight=NORMAL)
    network = Network(
        populations=[population], duration=1.0,
        projections=[Projection(pre="a", post="a", weights=given)],
    )  # fmt: skip
    monkeypatch.setattr("spiketheory.memory.get_memory_size", lambda: 16 * 2**30)
    message = (
        "Expected a network of 10,000,000,000 connections that fits into 16.0 GiB of memory but it "
        "needs about 98.8 GiB: 74.5 GiB for weights, 18.6 GiB for targets, 5.7 GiB for beginnings "
        "of rows; give projections one, or single precision."
    )
    with pytest.raises(InputError) as caught:
        build_rows(network)
    assert str(caught.value) == message
    with pytest.raises(InputError, match="the connections a -> a as a list need"):
        _ = network.projections[0].matrix
    assert "10000000000 connections" in repr(network)


@pytest.mark.parametrize("block_size", [0, 65_537])
def test_blocks_are_as_large_as_two_bytes_can_count(block_size):
    with pytest.raises(InputError, match="Expected blocks of 1 to 65536 neurons but got"):
        build_rows(make(), block_size=block_size)


def test_the_estimate_is_what_is_taken():
    network = make(
        drawn(number=20, weight=NORMAL, delay=UNIFORM),
        drawn("out_degree", 20, precision="float32", weight=UNIFORM, delay=CHOICE),
        drawn("total", 2000),
    )
    for block_size in (65_536, 13):
        rows = build_rows(network, block_size=block_size)
        taken = [rows.targets, rows.weights32, rows.weights64, rows.delays, rows.starts]
        wanted = sum(need.n_bytes for need in estimate_rows(network, block_size=block_size))
        assert wanted == sum(array.nbytes for array in taken)


def test_a_connection_that_is_twice_among_many_is_found():
    n = 400
    rows, columns = np.divmod(np.arange(n * n), n)
    rows[7], columns[7] = 3, 5
    matrix = scipy.sparse.coo_array((np.ones(n * n), (rows, columns)), shape=(n, n))
    with pytest.raises(InputError, match=r"Expected each connection once in .* but got 5 -> 3"):
        Projection(pre="a", post="b", weights=matrix)
    columns[7], rows[7] = 7, 0
    matrix = scipy.sparse.coo_array((np.ones(n * n), (rows, columns)), shape=(n, n))
    assert Projection(pre="a", post="b", weights=matrix).is_full
