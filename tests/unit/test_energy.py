import math

import pytest

from sim.training.energy import estimate_energy
from spiketheory.errors import InputError


def test_energy_of_a_small_network_by_hand():
    estimate = estimate_energy(synaptic_operations=10.0, layer_sizes=(3, 4, 2))
    assert estimate.multiply_accumulates == 3 * 4 + 4 * 2
    assert estimate.spiking_pj == pytest.approx(9.0)
    assert estimate.dense_pj == pytest.approx(92.0)
    assert estimate.ratio == pytest.approx(9.0 / 92.0)


def test_network_of_the_paper_has_89400_multiply_accumulates():
    estimate = estimate_energy(synaptic_operations=0, layer_sizes=[784, 100, 100, 10])
    assert estimate.multiply_accumulates == 89400


def test_network_without_any_spike_costs_nothing():
    estimate = estimate_energy(synaptic_operations=0.0, layer_sizes=(3, 2))
    assert estimate.spiking_pj == 0
    assert estimate.ratio == 0


def test_docstring_says_what_is_not_counted():
    assert estimate_energy.__doc__ is not None
    for word in ("neuron states", "memory traffic", "lower bounds", "Horowitz"):
        assert word in estimate_energy.__doc__


@pytest.mark.parametrize("operations", [-1.0, math.nan, math.inf])
def test_negative_or_infinite_operations_are_refused(operations):
    with pytest.raises(InputError, match=r"^Expected synaptic_operations >= 0 but got .*; give"):
        estimate_energy(synaptic_operations=operations, layer_sizes=(3, 2))


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0, 2)])
def test_fewer_than_two_layers_or_an_empty_one_are_refused(sizes):
    with pytest.raises(InputError, match=r"^Expected at least two layers .* but got \(.*; give"):
        estimate_energy(synaptic_operations=1.0, layer_sizes=sizes)
