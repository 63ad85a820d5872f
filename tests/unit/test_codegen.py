import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models import generate_text, import_text, make_quadratic

from derivations import list_models, read_neuron_model
from spiketheory.compile import GENERATED_FORMAT
from spiketheory.errors import InputError

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


@pytest.mark.parametrize("target", ["module", "numba", "numpy"])
def test_every_target_is_python_that_can_be_imported(model, target, tmp_path):
    module = import_text(generate_text(model, target=target), tmp_path, name=target)
    assert model.name == module.NAME
    assert model.digest == module.DIGEST
    assert model.name in module.__doc__


def test_the_text_is_laid_out_as_ruff_would(model, tmp_path):
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("needs ruff beside Python")
    path = tmp_path / "generated.py"
    path.write_text(generate_text(model))
    command = [ruff, "format", "--diff", "--config", ROOT / "pyproject.toml", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_same_model_gives_the_same_text(model):
    assert generate_text(model) == generate_text(model)


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
        if not isinstance(function, ast.FunctionDef) or function.name in ("load", "store"):
            continue
        doc = ast.get_docstring(function)
        if not function.name.endswith("_array"):
            assert "Returns " in doc
            assert "Operations: " in doc
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
    with pytest.raises(InputError, match="Expected target to be one of module, numba, numpy but"):
        generate_text(FREE, target="c")


def test_array_functions_equal_the_scalar_functions_element_by_element(model, tmp_path):
    module = import_text(generate_text(model), tmp_path)
    rng = np.random.default_rng(0)
    states = rng.normal(size=50) * 3
    for drive in (-2.0, 0.25, 2.0):
        values = list(module.DEFAULTS)
        if "I0" in module.PARAMETERS and module.NAME != "theta":
            values[module.PARAMETERS.index("I0")] = drive
        constants = module.constants(*values)
        times = rng.exponential(size=50)
        x, y = module.enter_chart(states, *constants)
        x, y = np.broadcast_arrays(x, y)
        spike = getattr(module, "time_to_spike_array", module.time_to_spike)(x, y, *constants)
        steps = getattr(module, "propagator_array", module.propagator)(times, *constants)
        for i in range(50):
            assert spike[i] == pytest.approx(
                module.time_to_spike(x[i], y[i], *constants), rel=1e-15
            )
            step = module.propagator(times[i], *constants)
            assert [s[i] for s in steps] == pytest.approx(step, rel=1e-15)


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
