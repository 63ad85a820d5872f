"""How the kernels of the event loops are linked with the models of a network."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from networks import compiled

from derivations import list_models
from sim.events import backward, interface, loop, neurons
from sim.events.link import link_network, link_neurons
from spiketheory.machine.compile import make_model_linker, make_module


def make_columns(*models):
    """States and constants of one neuron of each model, at its default start."""
    height = max(len(m.coordinates) for m in models)
    states = np.zeros((height, len(models)), order="F")
    constants = [np.array(m.defaults_of_constants) for m in models]
    table = np.zeros((max(map(len, constants)), len(models)), order="F")
    for k, (model, own) in enumerate(zip(models, constants, strict=True)):
        start = model.module.initial_bounds(*model.defaults)[2]
        states[: len(model.coordinates), k] = model.module.initial_state(start, *own)
        table[: len(own), k] = own
    return states, table


def test_neurons_offer_what_the_interface_says():
    own = interface.__name__
    stubs = {n for n, v in vars(interface).items() if getattr(v, "__module__", "") == own}
    wanted = stubs - {"prefetch"}
    assert set(link_neurons((compiled("theta"),))) == wanted
    for name in wanted:
        arguments = inspect.signature(getattr(neurons, name)).parameters
        assert list(arguments) == list(inspect.signature(getattr(interface, name)).parameters)


def test_a_stub_says_that_it_is_not_linked():
    with pytest.raises(NotImplementedError, match="Expected find_wait to be linked"):
        interface.find_wait(0, np.zeros((2, 1)), 0, np.zeros((1, 1)), 0, 1.0)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_each_kind_gets_the_functions_of_its_own_model(backend):
    models = tuple(compiled(name, backend) for name in ("theta", "lif_delta", "qif_delta"))
    states, table = make_columns(*models)
    find_wait = link_neurons(models)["find_wait"]
    for kind, model in enumerate(models):
        alone = link_neurons((model,))["find_wait"]
        wait = find_wait(kind, states, kind, table, kind, 100.0)
        assert wait == alone(0, states, kind, table, kind, 100.0)
        own = states[: len(model.coordinates), kind], model.defaults_of_constants
        assert wait == model.functions.time_to_spike(*own[0], *own[1])


def test_one_kind_is_joined_with_nothing():
    functions = link_neurons((compiled("theta", "numba"),))
    assert functions["receive"].py_func.__name__ == "receive"
    functions = link_neurons((compiled("theta", "numba"), compiled("lif_delta", "numba")))
    assert functions["receive"].py_func.__name__ == "choose"


def test_both_loops_are_linked_with_the_same_neurons_and_their_widest_column():
    models = (compiled("lif_delta", "numba"), compiled("qif", "numba"))
    linker = link_network(models)
    forward, back = linker.link(loop), linker.link(backward)
    assert forward is link_network(models).link(loop)
    assert forward.MOST_COORDINATES == forward.LAST == back.LAST == 3
    assert (forward.WAIT, forward.DUE) == (4, 5)
    assert forward.spike is linker.bound["spike"]
    assert back.spike_vjp is linker.bound["spike_vjp"]


def test_networks_of_other_models_or_in_another_order_have_code_of_their_own():
    theta, lif = compiled("theta", "numba"), compiled("lif_delta", "numba")
    orders = ((theta,), (lif,), (theta, lif), (lif, theta))
    assert len({link_network(models).key for models in orders}) == 4


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_model_without_parameters_adds_no_derivatives_by_them(backend):
    model = compiled("theta", backend)
    kept = {n: f for n, f in vars(model.functions).items() if not n.endswith("constants_vjp")}
    model = replace(model, functions=make_module("theta", kept), key="no parameters")
    assert not model.facts["HAS_PARAMETERS"]
    functions = link_neurons((model,))
    columns, by_constant = np.ones((2, 1), order="F"), np.zeros((1, 1), order="F")
    table = np.zeros((1, 1), order="F")
    functions["receive_constants_vjp"](
        0, columns, 0, table, 0, 0.1, 0.5, 0, 2.0, columns, 0, by_constant
    )
    functions["spike_constants_vjp"](
        0, columns, 0, table, 0, 0.1, columns, 0, 1.0, False, by_constant
    )
    functions["probe_constants_vjp"](0, columns, 0, table, 0, 0.1, columns, 0, by_constant)
    assert (by_constant == 0.0).all()
    assert (columns == 1.0).all()


QUICK = ("lif", "lif_delta", "theta")
HANDED = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in list_models()]


@pytest.mark.parametrize("name", HANDED)
def test_another_process_needs_not_compile_a_network_again(name, tmp_path, monkeypatch):
    """Some models' functions are handed to others, such as the heights of lif to `first_zero`."""
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    model = compiled(name, "numba")
    states, table = make_columns(model)
    for hits in (0, 1):
        make_model_linker.cache_clear()
        functions = link_neurons((model,))
        functions["find_wait"](0, states, 0, table, 0, 100.0)
        functions["probe"](0, states, 0, table, 0, 0.1, states.copy(order="F"), 0)
        for used in ("find_wait", "probe"):
            assert sum(functions[used].stats.cache_hits.values()) == hits
