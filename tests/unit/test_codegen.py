import ast
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest
from models import (
    derive_once,
    generate_text,
    import_text,
    make_quadratic,
    pretend_verified,
)

from derivations import import_generated, list_models, read_neuron_model
from spiketheory.errors import InputError
from spiketheory.generation.generate import NUMERICAL, generate
from spiketheory.generation.templates import GENERATED_FORMAT
from spiketheory.language.parse import read_model
from spiketheory.machine.compile import LAYOUT, load_compiled
from spiketheory.symbolic.derive import derive

ROOT = Path(__file__).resolve().parents[2]
ODD = make_quadratic(
    "dv/dt = (conductance_of_the_membrane*(v - E_rest)*(v - E_threshold) + bias_current)/C_m",
    {
        "conductance_of_the_membrane": {
            "default": 0.5,
            "domain": "conductance_of_the_membrane > 0",
        },
        "E_rest": {"default": -0.3},
        "E_threshold": {"default": 0.7, "domain": "0 < E_threshold and E_threshold < 10"},
        "bias_current": {"default": 0.2},
        "C_m": {"default": 3.0, "domain": "C_m > 0"},
    },
    description='Ends """ the docstring\\ and "quotes"',
)
FREE = make_quadratic("dv/dt = v**2 + 1", {})
MODELS = [read_neuron_model(name) for name in list_models()] + [ODD, FREE]


@pytest.fixture(params=MODELS, ids=lambda m: m.name)
def model(request):
    return request.param


@pytest.mark.parametrize("target", ["module", "numba", "numpy", "mpmath"])
def test_every_target_is_python_that_can_be_imported(model, target, tmp_path):
    module = import_text(generate_text(model, target=target), tmp_path, name=target)
    assert model.name == module.NAME
    assert model.digest == module.DIGEST
    assert model.name in module.__doc__


def test_the_target_mpmath_has_as_many_digits_as_asked_for(tmp_path):
    model = read_neuron_model("qif_delta")
    exact = import_text(generate_text(model, target="mpmath"), tmp_path, name="digits")
    module = import_text(generate_text(model), tmp_path, name="doubles")
    with mpmath.workdps(50):
        parameters = [mpmath.mpf(1), mpmath.mpf(1) / 3]
        constants = exact.constants(*parameters)
        end = exact.flow(mpmath.mpf(1) / 7, mpmath.mpf(1), *exact.propagator(
            mpmath.mpf(2) / 3, *constants), *constants)  # fmt: skip
        with mpmath.workdps(80):
            again = exact.constants(mpmath.mpf(1), mpmath.mpf(1) / 3)
        assert max(abs(a - b) for a, b in zip(constants, again, strict=True)) < 1e-48
    floats = module.constants(1.0, 1 / 3)
    near = module.flow(1 / 7, 1.0, *module.propagator(2 / 3, *floats), *floats)
    assert [float(v) for v in end] == pytest.approx(near, rel=1e-14)


