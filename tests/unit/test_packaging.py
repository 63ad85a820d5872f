"""What a release is made of: syntax, versions, extras, and every file in the source archive."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import spiketheory
from tests import extras

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OLDEST = (3, 11)


def read_manifest():
    """Folders, and single files, that the source archive has."""
    lines = [line.split() for line in (ROOT / "MANIFEST.in").read_text("utf-8").splitlines()]
    folders = {word for kind, *words in lines if kind == "graft" for word in words}
    files = {word for kind, *words in lines if kind == "include" for word in words}
    return folders, files


def test_the_syntax_is_that_of_the_oldest_python():
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, OLDEST))
    folders, _ = read_manifest()
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 500
    for file in [*files, ROOT / "cli.py"]:
        ast.parse(file.read_text("utf-8"), str(file), feature_version=OLDEST)
    with pytest.raises(SyntaxError):
        ast.parse("type Number = int", feature_version=OLDEST)


def test_there_is_one_version():
    assert metadata.version("spiketheory") == spiketheory.__version__
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert cited.group(1) == spiketheory.__version__


def test_every_file_is_in_the_source_archive():
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    folders, files = read_manifest()
    tracked = set(done.stdout.splitlines()) - {"MANIFEST.in", "pyproject.toml"}
    assert {f for f in tracked if f.split("/")[0] not in folders and f not in files} == set()


def test_the_docs_list_the_extras_that_there_are():
    text = (ROOT / "docs" / "installing.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, re.MULTILINE)
    extras = PROJECT["optional-dependencies"]
    assert [name for name, _ in rows] == sorted(extras)
    for name, packages in rows:
        wanted = {re.split(r"[<>=\[]", one)[0] for one in extras[name]}
        assert set(packages.split(", ")) == wanted, name


def test_a_missing_package_is_an_error_where_all_must_run(monkeypatch):
    with pytest.raises(pytest.skip.Exception, match="needs not_there, which is not installed"):
        extras.need("not_there", "own")
    monkeypatch.setattr(extras, "ALL_MUST_RUN", True)
    with pytest.raises(ModuleNotFoundError, match=r"pip install .\.\[own\]"):
        extras.need("not_there", "own")
    extras.need("pytest", "test")


BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]  # setuptools puts others in its place
build_meta.build_sdist(folder)
build_meta.build_wheel(folder)
"""


def build(tmp_path):
    """The source archive and the wheel, built from a copy by the build system of pyproject.toml."""
    source, tools, made = tmp_path / "source", tmp_path / "tools", tmp_path / "made"
    folders, files = read_manifest()
    for folder in folders:
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in {*files, "MANIFEST.in", "pyproject.toml"}:
        (source / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, source / file)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", tools, *wanted], check=True)
    subprocess.run(
        [sys.executable, "-c", BUILD, made], cwd=source, check=True, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(tools)},
    )  # fmt: skip
    (archive,), (wheel,) = made.glob("*.tar.gz"), made.glob("*.whl")
    return archive, wheel


def test_wheel_and_source_archive_are_complete(tmp_path):
    archive, wheel = build(tmp_path)
    folders, files = read_manifest()
    with tarfile.open(archive) as packed:
        inside = {name.partition("/")[2] for name in packed.getnames()}
    wanted = {
        str(file.relative_to(ROOT))
        for folder in folders
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {*wanted, *files, "pyproject.toml", "MANIFEST.in"} - inside == set()
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        (about,) = (n for n in names if n.endswith("dist-info/METADATA"))
        text = packed.read(about).decode()
    packages = {w for w in wanted if w.split("/")[0] in ("spiketheory", "derivations", "sim")}
    assert {w for w in packages if w.endswith(".py")} - names == set()
    assert {
        "sim/training/digits.csv.gz",
        "sim/training/digits.txt",
        "spiketheory/py.typed",
    } <= names
    assert {n.split("/")[0] for n in names} == {
        "spiketheory", "derivations", "sim", f"spiketheory-{spiketheory.__version__}.dist-info",
    }  # fmt: skip
    assert f"Version: {spiketheory.__version__}" in text
    assert "scikit-learn" not in text.partition("Provides-Extra")[0]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("which", ["source archive", "wheel"])
def test_what_was_built_is_installed_elsewhere_and_runs(which, tmp_path):
    archive, wheel = build(tmp_path)
    own = tmp_path / "work"
    own.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "env"], cwd=tmp_path, check=True)
    programs = tmp_path / "env" / "bin"
    chosen = wheel if which == "wheel" else archive
    subprocess.run([programs / "pip", "install", "--quiet", chosen], check=True)
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "VIRTUAL"))}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(own)}

    def run(*arguments, **variables):
        return subprocess.run(
            [programs / "spiketheory", *arguments], cwd=own, capture_output=True, text=True,
            check=False, env=environment | variables,
        )  # fmt: skip

    done = run("train", "--epochs", "2", "--hidden", "20", "--json", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert run("--version").stdout.split()[-1] == spiketheory.__version__
    (own / "cli.py").write_text("raise RuntimeError\n")
    assert "theta" in run("models", PYTHONPATH=".").stdout
    (own / "sim.py").write_text("raise RuntimeError\n")
    assert "theta" in run("models").stdout
    done = run("models", PYTHONPATH=".")
    assert done.returncode == 2
    assert "Expected the package sim that came with spiketheory" in done.stderr
    assert str(own / "sim.py") in done.stderr
