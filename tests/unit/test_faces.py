"""The names that people import: each is there, and none is imported before it is asked for."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import derivations
import sim
import spiketheory
from spiketheory.certification.certify import certify

FACES = {"spiketheory": spiketheory, "sim": sim, "derivations": derivations}
HEAVY = ("sympy", "numba", "numpy", "scipy", "matplotlib", "click")


@pytest.mark.parametrize("package", FACES)
def test_every_public_name_can_be_imported_and_is_documented(package):
    face = FACES[package]
    for name in face.__all__:
        found = getattr(face, name)
        assert found.__doc__ or isinstance(found, tuple), name
        assert name in dir(face)


@pytest.mark.parametrize("package", FACES)
def test_every_public_name_stands_in_the_page_for_users_of_python(package):
    page = (Path(sim.__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    tables = page[page.index("## All public names") :]
    own = tables[tables.index(f"| of `{package}` |") :].split("\n\n")[0]
    listed = re.findall(r"`(\w+)`", own.split("\n", 2)[2])
    assert set(FACES[package].__all__) - set(listed) == set()


def test_the_code_in_the_page_for_users_of_python_runs():
    page = (Path(sim.__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    code = "\n".join(blocks).replace(
        'compile_model("theta")', 'compile_model("theta", backend="numpy")'
    )
    names: dict[str, object] = {"print": lambda *values: None}
    exec(code, names)
    exact, own = names["gradients"], names["by_time"]
    assert own.shape == (8, 3)
    assert exact.weights[0].shape == (50, 20)


@pytest.mark.parametrize("package", ["spiketheory", "sim"])
def test_what_type_checkers_see_is_what_is_imported(package):
    face = FACES[package]
    tree = ast.parse(Path(face.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: part.module for part in block.body for alias in part.names}
    assert seen == face.NAMES
    assert tuple(sorted(seen)) == tuple(sorted(face.__all__))
    for name, module in face.NAMES.items():
        assert getattr(face, name) is getattr(importlib.import_module(module), name)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    assert spiketheory.certify is certify
    with pytest.raises(AttributeError, match="module 'spiketheory' has no attribute 'nothing'"):
        spiketheory.nothing  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from sim import nothing")


def test_importing_the_packages_loads_nothing_heavy():
    code = (
        "import sys, spiketheory, sim\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
        "from spiketheory import read_model\n"
        "print('sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]
