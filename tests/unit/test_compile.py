import hashlib
import inspect
import os
import pickle
import re
import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from models import generate_text, import_text, make_quadratic

from derivations import import_generated, list_models
from spiketheory.errors import InputError, ModelError
from spiketheory.generation.templates import GENERATED_FORMAT
from spiketheory.machine.compile import (
    CompiledModel,
    compile_module,
    list_libraries,
    load_compiled,
)
from spiketheory.machine.jit import compile_function, find_package, read_package_source
from spiketheory.runtime import roots

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def theta() -> CompiledModel:
    return load_compiled(import_generated("theta"), backend="numpy")


def test_a_generated_module_becomes_a_model_with_its_facts(theta):
    assert theta.name == "theta"
    assert theta.backend == "numpy"
    assert theta.parameters == ("tau", "I0")
    assert theta.defaults == (1.0, 1.25)
    assert theta.coordinates == ("x", "y")
    assert theta.has_pseudospikes
    assert len(theta.digest) == len(theta.key) == 64


def test_all_scalar_functions_are_attributes_and_array_twins_are_not():
    model = load_compiled(import_generated("qif_delta"), backend="numpy")
    names = vars(model.functions)
    assert {"flow", "time_to_spike", "jump", "load", "store", "pseudospike_vjp"} <= set(names)
    assert not [name for name in names if name.endswith("_array")]
    assert "choose_branches" not in names


def test_an_array_function_is_the_twin_where_there_is_one():
    model = load_compiled(import_generated("qif_delta"), backend="numpy")
    assert model.array_function("time_to_spike") is model.module.time_to_spike_array
    assert model.array_function("flow") is model.module.flow


def test_a_function_that_iterates_is_called_once_per_element_of_its_arrays():
    model = load_compiled(import_generated("lif"), backend="numpy")
    constants = model.functions.constants(1.0, 0.3, 1.0)
    V, current = np.array([0.0, 0.5, 1.0, -3.0]), np.array([10.0, 0.1, 0.0, 20.0])
    waits = model.array_function("time_to_spike")(V, current, *constants)
    for k in range(4):
        assert waits[k] == model.functions.time_to_spike(V[k], current[k], *constants)
    assert np.isfinite(waits).tolist() == [True, False, True, True]


def test_a_chart_says_which_coordinates_are_one_state_with_their_multiples():
    places = {name: load_compiled(import_generated(name)).projective for name in list_models()}
    assert places.pop("theta") == places.pop("qif_delta") == places.pop("qif") == (0, 1)
    assert set(places.values()) == {()}


def test_a_model_says_why_it_has_no_pseudospikes():
    for name in list_models():
        model = load_compiled(import_generated(name), backend="numpy")
        assert model.has_pseudospikes == (model.without_pseudospikes == "")
    lif = load_compiled(import_generated("lif"), backend="numpy")
    assert lif.without_pseudospikes.startswith("a neuron with a finite threshold")


def test_the_libraries_of_a_module_are_compiled_with_it():
    assert list_libraries(import_generated("theta")) == []
    libraries = [m.__name__ for m in list_libraries(import_generated("lif"))]
    assert libraries == ["spiketheory.runtime.special", "spiketheory.runtime.roots"]
    names = compile_module(import_generated("lif"))
    assert (
        names["first_zero"]
        is compile_module(sys.modules["spiketheory.runtime.roots"])["first_zero"]
    )
    assert names["first_zero"].py_func is not roots.first_zero  # it sees its helpers compiled
    assert names["first_zero"].py_func.__code__ is roots.first_zero.__code__


def test_a_module_is_compiled_once():
    module = import_generated("theta")
    assert compile_module(module) is compile_module(module)


