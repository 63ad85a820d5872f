"""One sample of a layered network: inputs in bins are summed, and share a gradient."""

import numpy as np
import pytest

from sim.layers.sample import gather_bins, list_inputs, scatter_bins


def sort_into_bins(bins, n_bins):
    """Inputs bin by bin, and where each bin begins."""
    inputs, spare = np.full(len(bins), -1), np.full(len(bins), -1)
    starts = np.full(n_bins + 1, -1)
    count = list_inputs(np.array(bins), n_bins, inputs, starts, spare)
    return inputs[:count].tolist(), starts.tolist()


def test_inputs_are_listed_bin_by_bin_and_those_of_no_bin_left_out():
    assert sort_into_bins([2, 0, 3, 2, 1, 0, 3], 3) == ([1, 5, 4, 0, 3], [0, 2, 3, 5])
    assert sort_into_bins([2, 2], 2) == ([], [0, 0, 0])
    assert sort_into_bins([0, 1, 0, 0], 1) == ([0, 2, 3], [0, 3])


@pytest.mark.parametrize("n_bins", [1, 2, 3])
@pytest.mark.parametrize("n_inputs", [0, 1, 3, 4, 5, 8, 11, 30])
def test_a_bin_has_the_sum_of_the_weights_of_its_inputs_and_shares_its_gradient(n_inputs, n_bins):
    rng = np.random.default_rng(n_inputs)
    bins = rng.integers(0, n_bins + 1, n_inputs)
    weights = rng.integers(-8, 9, (n_inputs, 3)).astype(float)
    inputs, starts = map(np.array, sort_into_bins(bins, n_bins))
    summed = np.full((n_bins, 3), np.nan)
    gather_bins(inputs, starts, weights, summed)
    for v in range(n_bins):
        assert summed[v].tolist() == weights[bins == v].sum(axis=0).tolist()
    by_bin, gradient = rng.normal(size=(n_bins, 3)), np.ones((n_inputs, 3))
    scatter_bins(bins, inputs, len(inputs), by_bin, gradient)
    for m, v in enumerate(bins):
        assert gradient[m].tolist() == (1.0 + by_bin[v] if v < n_bins else np.ones(3)).tolist()
