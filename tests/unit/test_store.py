import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import ROOT

from spiketheory.errors import InputError
from spiketheory.files import break_seal, seal
from spiketheory.route import document_cache as store
from spiketheory.route import versions


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    return tmp_path / "spiketheory" / "documents"


def test_a_document_comes_back_as_it_was(folder):
    for text in ("plain\n", "no line break at the end", "π\n# sha256 of the lines above: x\n", ""):
        store.keep_document("key", text)
        assert store.find_document("key") == text
    assert [p.name for p in folder.iterdir()] == ["key"]


def test_what_was_never_kept_is_not_found():
    assert store.find_document("key") is None


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-10], lambda data: data.replace(b"text", b"test"), lambda data: b"",
     lambda data: b"\xff\xfe" + data, lambda data: data + b"more"],
)  # fmt: skip
def test_a_damaged_entry_is_not_found_and_can_be_kept_again(folder, damage):
    store.keep_document("key", "some text\n")
    path = folder / "key"
    path.write_bytes(damage(path.read_bytes()))
    assert store.find_document("key") is None
    store.keep_document("key", "some text\n")
    assert store.find_document("key") == "some text\n"


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(monkeypatch):
    def refuse(path, text):
        raise InputError("no room")

    monkeypatch.setattr(store, "write_text_atomically", refuse)
    store.keep_document("key", "text")
    assert store.find_document("key") is None


def test_a_file_where_the_folder_should_be_costs_nothing_but_time(tmp_path):
    (tmp_path / "spiketheory").write_text("in the way")
    store.keep_document("key", "text")
    assert store.find_document("key") is None


def test_the_entries_that_were_not_asked_for_the_longest_go_first(monkeypatch, folder):
    monkeypatch.setattr(store, "ENTRIES", 3)
    for age, key in enumerate("abc"):
        store.keep_document(key, key)
        os.utime(folder / key, (1000 + age, 1000 + age))
    assert store.find_document("a") == "a"  # now the youngest
    store.keep_document("d", "d")
    assert sorted(p.name for p in folder.iterdir()) == ["a", "c", "d"]


def test_the_key_depends_on_model_options_source_and_versions(monkeypatch, tmp_path):
    def make(model="theta", **options):
        return store.make_key(model, {"format": "html", "code": False, **options})

    first = make()
    assert first == make()
    file = tmp_path / "theta.toml"
    file.write_text("theta")
    keys = [first, make("qif_delta"), make(code=True), make(format="text"), make(str(file))]
    file.write_text("theta ")
    keys.append(make(str(file)))
    monkeypatch.setattr(versions, "find_version", lambda name: "99" if name == "sympy" else "1")
    keys.append(make())
    monkeypatch.setattr(store, "hash_source", lambda: "another program")
    keys.append(make())
    assert len(set(keys)) == len(keys)


def test_two_files_of_the_same_content_share_their_document(tmp_path):
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text("same")
    keys = {store.make_key(str(tmp_path / name), {}) for name in ("a.toml", "b.toml")}
    assert len(keys) == 1


def test_a_file_that_cannot_be_read_has_no_key(tmp_path):
    assert store.make_key(str(tmp_path / "missing.toml"), {}) is None


def test_a_library_that_is_missing_has_no_version():
    assert versions.find_version("there-is-no-such-library") == "none"
    assert versions.find_version("sympy")[0].isdigit()


def test_a_change_of_any_source_file_changes_the_hash(monkeypatch, tmp_path):
    for package in store.PACKAGES:
        (tmp_path / package / "deep").mkdir(parents=True)
        (tmp_path / package / "deep" / "a.py").write_text("1")
    monkeypatch.setattr(
        store, "__file__", str(tmp_path / "spiketheory" / "route" / "document_cache.py")
    )
    hashes = [store.hash_source()]
    (tmp_path / "derivations" / "deep" / "a.py").write_text("2")
    hashes.append(store.hash_source())
    (tmp_path / "derivations" / "deep" / "a.py").rename(tmp_path / "derivations" / "b.py")
    hashes.append(store.hash_source())
    assert len(set(hashes)) == 3


def test_a_seal_breaks_only_if_it_is_whole():
    assert break_seal(seal("text\n")) == "text\n"
    assert break_seal(seal(seal("text\n"))) == seal("text\n")
    assert break_seal("text\n") is None
    assert break_seal(seal("text\n") + " ") is None


LOOK_UP = """
import sys
from click.testing import CliRunner
from spiketheory.commands.main import main
result = CliRunner().invoke(main, ["derive", "--model", "theta", *sys.argv[1:]])
print(result.exit_code, len(result.output), "sympy" in sys.modules, "matplotlib" in sys.modules)
"""


def test_the_second_call_imports_neither_sympy_nor_matplotlib(tmp_path):
    def look_up(*options):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)}
        command = [sys.executable, "-c", LOOK_UP, *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    first, second = look_up(), look_up()
    assert first[0] == second[0] == "0"
    assert first[1] == second[1]
    assert first[2] == "True"
    assert second[2:] == ["False", "False"]
    assert look_up("--no-cache")[2] == "True"
    assert len(list(Path(tmp_path).rglob("documents/*"))) == 1