def test_the_key_changes_with_the_text_of_a_library(monkeypatch):
    before = load_compiled(import_generated("lif"), backend="numpy").key
    theta = load_compiled(import_generated("theta"), backend="numpy").key
    getsource = inspect.getsource
    monkeypatch.setattr(
        inspect, "getsource", lambda m: getsource(m) + ("# new" if m is roots else "")
    )
    assert load_compiled(import_generated("lif"), backend="numpy").key != before
    assert load_compiled(import_generated("theta"), backend="numpy").key == theta


def test_a_module_of_another_format_is_refused():
    for module, found in ((types.ModuleType("foreign"), None), (types.ModuleType("old"), 0)):
        if found is not None:
            module.FORMAT = found
        with pytest.raises(ModelError) as info:
            load_compiled(module)
        assert str(info.value) == (
            f"Expected a generated module of format {GENERATED_FORMAT} but {module.__name__} has "
            f"format {found}; generate it again."
        )


def test_an_unknown_backend_is_refused():
    with pytest.raises(InputError, match="Expected backend to be one of numba, numpy but got 'c'"):
        load_compiled(import_generated("theta"), backend="c")


def test_parameters_left_out_keep_their_defaults_and_come_in_the_models_order(theta):
    assert theta.check_parameters({}) == (1.0, 1.25)
    assert theta.check_parameters({"I0": 2, "tau": 3}) == (3.0, 2.0)
    assert theta.check_parameters({"I0": np.float32(0.5)}) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"Tau": 1.0}, "Expected parameters of theta (tau, I0) but got 'Tau'; correct its name."),
        ({"tau": -1.0}, "Expected tau > 0 but got tau=-1.0; give a value inside the domain of"),
        ({"tau": 0.0}, "Expected tau > 0 but got tau=0.0"),
        ({"I0": 0.25}, "Expected I0 > 1/4 but got I0=0.25"),
        ({"tau": float("nan")}, "Expected tau > 0 but got tau=nan"),
        ({"tau": float("inf")}, "Expected tau > 0 but got tau=inf"),
        ({"tau": "fast"}, "Expected a number for tau but got tau='fast'; give it as an integer"),
        ({"tau": None}, "Expected a number for tau but got tau=None"),
        ({"tau": 10**400}, "Expected a number for tau but got tau=1000"),
    ],
)
def test_a_wrong_parameter_is_told_what_was_expected(theta, overrides, message):
    with pytest.raises(ModelError) as info:
        theta.check_parameters(overrides)
    assert str(info.value).startswith(message)


def test_a_parameter_without_a_domain_must_still_be_finite():
    model = load_compiled(import_generated("qif_delta"), backend="numpy")
    with pytest.raises(ModelError, match="Expected a finite I0 but got I0=nan; give a value"):
        model.check_parameters({"I0": float("nan")})


@pytest.mark.parametrize("count", [0, 1])
def test_models_with_no_or_one_parameter_are_checked_too(count, tmp_path):
    parameters = {"k": {"default": 1.0, "domain": "k > 0"}} if count else {}
    source = make_quadratic(f"dv/dt = {'k*' * count}v**2 + 1", parameters)
    module = import_text(generate_text(source), tmp_path, name=f"with_{count}")
    model = load_compiled(module, backend="numpy")
    assert model.check_parameters({}) == (1.0,) * count
    if count:
        with pytest.raises(ModelError, match="Expected k > 0 but got k=-1"):
            model.check_parameters({"k": -1})


def test_the_numpy_backend_leaves_functions_as_they_are(theta):
    assert theta.functions.flow is theta.module.flow
    assert theta.jit(root) is root


def root(value):
    return np.sqrt(value)


def test_numba_compiles_the_same_source_to_the_same_numbers(theta):
    compiled = load_compiled(import_generated("theta"), backend="numba")
    constants = theta.functions.constants(1.0, 1.25)
    assert compiled.functions.constants(1.0, 1.25) == pytest.approx(constants, rel=1e-15)
    state = (0.3, 0.7)
    plain = theta.functions.time_to_spike(*state, *constants)
    assert compiled.functions.time_to_spike(*state, *constants) == pytest.approx(plain, rel=1e-15)
    assert compiled.key == theta.key


