"""Link the loop over windows with the models of a network."""

from functools import lru_cache
from typing import Any

from sim.events import kinds
from sim.events.link import link_network
from sim.windows import frame_steps, frames, interface
from spiketheory.machine.compile import (
    CompiledModel,
    extend_linker,
    make_linker,
    make_model_linker,
    make_prefetch,
)
from spiketheory.machine.link import Linker, is_kernel

PLACES = {
    name: module
    for name in vars(interface)
    for module in (frame_steps, frames)
    if is_kernel(vars(module).get(name)) and vars(module)[name].__module__ == module.__name__
}
"""Where the functions of `sim.windows.interface` are."""


@lru_cache(maxsize=32)
def link_windows(models: tuple[CompiledModel, ...], framed: tuple[bool, ...]) -> Linker:
    """What links `sim.windows.loop` with the models of a network.

    Args:
        models: Its models; a neuron's kind is its model's place.
        framed: Whether neurons of each are in the frame.
    """
    more: dict[str, Any] = {"HAS_FRAMES": any(framed)}
    for place in range(len(models) - 1, -1, -1):
        if not framed[place]:
            continue
        model = models[place]
        asks = {"prefetch": make_prefetch(models)}
        linker = extend_linker(make_model_linker(model, ()), asks)
        for name, module in PLACES.items():
            own = getattr(linker.link(module), name)
            if name in more:
                parts = {"first": own, "rest": more[name], "PLACE": place}
                own = make_linker(models, parts).link(kinds).choose
            more[name] = own
    return extend_linker(link_network(models), more)
