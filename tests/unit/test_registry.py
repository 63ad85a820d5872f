import subprocess
import sys
from pathlib import Path

import pytest

import derivations
from derivations import (
    check_name,
    compile_model,
    import_generated,
    is_file_name,
    list_models,
    read_neuron_model,
)
from spiketheory.errors import InputError, ModelError, ParseError

ROOT = Path(__file__).resolve().parents[2]


def test_every_file_of_the_package_is_a_built_in_model():
    files = {p.stem for p in Path(derivations.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(list_models()) == files
    assert list_models() == sorted(list_models())
    assert {"theta", "qif_delta"} <= set(list_models())


@pytest.mark.parametrize("name", list_models())
def test_a_built_in_model_has_its_files_name_a_description_and_a_generated_twin(name):
    model = read_neuron_model(name)
    assert model.name == name
    assert model.description
    module = import_generated(name)
    assert module.__name__ == f"derivations.generated.{name}"
    assert (name, model.digest) == (module.NAME, module.DIGEST)


def test_there_is_no_generated_module_without_its_model():
    generated = Path(derivations.__file__).parent / "generated"
    assert {p.stem for p in generated.glob("*.py")} - {"__init__"} == set(list_models())


@pytest.mark.parametrize("name", ["thetta", "", "Theta", "generated", "__init__", "os"])
@pytest.mark.parametrize("use", [check_name, read_neuron_model, compile_model])
def test_an_unknown_model_is_told_the_names_and_the_way_out(name, use):
    with pytest.raises(ModelError) as info:
        use(name)
    assert str(info.value) == (
        f"Expected a built-in model ({', '.join(list_models())}) or the path of a .toml file but "
        f"got {name!r}; correct the name, or give the path of your model file."
    )


@pytest.mark.parametrize(
    ("name", "is_file"),
    [("theta", False), ("mine.toml", True), ("models/mine", True), ("models\\mine", True)],
)
def test_a_file_is_recognised_by_its_ending_or_its_folder(name, is_file):
    assert is_file_name(name) is is_file


def test_a_model_file_that_is_not_there_is_an_error_of_ours(tmp_path):
    with pytest.raises((InputError, ModelError), match=r"missing\.toml"):
        read_neuron_model(str(tmp_path / "missing.toml"))


def test_a_model_file_gives_the_model_that_was_written_to_it(tmp_path):
    path = tmp_path / "copy.toml"
    path.write_text(read_neuron_model("theta").to_toml())
    assert read_neuron_model(str(path)) == read_neuron_model("theta")


def test_a_broken_model_file_is_a_parse_error(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("[model\n")
    with pytest.raises(ParseError):
        read_neuron_model(str(path))


def test_a_compiled_model_is_made_once_per_name_and_backend():
    assert compile_model("theta", backend="numpy") is compile_model("theta", backend="numpy")


def test_a_built_in_model_runs_without_sympy():
    code = (
        "import sys; from derivations import compile_model; "
        "m = compile_model('theta', backend='numpy'); m.check_parameters({}); "
        "print('sympy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