def test_a_compiled_closure_calls_the_models_functions_and_is_kept_by_their_text():
    model = load_compiled(import_generated("theta"), backend="numba")
    constants = model.functions.constants

    @model.jit
    def period(tau, drive):
        return constants(tau, drive)[2]

    assert period(1.0, 1.25) == pytest.approx(np.pi)
    assert period._cache.dispatcher is period


def test_division_by_zero_in_compiled_code_is_infinite_as_in_numpy():
    def invert(value):
        return 1.0 / value

    assert compile_function(invert, key="test")(0.0) == np.inf


def test_the_text_that_a_cache_depends_on_is_the_whole_package_of_a_function():
    text = read_package_source(find_package(Path(inspect.getfile(load_compiled))))
    assert "def load_compiled" in text
    assert "class NeuronModel" in text


def test_the_key_changes_with_the_text(tmp_path):
    source = generate_text(make_quadratic("dv/dt = v**2 + 1", {}))
    one = load_compiled(import_text(source, tmp_path, name="one"), backend="numpy")
    two = load_compiled(import_text(source + "\n# more\n", tmp_path, name="two"), backend="numpy")
    assert one.key != two.key
    assert one.digest == two.digest


def test_the_key_changes_with_the_name_of_the_module_that_machine_code_refers_to(tmp_path):
    source = generate_text(make_quadratic("dv/dt = v**2 + 1", {}))
    models = [
        load_compiled(import_text(source, tmp_path, name=name), backend="numpy")
        for name in ("under_one_name", "under_another_name")
    ]
    assert models[0].key != models[1].key


def refuse(error):
    def fail(*arguments):
        raise error

    return fail


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("__init__", RuntimeError("cannot cache function: no locator available")),
        ("load_overload", ModuleNotFoundError("No module named 'generated_long_ago'")),
        ("load_overload", EOFError("Ran out of input")),
        ("save_overload", OSError(28, "No space left on device")),
    ],
)
def test_a_cache_that_fails_costs_time_and_not_the_result(method, error, monkeypatch):
    monkeypatch.setattr(f"numba.core.caching.FunctionCache.{method}", refuse(error))
    offset = 2.0

    def add(value):
        return value + offset

    assert compile_function(add, key=f"{method} {error}")(1.0) == 3.0


def make_adder(offset):
    def add(value):
        return value + offset

    return add


@pytest.mark.parametrize("spoil", ["damage", "another key", "missing name"])
def test_machine_code_that_cannot_be_used_is_written_anew(spoil, tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    assert compile_function(make_adder(2.0), key="spoilt")(1.0) == 3.0
    (path,) = tmp_path.rglob("*.nbc")
    if spoil == "damage":
        path.write_bytes(path.read_bytes()[:100])
    elif spoil == "another key":
        content = path.read_bytes()[hashlib.sha256().digest_size :]
        content = pickle.dumps(("another", pickle.loads(content)[1]))
        path.write_bytes(hashlib.sha256(content).digest() + content)
    else:
        path.write_bytes(b"csim.buffers\nGone\n.")
    for hits in (0, 1):
        again = compile_function(make_adder(2.0), key="spoilt")
        assert again(1.0) == 3.0
        assert sum(again.stats.cache_hits.values()) == hits


def test_closures_over_different_numbers_have_machine_code_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    for _ in range(2):
        for offset in (2.0, 3.0, np.float32(2.0)):
            assert compile_function(make_adder(offset), key="numbers")(1.0) == 1.0 + offset
    assert len(list(tmp_path.rglob("*.nbc"))) == 3


def test_what_a_function_calls_may_close_over_other_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))

    def make_double(add):
        def double(value):
            return 2.0 * add(value)

        return double

    for _ in range(2):
        for offset in (2.0, 3.0):
            inner = compile_function(make_adder(offset), key="calls")
            outer = compile_function(make_double(inner), key="calls")
            assert outer(1.0) == 2.0 * (1.0 + offset)
            deep = compile_function(make_double(outer), key="calls")
            assert deep(1.0) == 4.0 * (1.0 + offset)


