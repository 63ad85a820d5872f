"""Thirty networks give the numbers that they gave when they were pinned; see write_pinned.py."""

import dataclasses

import numpy as np
import pytest
from models import mark_slow
from pinned_networks import LAYERED, NETWORKS
from pinned_store import (
    FOLDER,
    MACHINE,
    REORDERED,
    TOLERANCE,
    choose_tolerance,
    compare,
    describe_machine,
    get_path,
    read,
)

from derivations import list_models

LAYERED_NAMES = [network.name for network in LAYERED]
RECURRENT_NAMES = [name for name in NETWORKS if name not in LAYERED_NAMES]


def get_precision(name):
    return getattr(NETWORKS[name], "precision", "float64")


def list_models_of(network):
    groups = getattr(network, "groups", None)
    return {network.model} if groups is None else {group.model for group in groups}


BY_HAND = (
    "recurrent_theta_parameters", "recurrent_qif", "recurrent_qif_silent", "recurrent_lif",
)  # fmt: skip
"""Of the events in machine code two networks remain; compiling these takes 40 seconds more."""


@pytest.mark.parametrize("name", mark_slow(NETWORKS, "layered_qif_float32", *BY_HAND))
def test_a_network_gives_the_numbers_that_were_pinned(name):
    drawn, pinned = read(name)
    tolerance = choose_tolerance(name, get_precision(name), describe_machine())
    compare(NETWORKS[name].compute(drawn), pinned, tolerance)


@pytest.mark.parametrize("name", BY_HAND)
def test_interpreted_a_network_gives_the_numbers_of_machine_code_but_for_the_last_bits(name):
    drawn, pinned = read(name)
    network = dataclasses.replace(NETWORKS[name], backend="numpy")
    compare(network.compute(drawn), pinned, TOLERANCE[get_precision(name)])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_silent_network_has_no_spikes_and_the_others_have_some(name):
    _, pinned = read(name)
    n_spikes = len(pinned["spike_time"])
    assert (n_spikes == 0) == NETWORKS[name].silent
    assert n_spikes < 1000


def flip_last_bit(value):
    """A copy in which the largest entry differs in its last bit, or a whole number by 1."""
    changed = value.copy()
    place = np.unravel_index(np.abs(changed).argmax(), changed.shape)
    if changed.dtype.kind == "f":
        changed[place] = np.nextafter(changed[place], changed.dtype.type(np.inf))
    elif changed.dtype.kind == "b":
        changed[place] = not changed[place]
    else:
        changed[place] += 1
    return changed


@pytest.mark.parametrize("name", NETWORKS)
def test_one_changed_bit_in_any_pinned_array_is_noticed(name):
    _, pinned = read(name)
    compare(pinned, pinned, 0.0)
    for key, value in pinned.items():
        if value.size:
            with pytest.raises(AssertionError, match=key):
                compare(pinned | {key: flip_last_bit(value)}, pinned, 0.0)


@pytest.mark.parametrize("name", NETWORKS)
def test_elsewhere_one_bit_is_forgiven_and_ten_times_the_tolerance_is_not(name):
    _, pinned = read(name)
    tolerance = TOLERANCE[get_precision(name)]
    for key, value in pinned.items():
        if value.dtype.kind == "f" and value.any():
            compare(pinned | {key: flip_last_bit(value)}, pinned, tolerance)
            moved = value + 10 * tolerance * np.abs(value).max()
            with pytest.raises(AssertionError, match=key):
                compare(pinned | {key: moved}, pinned, tolerance)


def test_an_array_that_is_missing_or_of_another_type_is_noticed():
    _, pinned = read("layered_theta")
    with pytest.raises(AssertionError):
        compare({k: v for k, v in pinned.items() if k != "loss"}, pinned, 1.0)
    for tolerance in (0.0, 1e-5):
        with pytest.raises(AssertionError, match="loss"):
            compare(pinned | {"loss": pinned["loss"].astype(np.float32)}, pinned, tolerance)


def test_numbers_are_compared_bit_for_bit_on_the_machine_that_wrote_them_alone():
    other = MACHINE | {"processor": "another"}
    for name in NETWORKS:
        assert (choose_tolerance(name, get_precision(name), MACHINE) == 0) == (
            name not in REORDERED
        )
        assert choose_tolerance(name, get_precision(name), other) > 0


def test_every_built_in_model_and_three_of_the_examples_are_pinned():
    names = {name for network in NETWORKS.values() for name in list_models_of(network)}
    assert names >= set(list_models())
    assert len(names - set(list_models())) == 3
    assert (len(LAYERED_NAMES), len(RECURRENT_NAMES)) == (12, 18)
    assert set(NETWORKS) >= REORDERED


def test_the_files_are_those_of_the_networks_and_small():
    assert sorted(FOLDER.glob("*")) == sorted(get_path(name) for name in NETWORKS)
    assert sum(path.stat().st_size for path in FOLDER.glob("*")) < 1_000_000
