"""Sums of blocks: the same tree, whoever adds which part of it."""

from types import SimpleNamespace

import numpy as np
import pytest

from sim.cluster.data_parallel import ClusterShare, PartDone, PartShare, cut_blocks
from sim.kernels.sums import Blocks, add_in_tree, add_nodes, find_top, run_blocks, share_blocks
from spiketheory.errors import ClusterError


def draw_blocks(n_blocks):
    """Numbers of very different sizes: in another order they add up to other bits."""
    rng = np.random.default_rng(n_blocks)
    return [[rng.normal(size=5) * 10.0 ** rng.integers(-8, 8, 5)] for _ in range(n_blocks)]


def copy(blocks):
    return [[array.copy() for array in own] for own in blocks]


@pytest.mark.parametrize("n_blocks", range(1, 18))
@pytest.mark.parametrize("pieces", [1, 2, 3, 5, 16])
def test_parts_that_are_added_apart_give_the_bits_of_the_whole_tree(n_blocks, pieces):
    blocks = draw_blocks(n_blocks)
    whole = copy(blocks)
    add_in_tree(whole, 1)
    nodes = {}
    pieces = min(pieces, n_blocks)
    for place in range(pieces):
        first, last = cut_blocks(n_blocks, place, pieces)
        part = {(0, b): copy(blocks)[b] for b in range(first, last)}
        add_nodes(part, n_blocks)
        nodes |= part
    add_nodes(nodes, n_blocks)
    assert list(nodes) == [find_top(n_blocks)]
    np.testing.assert_array_equal(nodes[find_top(n_blocks)][0], whole[0][0])


def test_another_order_gives_other_bits():
    blocks = draw_blocks(16)
    whole = copy(blocks)
    add_in_tree(whole, 1)
    in_order = np.sum([own[0] for own in blocks[::-1]], axis=0)
    assert in_order.tolist() != whole[0][0].tolist()


def make_batch(n_blocks):
    """Blocks that write down who they are."""
    results, blocks = np.zeros(n_blocks), draw_blocks(n_blocks)

    def run(b):
        results[b] = b + 1
        return 0, b

    return Blocks(run=run, sums=blocks, rows=lambda b: [results[b : b + 1]]), results


def test_a_part_runs_its_own_blocks_and_goes_no_further():
    blocks, results = make_batch(5)
    share = PartShare(0, 1, 2)
    with pytest.raises(PartDone), share_blocks(share):
        run_blocks(blocks)
    assert results.tolist() == [0.0, 0.0, 3.0, 4.0, 5.0]
    assert share.part.first == 2
    assert [rows[0].tolist() for rows in share.part.rows] == [[3.0], [4.0], [5.0]]


def test_batches_before_the_shared_one_are_run_whole():
    share = PartShare(1, 0, 2)
    with share_blocks(share):
        first, results = make_batch(4)
        run_blocks(first)
        assert results.tolist() == [1.0, 2.0, 3.0, 4.0]
        with pytest.raises(PartDone):
            run_blocks(make_batch(4)[0])


def test_what_must_stay_here_is_not_shared():
    blocks, results = make_batch(3)
    with share_blocks(PartShare(0, 0, 3)):
        run_blocks(blocks, here=True)
    assert results.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("when", ["gather", "nthreads"])
def test_a_cluster_that_has_gone_is_no_fault_of_the_training(when):
    pytest.importorskip("distributed")

    def fail(*_):
        raise TimeoutError("nobody is there")

    methods = {"nthreads": lambda: {"a": 1}, "submit": lambda *a, **k: None, when: fail}
    client = SimpleNamespace(**methods)
    share = ClusterShare(client, SimpleNamespace(key="k"))
    state = SimpleNamespace(parameters=[np.zeros(2)], kept={})
    share.begin(state, np.arange(3), np.random.default_rng(0))
    with pytest.raises(ClusterError, match="go on with --resume"), share_blocks(share):
        run_blocks(make_batch(3)[0])
