"""Link the event loops with the models of a network."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from sim.events import interface, kinds, neurons, ties
from sim.events.loop import get_width
from sim.events.tape import Tape
from sim.network.wiring import Wires
from spiketheory.machine.compile import CompiledModel, make_linker, make_prefetch
from spiketheory.machine.link import Linker, is_kernel

Functions = dict[str, Callable[..., Any]]


@lru_cache(maxsize=32)
def link_network(models: tuple[CompiledModel, ...]) -> Linker:
    """What links `sim.events.loop` and `sim.events.backward` with the models of a network.

    Args:
        models: Its models; a neuron's kind is its model's place.
    """
    width = get_width(models)
    rows = {"MOST_COORDINATES": width, "LAST": width, "WAIT": width + 1, "DUE": width + 2,
            "HAS_PORTS": any(model.n_ports > 1 for model in models)}  # fmt: skip
    prefetch = make_prefetch(models)
    return make_linker(models, {**link_neurons(models), **rows, "prefetch": prefetch})


def link_neurons(models: tuple[CompiledModel, ...]) -> Functions:
    """The functions of `sim.events.interface` for the neurons of a network, by name.

    `sim.events.neurons` is linked with each model, and if there are several, functions of the same
    name are joined by an if-chain over the kind.
    """
    linked = [vars(model.link(neurons)) for model in models]
    names = [name for name in vars(interface) if is_kernel(getattr(neurons, name, None))]
    joined: Functions = {name: linked[-1][name] for name in names}
    for place in range(len(models) - 2, -1, -1):
        for name in names:
            parts = {"first": linked[place][name], "rest": joined[name], "PLACE": place}
            joined[name] = make_linker(models, parts).link(kinds).choose
    return joined


def find_ties(tape: Tape, wires: Wires, models: tuple[CompiledModel, ...]) -> ties.Ties:
    """The groups of simultaneous arrivals of a run; see `sim.events.ties.find_ties`."""
    in_order = np.array([model.inputs == "ordered" for model in models])[wires.kinds]
    list_them = link_network(models).link(ties).list_followers
    return ties.find_ties(tape, wires, list_them, in_order=in_order)
