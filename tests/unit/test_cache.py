import sys

import pytest

from spiketheory import cache
from spiketheory.parse import build_model

SOURCE = "VALUE = {value}\n"


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


@pytest.fixture
def made(monkeypatch, tmp_path):
    """List of models that were generated; the cache is empty, and generation is instantaneous."""
    models = []
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(cache, "derive", lambda model: models.append(model) or model)
    monkeypatch.setattr(cache, "verify", lambda derivation: derivation)
    monkeypatch.setattr(cache, "lower", lambda verified: verified)
    monkeypatch.setattr(cache, "generate", lambda ir: SOURCE.format(value=ir.parameters[0].default))
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
    (tmp_path / "methods").mkdir()
    (tmp_path / "cache.py").write_text("")
    deep = tmp_path / "methods" / "riccati.py"
    deep.write_text("a = 1")
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "cache.py"))
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
