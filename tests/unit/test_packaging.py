"""What a release is made of: syntax, versions, extras, and every file in the source archive."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import spiketheory

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


def test_a_missing_package_is_a_failure_where_all_must_be_there(tmp_path):
    """The hook of conftest.py, in processes of their own."""
    folder = tmp_path / "tests" / "unit"
    folder.mkdir(parents=True)
    conftest = (ROOT / "tests" / "conftest.py").read_text("utf-8")
    (folder / "conftest.py").write_text(conftest, "utf-8")
    (folder / "test_whole.py").write_text("import pytest\npytest.importorskip('not_there')\n")
    (folder / "test_one.py").write_text(
        "import pytest\ndef test_it():\n    pytest.importorskip('not_there')\n"
    )
    counts = []
    for required in ("", "all"):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", "tests"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env=os.environ | {"SPIKETHEORY_EXTRAS": required},
        )  # fmt: skip
        counts.append(re.findall(r"(\d+) (skipped|error|failed)", done.stdout.splitlines()[-1]))
    assert counts == [[("2", "skipped")], [("1", "failed"), ("1", "error")]]
