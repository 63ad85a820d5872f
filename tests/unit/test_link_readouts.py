"""Kernels are linked with a neuron model and a readout."""

import importlib
import sys

import numpy as np
import pytest
from networks import compiled

import derivations
from spiketheory.generation import readout_interface
from spiketheory.machine.readout import link_readout

TEXT = """
from spiketheory.generation.interface import N_COORDINATES
from spiketheory.generation.readout_interface import (
    N_FEATURES, N_READOUT_PARAMETERS, readout_kernel, readout_kernel_and_slope, readout_vjp,
)
from spiketheory.machine.link import kernel

@kernel()
def add_up(times, duration, values, by_value):
    total = 0.0
    for time in times:
        for m in range(N_FEATURES):
            total += readout_kernel(time, m, duration, *values)
            if N_READOUT_PARAMETERS:
                found = readout_vjp(time, m, duration, *values, 2.0)
                for k in range(N_READOUT_PARAMETERS):
                    by_value[k] += found[k]
    return total, N_COORDINATES
"""
TIMES = np.array([0.2, 0.9, 1.6, 2.0, 2.2])


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "readout_kernels.py").write_text(TEXT)
    importlib.invalidate_caches()
    yield importlib.import_module("readout_kernels")
    sys.modules.pop("readout_kernels", None)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("leaky_integrator", {"tau_m": 0.6, "tau_s": 0.6}),
        ("windows", {"n_windows": 3}),
        ("count", {}),
    ],
)
def test_a_kernel_adds_up_what_spikes_count_and_its_derivatives(module, backend, name, values):
    readout = derivations.compile_readout(name, backend=backend, **values)
    linked = link_readout(readout, compiled("theta", backend), module)
    by_value = np.zeros(2)
    total, n_coordinates = linked.add_up(TIMES, 2.0, readout.values, by_value)
    assert n_coordinates == 2
    functions, places = (
        readout.functions,
        [(t, m) for t in TIMES for m in range(readout.n_features)],
    )
    want = sum(functions.kernel(t, m, 2.0, *readout.values) for t, m in places)
    assert total == pytest.approx(want, rel=1e-14)
    for k in range(len(readout.parameters)):
        want = sum(functions.kernel_vjp(t, m, 2.0, *readout.values, 2.0)[k] for t, m in places)
        assert by_value[k] == pytest.approx(want, rel=1e-13)


def test_a_readout_is_loaded_and_linked_once(module):
    first = derivations.compile_readout("windows", n_windows=3)
    assert derivations.compile_readout("windows", n_windows=3) is first
    model = compiled("theta", "numba")
    assert link_readout(first, model, module) is link_readout(first, model, module)


@pytest.mark.parametrize("name", sorted({*readout_interface.STUBS.values()}))
def test_a_stub_that_is_not_linked_says_so(name):
    with pytest.raises(NotImplementedError, match=f"Expected {name} to be linked"):
        getattr(readout_interface, name)(*(0.0,) * 3)


def test_every_function_of_every_readout_has_a_stub():
    for name in {*derivations.READOUTS} - {*derivations.SPIKE_READOUTS}:
        bound = derivations.compile_readout(name, backend="numpy").bound
        functions = {key for key, value in bound.items() if callable(value)}
        assert functions <= {*vars(readout_interface)}
        assert len(functions) == (4 if bound["HAS_KERNEL"] else 3)