def run_ruff(*arguments):
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("needs ruff beside Python")
    command = [ruff, *arguments, "--config", ROOT / "pyproject.toml"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


SHORT = [read_neuron_model(name) for name in ("theta", "qif_delta", "lif_delta")] + [FREE]


@pytest.mark.parametrize("model", SHORT, ids=lambda m: m.name)
def test_text_without_very_long_formulas_is_laid_out_as_ruff_would(model, tmp_path):
    path = tmp_path / "generated.py"
    path.write_text(generate_text(model))
    done = run_ruff("format", "--diff", path)
    assert done.returncode == 0, done.stdout


def test_ruff_finds_no_unknown_name_and_no_unused_variable_in_generated_text(tmp_path):
    for model in MODELS:
        (tmp_path / f"{model.name}.py").write_text(generate_text(model))
    done = run_ruff("check", "--select", "E9,F,PLE", tmp_path)
    assert done.returncode == 0, done.stdout


def test_the_same_model_gives_the_same_text(model):
    again = generate(pretend_verified(derive(model)))
    assert generate_text(model) == again


def test_the_text_has_no_trailing_space_and_ends_with_one_newline(model):
    text = generate_text(model)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert all(line == line.rstrip() for line in text.splitlines())


def test_the_module_states_the_facts_that_compile_reads(tmp_path):
    module = import_text(generate_text(ODD), tmp_path)
    assert module.FORMAT == GENERATED_FORMAT
    assert module.STATE == ("v",)
    assert module.COORDINATES == ("x", "y")
    assert tuple(p.name for p in ODD.parameters) == module.PARAMETERS
    assert module.DEFAULTS == (0.5, -0.3, 0.7, 0.2, 3.0)
    assert module.DOMAINS[1:3] == ("True", "0 < E_threshold and E_threshold < 10")
    assert module.HAS_PSEUDOSPIKES is True
    assert len(module.constants(*module.DEFAULTS)) == len(module.CONSTANTS)


def test_a_description_cannot_leave_its_docstring(tmp_path):
    module = import_text(generate_text(ODD), tmp_path)
    assert ODD.description in module.__doc__


@pytest.mark.parametrize(
    "description", ['"""\nimport os\n"""', "\\", '\\"""', "{title}", 'ends with "', "%s\t\\N{DASH}"]
)
def test_a_description_is_never_read_as_code(description):
    model = make_quadratic("dv/dt = v**2 + 1", {}, description=description)
    tree = ast.parse(generate_text(model))
    assert description in ast.get_docstring(tree, clean=False)
    assert [n.names[0].name for n in tree.body if isinstance(n, ast.Import)] == ["numpy"]


def test_every_function_has_a_docstring_with_results_and_operations(model):
    for function in ast.parse(generate_text(model)).body:
        if not isinstance(function, ast.FunctionDef) or function.name in (*LAYOUT, "turn"):
            continue
        doc = ast.get_docstring(function)
        if not function.name.endswith("_array") and not function.name.startswith("taylor_"):
            assert "Returns " in doc
            names = (*NUMERICAL, "time_to_spike_parameters")
            integrated = derive_once(model).is_integrated and function.name in names
            assert ("Operations:" in doc) == (not integrated)
        assert "True" not in doc
        assert "oo" not in doc.split()


def test_a_function_with_branches_gets_an_array_twin_in_the_module_only():
    model = read_neuron_model("qif_delta")
    names = {
        t: list_functions(generate_text(model, target=t)) for t in ("module", "numba", "numpy")
    }
    assert {"time_to_spike", "time_to_spike_array", "load", "store"} <= names["module"]
    assert "time_to_spike_array" not in names["numba"]
    assert "time_to_spike" in names["numpy"]
    assert not {"time_to_spike_array", "load", "store"} & names["numpy"]
    assert "choose_branches" not in generate_text(model, target="numba")


def list_functions(text: str) -> set[str]:
    return {f.name for f in ast.parse(text).body if isinstance(f, ast.FunctionDef)}


def test_a_model_without_branches_needs_no_array_twins():
    text = generate_text(read_neuron_model("theta"))
    assert "_array" not in " ".join(list_functions(text))
    assert "choose_branches" not in text


def test_an_unknown_target_is_refused():
    with pytest.raises(
        InputError, match="Expected target to be one of module, mpmath, numba, numpy but"
    ):
        generate_text(FREE, target="c")


def draw_states(model, count, rng):
    """States below the threshold, on scales from 0.1 to 10: one array per variable."""
    states = [rng.normal(size=count) * 10.0 ** rng.uniform(-1, 1, count) for _ in model.state]
    if not model.spike.is_blowup:
        threshold = float(model.spike.value.subs({p.symbol: p.default for p in model.parameters}))
        voltage = model.state.index(model.spike.variable)
        states[voltage] = threshold - np.abs(states[voltage]) - 0.1
    return states


def test_array_functions_equal_the_scalar_functions_element_by_element(model, tmp_path):
    compiled = load_compiled(import_text(generate_text(model), tmp_path), backend="numpy")
    module, rng = compiled.module, np.random.default_rng(0)
    count = 3 if derive_once(model).is_integrated else 30
    for drive in (-2.0, 0.25, 2.0):
        values = list(module.DEFAULTS)
        if module.NAME in ("qif_delta", "lif_delta"):
            values[module.PARAMETERS.index("I0")] = drive
        constants = module.constants(*values)
        times = rng.exponential(size=count)
        coordinates = np.broadcast_arrays(
            *compiled.array_function("enter_chart")(*draw_states(model, count, rng), *constants)
        )
        spike = compiled.array_function("time_to_spike")(*coordinates, *constants)
        steps = compiled.array_function("propagator")(times, *constants)
        ends = compiled.array_function("flow")(*coordinates, *steps, *constants)
        for i in range(count):
            state = [float(c[i]) for c in coordinates]
            wait = compiled.functions.time_to_spike(*state, *constants)
            assert spike[i] == pytest.approx(wait, rel=1e-15)
            step = compiled.functions.propagator(times[i], *constants)
            assert [s[i] for s in steps] == pytest.approx(step, rel=1e-15)
            end = compiled.functions.flow(*state, *step, *constants)
            assert [e[i] for e in ends] == pytest.approx(end, rel=1e-13, abs=1e-13)


def test_functions_that_iterate_are_named_so_that_arrays_go_through_them_one_by_one():
    looped = {
        model.name: {
            name
            for name in import_generated(model.name).LOOPED
            if not name.startswith("frame_")  # which take no arrays
        }
        for model in MODELS
        if model not in (ODD, FREE)
    }
    assert looped["theta"] == set()
    assert looped["qif_delta"] == {"flow_constants_vjp", "fire_constants_vjp"}
    assert {"flow", "flow_vjp", "time_to_spike", "will_spike"} <= looped["qif"]
    assert looped["eif"] == set(NUMERICAL)
    assert {"time_to_spike", "heights"} <= looped["lif_alpha"]
    assert "jump" in looped["rapid_theta"]
    assert {"frame_jump", "frame_spike"} <= set(import_generated("theta").LOOPED)


def test_a_model_without_pseudospikes_says_why():
    for model in MODELS:
        text = generate_text(model)
        assert ("HAS_PSEUDOSPIKES = True" in text) == ('WITHOUT_PSEUDOSPIKES = ""' in text)


def test_a_branch_that_does_not_apply_is_not_evaluated(tmp_path):
    module = import_text(generate_text(read_neuron_model("qif_delta")), tmp_path)
    constants = module.constants(1.0, 0.25)  # beta = 0: the other branches divide by kappa
    assert module.propagator(2.0, *constants) == (1.0, 2.0, 0.0)
    x = np.array([1.0, -1.0, 0.0])
    got = module.time_to_spike_array(x, np.ones(3), *constants)
    np.testing.assert_array_equal(got, [1.0, np.inf, np.inf])


def test_functions_of_one_component_return_a_tuple_too(tmp_path):
    module = import_text(generate_text(FREE), tmp_path)
    constants = module.constants()
    assert isinstance(module.leave_chart(1.0, 1.0, *constants), tuple)
    assert module.parameters_valid() == ()
    single = make_quadratic("dv/dt = v**2/tau + 1", {"tau": {"default": 1.0, "domain": "tau > 0"}})
    assert import_text(generate_text(single), tmp_path, name="b").parameters_valid(-1.0) == (False,)


def test_load_and_store_move_one_neurons_coordinates(tmp_path):
    module = import_text(generate_text(FREE), tmp_path)
    array = np.arange(6.0).reshape(2, 3)
    assert module.load(array, 1) == (1.0, 4.0)
    module.store(array, 2, 7.0, 8.0)
    np.testing.assert_array_equal(array, [[0.0, 1.0, 7.0], [3.0, 4.0, 8.0]])


@pytest.mark.parametrize(
    ("name", "crosses"), [("theta", True), ("qif", True), ("rapid_theta", False), ("lif", False)]
)
def test_a_module_says_whether_the_flow_carries_the_state_through_the_spike(name, crosses):
    assert import_generated(name).CROSSES_INFINITY is crosses
    assert load_compiled(import_generated(name), backend="numpy").crosses_infinity is crosses


def test_a_finite_reset_is_another_point_than_the_spike_at_infinity(tmp_path):
    model = read_model(ROOT / "tests" / "models" / "qif_finite_reset.toml")
    assert import_text(generate_text(model), tmp_path).CROSSES_INFINITY is False
