import sys

import pytest

from spiketheory.language.parse import build_model
from spiketheory.route import model_cache as cache

SOURCE = "FORMAT = {format}\nDIGEST = {digest!r}\nVALUE = {value}\n"


def make_model(name="my_neuron", rate=1.0):
    return build_model(
        name=name,
        equations="dV/dt = (a*V**2 - V + I0)/tau",
        spike="V -> oo",
        reset="V = -oo",
        input="V += w",
        rest={"V": 0},
        parameters={
            "tau": {"default": rate, "domain": "tau > 0"},
            "a": {"default": 1.0, "domain": "a > 0"},
            "I0": {"default": 0.5},
        },
    )


def write_source(model):
    return SOURCE.format(
        format=cache.GENERATED_FORMAT, digest=model.digest, value=model.parameters[0].default
    )


@pytest.fixture
def made(monkeypatch, tmp_path):
    """List of models that were generated; the cache is empty, and generation is instantaneous."""
    models = []
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(cache, "verify_model", lambda model: models.append(model) or model)
    monkeypatch.setattr(cache, "generate", write_source)
    yield models
    forget_modules()


def forget_modules():
    for name in [n for n in sys.modules if n.startswith("spiketheory_generated_")]:
        del sys.modules[name]


def test_a_model_is_generated_once_and_then_read_from_disk(made, tmp_path):
    model = make_model()
    first = cache.load_or_generate(model)
    forget_modules()
    second = cache.load_or_generate(model)
    assert first.VALUE == second.VALUE == 1.0
    assert first is not second
    assert made == [model]
    (path,) = (tmp_path / "spiketheory" / "models").glob("*.py")
    assert path.name.startswith("my_neuron_")


def test_a_module_is_imported_once_per_process(made):
    assert cache.load_or_generate(make_model()) is cache.load_or_generate(make_model())


def test_another_model_of_the_same_name_gets_its_own_file(made, tmp_path):
    assert cache.load_or_generate(make_model()).VALUE == 1.0
    assert cache.load_or_generate(make_model(rate=2.0)).VALUE == 2.0
    assert len(made) == 2
    assert len(list((tmp_path / "spiketheory" / "models").iterdir())) == 2


def test_a_new_generator_does_not_run_code_of_the_old_one(made, monkeypatch):
    cache.load_or_generate(make_model())
    monkeypatch.setattr(cache, "hash_generator", lambda: "another version")
    cache.load_or_generate(make_model())
    assert len(made) == 2


def test_the_hash_of_the_generator_sees_every_source_file(monkeypatch, tmp_path):
    for folder in ("route", "symbolic"):
        (tmp_path / folder).mkdir()
    deep = tmp_path / "symbolic" / "riccati.py"
    deep.write_text("a = 1")
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "route" / "model_cache.py"))
    before = cache.hash_generator()
    assert cache.hash_generator() == before
    deep.write_text("a = 2")
    assert cache.hash_generator() != before


def test_a_failed_generation_leaves_nothing_behind(made, monkeypatch, tmp_path):
    def fail(ir):
        raise RuntimeError("no code today")

    monkeypatch.setattr(cache, "generate", fail)
    with pytest.raises(RuntimeError, match="no code today"):
        cache.load_or_generate(make_model())
    assert list(tmp_path.rglob("*.py")) == []


def test_a_cache_that_cannot_be_written_to_costs_time_but_not_the_result(
    made, monkeypatch, tmp_path
):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: blocker / name)
    model = make_model(rate=7.0)
    first = cache.load_or_generate(model)
    assert first.VALUE == 7.0
    assert cache.load_or_generate(model) is first
    assert len(made) == 1


DAMAGES = {
    "empty": lambda text: "",
    "cut inside a name": lambda text: text[: text.index("GEST")],
    "cut inside a text": lambda text: text[: text.index("DIGEST") + 12],
    "cut between two lines": lambda text: text[: text.index("VALUE")],
    "without its last character": lambda text: text[:-1],
    "changed": lambda text: text.replace("VALUE = 1.0", "VALUE = 3.0"),
    "not text": lambda text: "\0\0\0",
    "raises": lambda text: cache.seal("raise SystemError"),
    "of another format": lambda text: cache.seal(text.replace("FORMAT = ", "FORMAT = 9")),
    "of another model": lambda text: cache.seal(text.replace("DIGEST = '", "DIGEST = '0")),
    "of no model": lambda text: cache.seal("VALUE = 3.0\n"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_in_the_cache_is_generated_again(damage, made, tmp_path):
    model = make_model()
    cache.load_or_generate(model)
    (path,) = (tmp_path / "spiketheory" / "models").glob("*.py")
    whole = path.read_text()
    path.write_text(DAMAGES[damage](whole))
    forget_modules()
    module = cache.load_or_generate(model)
    assert module.VALUE == 1.0
    assert model.digest == module.DIGEST
    assert made == [model, model]
    assert path.read_text() == whole
    forget_modules()
    assert cache.load_or_generate(model).VALUE == 1.0
    assert len(made) == 2


def test_no_bytecode_is_kept_that_could_be_damaged(made, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    cache.load_or_generate(make_model())
    assert not (tmp_path / "spiketheory" / "models" / "__pycache__").exists()


def test_a_file_that_does_not_import_leaves_no_module_behind(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        cache.import_file(path)
    assert cache.name_module(path) not in sys.modules
