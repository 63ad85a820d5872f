"""Kernels are linked with a model: names are bound, and machine code depends on all of them."""

import dataclasses
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import compiled, latencies, network

from sim.layers import chunk, crossings, forward, sample
from sim.layers.batch import record_spikes
from sim.losses import linear_loss, target_time_loss
from spiketheory.generation.interface import load
from spiketheory.machine import jit
from spiketheory.machine.compile import make_model_linker
from spiketheory.machine.link import is_kernel, kernel, list_modules

ROOT = Path(__file__).parents[2]
INNER = """
from spiketheory.generation.interface import CROSSES_INFINITY, jump, pseudospike
from spiketheory.machine.link import kernel

FACTOR = 2.0

@kernel()
def push(x, y, w, constants):
    if CROSSES_INFINITY:
        return FACTOR * jump(x, y, w, *constants)[0]
    return missing.attribute(x)  # cannot be compiled
"""
OUTER = """
from inner_kernels import push as push_inner
from spiketheory.machine.link import kernel

def strength():
    raise NotImplementedError

@kernel()
def push(x, y, constants):
    return push_inner(x, y, strength(), constants)
"""


def two():
    return 2.0


def three():
    return 3.0


@pytest.fixture
def outer(tmp_path, monkeypatch):
    """A module with a kernel that calls one of another module by another name."""
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in (("inner_kernels", INNER), ("outer_kernels", OUTER)):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    yield importlib.import_module("outer_kernels")
    for name in ("inner_kernels", "outer_kernels"):
        sys.modules.pop(name, None)


def fresh(backend="numba", **changes):
    """The theta model, for which nothing has been linked."""
    return dataclasses.replace(compiled("theta", backend), **changes)


def test_a_stub_that_is_not_linked_says_so():
    with pytest.raises(NotImplementedError, match="Expected load to be linked"):
        load(np.zeros((2, 1)), 0)
    with pytest.raises(NotImplementedError, match="Expected a loss to be linked"):
        chunk.loss_function(np.zeros((1, 1)), np.zeros(1), (), np.zeros((1, 1)))


def test_a_marked_function_stays_a_plain_one():
    @kernel(inlines=True)
    def double(value):
        return 2 * value

    assert is_kernel(double)
    assert double(2) == 4
    assert double.options == jit.Options(allocates=False, inlines=True)
    assert not is_kernel(two)


def test_kernels_of_other_modules_are_linked_by_any_name(backend, outer):
    model = fresh(backend)
    constants = model.defaults_of_constants
    push = model.link(outer, strength=two).push
    assert push(0.3, 0.5, constants) == 2 * model.functions.jump(0.3, 0.5, 2.0, *constants)[0]
    assert [module.__name__ for module in list_modules(outer)] == ["outer_kernels", "inner_kernels"]


def test_a_branch_on_a_fact_that_does_not_hold_is_not_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))  # what is read is not built
    make_model_linker.cache_clear()
    built = network([[[1.0]]], duration=2.0, model="theta", backend="numba")
    record_spikes(built, latencies([1.0]))
    linked = built.model.at(built.constants).link(forward)
    assert len(linked.run_crossings.overloads) == 1
    assert len(linked.run_rounds.overloads) == 0


def test_a_module_is_linked_once_with_a_model_and_what_needs_no_loss_once_for_all_losses():
    model = fresh()
    first = model.link(chunk, loss_function=linear_loss)
    second = model.link(chunk, loss_function=target_time_loss)
    assert model.link(chunk, loss_function=linear_loss) is first
    assert first.forward_sample is second.forward_sample is model.link(sample).forward_sample
    assert first.run_chunk is not second.run_chunk
    assert first.run_chunk.full_key != second.run_chunk.full_key


