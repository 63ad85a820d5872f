"""Caches that are full, read-only, foreign or of another time; disks that are full."""

import os
import time
from pathlib import Path

import pytest
from commands import list_files, run_process, write_batch
from leftovers import MODEL

from spiketheory.route import document_cache, model_cache, versions

pytestmark = pytest.mark.usefixtures("own_folder")

SIMULATE = ("simulate", "batch.npz", "--model", "mine.toml", "--backend", "numpy", "--json")
DERIVE = ("derive", "--model", "mine.toml")
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
from spiketheory.commands.main import main
main()
"""
COMPILES = """
from spiketheory.machine.jit import compile_function
def make(offset):
    return compile_function(lambda x: x + offset, key="full")
print(make(2.0)(1.0))
"""


@pytest.fixture(autouse=True)
def _files(own_folder):
    write_batch()
    Path("mine.toml").write_text(MODEL)


def list_cache():
    """The files of the cache but for those of other libraries."""
    folder = Path("../home/spiketheory")
    return [p for p in folder.rglob("*") if p.is_file()]


def run_both(**options):
    """What two commands that use the caches print and write."""
    said = []
    for arguments in (DERIVE, (*SIMULATE, "--out", "out.npz")):
        code, stdout, stderr = run_process(*arguments, **options)
        assert (code, stderr) == (0, ""), stderr
        said.append(stdout)
    return said, Path("out.npz").read_bytes()


@pytest.mark.slow
def test_no_state_of_the_caches_changes_a_result():
    first = run_both()
    whole = {path: path.read_bytes() for path in list_cache()}
    assert {path.parent.name for path in whole} == {"documents", "models"}
    assert run_both() == first
    for damage in (b"", b"\0" * 5000, b"raise SystemExit(3)\n", b"\xff\xfe garbage"):
        for path in whole:
            path.write_bytes(damage)
        assert run_both() == first
        assert {path: path.read_bytes() for path in list_cache()} == whole
    for days in (-3650, 3650):  # a clock that was wrong, then or now
        for path in whole:
            os.utime(path, (time.time() + 86400 * days,) * 2)
        assert run_both() == first
    for path in whole:
        path.unlink()
        path.mkdir()  # cannot be read or replaced by anybody
    assert run_both() == first


def test_a_cache_that_is_no_folder_costs_time_but_not_the_result():
    Path("../home").write_text("a file")
    code, stdout, stderr = run_process(*SIMULATE, "--out", "out.npz")
    assert (code, stderr) == (0, "")
    assert '"spikes_per_layer"' in stdout


def test_an_unreadable_document_of_the_future_is_made_anew(monkeypatch):
    document_cache.keep_document("a" * 64, "text")
    path = document_cache.place("a" * 64)
    os.utime(path, (time.time() + 1e9,) * 2)
    assert document_cache.find_document("a" * 64) == "text"
    path.write_bytes(path.read_bytes().replace(b"text", b"test"))
    assert document_cache.find_document("a" * 64) is None


@pytest.mark.parametrize(
    "arguments",
    [
        (*SIMULATE[:-1], "--out", "out.npz"),
        pytest.param(("derive", "--model", "theta", "--out", "out.txt"), marks=pytest.mark.slow),
        pytest.param(
            ("certify", "--model", "theta", "--format", "json", "--out", "out.json"),
            marks=pytest.mark.slow,
        ),
        ("train", "--hidden", "3", "--epochs", "1", "--out", "run"),
    ],
)
@pytest.mark.usefixtures("trained_once")
def test_a_disk_that_is_full_is_one_paragraph_and_leaves_nothing(arguments):
    """A file-size limit stands for it: it is met in the middle of writing, not at its beginning."""
    pytest.importorskip("resource")
    before = list_files()
    code, stdout, stderr = run_process(*arguments, code=LIMITED)
    assert (code, stdout) == (2, ""), stderr
    assert stderr.splitlines()[-1].startswith("Error: Expected to write")
    assert "Traceback" not in stderr
    assert {f for f in list_files() - before if f != "run/config.toml"} == set()
    assert list_cache() == []


def test_machine_code_that_a_full_disk_does_not_take_is_run_all_the_same(tmp_path):
    pytest.importorskip("resource")
    Path("program.py").write_text(COMPILES)
    for start, n_kept in ((LIMITED, 0), ("", 1)):
        code = start.split("from")[0] + "import runpy; runpy.run_path('program.py')"
        done = run_process(code=code, NUMBA_CACHE_DIR=str(tmp_path / "code"))
        assert done == (0, "3.0\n", "")
        assert len([p for p in (tmp_path / "code").rglob("*") if p.is_file()]) == n_kept


@pytest.mark.parametrize("library", ["python", *versions.MATHEMATICS])
def test_no_cache_of_another_version_of_anything_is_read(library, monkeypatch):
    def make():
        return model_cache.hash_generator(), document_cache.make_key("theta", {})

    before, real = make(), versions.find_version
    if library == "python":
        monkeypatch.setattr(versions.sys, "version", "another")
    else:
        monkeypatch.setattr(
            versions, "find_version", lambda name: "another" if name == library else real(name)
        )
    assert not set(make()) & set(before)