def test_two_programs_that_compile_at_once_cannot_exchange_their_machine_code(
    tmp_path, monkeypatch
):
    """Neither sees what the other is about to write; still they write to different files."""
    names = []
    for program, value in (("one", 1.0), ("other", 1.0), ("other", np.float32(1.0))):
        folder = tmp_path / f"{program} {type(value)}"
        monkeypatch.setattr("numba.core.config.CACHE_DIR", str(folder))
        assert compile_function(make_adder(2.0), key=program)(value) == 3.0
        names += [path.name for path in folder.rglob("*.nbc")]
    assert len(set(names)) == 3


def test_machine_code_of_earlier_versions_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    for version in ("1", "2"):
        monkeypatch.setattr("spiketheory.machine.jit.read_versions", lambda v=version: v)
        for key in ("one", "two"):
            assert compile_function(make_adder(2.0), key=key)(1.0) == 3.0
        (folder,) = {path.parent for path in tmp_path.rglob("*.nbc")}
        (folder / "of-another-program-1.py311.1.nbc").touch()
        assert len(list(folder.glob("*.nbc"))) == 3


def test_a_function_is_compiled_once_for_numbers_written_out_and_others(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    add = compile_function(make_adder(2), key="literals")

    def count(n):
        total = 0
        for _ in range(n):
            total = add(total)
        return total

    assert compile_function(count, key="literals")(3) == 6
    assert len(add.overloads) == 1


@pytest.mark.parametrize("package", ["numba", "hypothesis"])
def test_what_is_used_in_private_parts_is_of_a_version_on_which_the_whole_suite_ran(package):
    """Private parts of Numba and Hypothesis may change in any minor version."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    low, high = re.search(rf'"{package}>=([\d.]+),<([\d.]+)"', text).groups()
    installed = metadata.version(package)
    version = tuple(map(int, installed.split(".")[:2]))
    bounds = [tuple(map(int, bound.split("."))) for bound in (low, high)]
    assert bounds[0] <= version < bounds[1], (
        f"pyproject.toml says {package}>={low},<{high} but {installed} is installed; run the "
        "whole suite with it, mend what fails, and only then widen the bounds"
    )


STALE = """
from stale.deep.kernels import build
print(build()(1.0))
"""


def test_a_constant_of_another_folder_makes_a_kernel_compile_anew(tmp_path):
    """A kernel reads constants of its whole package, and machine code holds them."""
    for folder in ("deep", "other"):
        (tmp_path / "stale" / folder).mkdir(parents=True)
        (tmp_path / "stale" / folder / "__init__.py").write_text("")
    (tmp_path / "stale" / "__init__.py").write_text("")
    constants = tmp_path / "stale" / "other" / "constants.py"
    (tmp_path / "stale" / "deep" / "kernels.py").write_text(
        "from spiketheory.machine.jit import compile_function\n"
        "from stale.other.constants import FACTOR\n\n\n"
        "def build():\n"
        "    one = 1.0\n\n"
        "    def scale(value):\n"
        "        return one * FACTOR * value\n\n"
        "    return compile_function(scale, key='stale')\n"
    )
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }  # fmt: skip
    seen = []
    for factor in (2.0, 3.0, 2.0):
        constants.write_text(f"FACTOR = {factor}\n")
        done = subprocess.run(
            [sys.executable, "-B", "-c", STALE], env=environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        seen.append(float(done.stdout))
    assert seen == [2.0, 3.0, 2.0]
    assert list((tmp_path / "cache").rglob("*.nbc"))