def test_interpreted_kernels_are_plain_functions_with_other_globals():
    linked = fresh("numpy").link(crossings)
    assert not hasattr(linked.is_turned, "full_key")
    assert linked.is_turned((1.0, 0.0), (-1.0, 0.0))
    assert linked.load is fresh("numpy").functions.load
    assert crossings.load is load


def test_the_key_of_machine_code_depends_on_model_facts_functions_options_and_versions(
    outer, monkeypatch
):
    def key(model=None, strength=two):
        return (model or fresh()).link(outer, strength=strength).push.full_key

    keys = [
        key(), key(compiled("qif", "numba")), key(fresh(crosses_infinity=False)),
        key(strength=three),
    ]  # fmt: skip
    assert key() == keys[0]
    outer.push.__dict__["options"] = jit.Options(allocates=False, reorders=True)
    keys.append(key())
    monkeypatch.setattr("spiketheory.machine.jit.read_versions", lambda: "another")
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_the_key_of_machine_code_depends_on_the_text_of_kernels_of_other_packages(
    outer, monkeypatch
):
    keys = []
    for text in ("one", "other"):
        monkeypatch.setattr(
            "spiketheory.machine.link.hash_package",
            lambda path, text=text: text if "inner" in path else "",
        )
        keys.append(fresh().link(outer, strength=two).push.full_key)
    assert keys[0] != keys[1]


def test_a_second_process_finds_the_machine_code_unless_a_text_has_changed(outer, tmp_path):
    program = (
        "import outer_kernels\nfrom derivations import compile_model\n"
        "from spiketheory.machine.link import kernel\n"
        "model = compile_model('theta')\n"
        "def strength():\n    return 2.0\n"
        "push = model.link(outer_kernels, strength=strength).push\n"
        "value = push(0.3, 0.5, model.defaults_of_constants)\n"
        "print(value, sum(push.stats.cache_hits.values()))\n"
    )
    (tmp_path / "program.py").write_text(program)
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }  # fmt: skip
    seen = []
    for factor in ("2.0", "2.0", "3.0"):
        (tmp_path / "inner_kernels.py").write_text(INNER.replace("2.0", factor))
        done = subprocess.run(
            [sys.executable, "-B", str(tmp_path / "program.py")], env=environment,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.append(done.stdout.split())
    assert [hits for _, hits in seen] == ["0", "1", "0"]
    assert float(seen[2][0]) == pytest.approx(1.5 * float(seen[0][0]))


def test_copies_that_other_processes_compiled_are_told_apart(tmp_path):
    """Numba names them alike; a process that reads both must not run one in place of the other."""
    steps = "".join(f"    x = math.sin(x) if x > {k} else math.cos(x + {k})\n" for k in range(99))
    (tmp_path / "kernels.py").write_text(
        "import math\n\nfrom spiketheory.machine.link import kernel\n\nSTRIDE: int = 0\n\n\n"
        f"@kernel()\ndef find(x: float, y: float) -> float:\n{steps}    return x * 0 + STRIDE\n\n\n"
        "@kernel()\ndef call(x: float) -> float:\n"
        "    return find(x, 0.5) + find(x, 1.5)\n"  # too long to be inlined
    )
    (tmp_path / "use.py").write_text(
        "import sys\n\nimport kernels\nfrom spiketheory.machine.link import Linker\n\n"
        "for stride in map(int, sys.argv[1:]):\n"
        "    linker = Linker(bound={'STRIDE': stride}, key=str(stride), compiles=True)\n"
        "    print(linker.link(kernels).call(1.0))\n"
    )
    env = {
        **os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]),
    }  # fmt: skip
    env.pop("NUMBA_DISABLE_JIT", None)
    found = [
        subprocess.run(
            [sys.executable, str(tmp_path / "use.py"), *strides.split()], env=env, check=True,
            capture_output=True, text=True,
        ).stdout.split()
        for strides in ("1", "2", "1 2")
    ]  # fmt: skip
    assert found == [["2.0"], ["4.0"], ["2.0", "4.0"]]
