"""The command line when output cannot be written, and in processes of their own."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import (
    ROOT,
    SMALL,
    assert_refused,
    list_files,
    read_metrics,
    run,
    run_ok,
    run_process,
    start_process,
    write_batch,
)

import sim.training.run_folder
import spiketheory.files
from sim.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.usefixtures("own_folder")


def refuse_writing(monkeypatch, number):
    """Let the system say that there is no room, or that the file system is read-only."""

    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number))

    for module in (
        spiketheory.files,
        sim.training.run_folder,
    ):  # and no other: Numba makes temporary files too
        monkeypatch.setattr(module, "tempfile", SimpleNamespace(mkstemp=fail, TemporaryFile=fail))


WRITERS = {
    "simulate": ("simulate", "batch.npz", "--backend", "numpy"),
    "codegen": ("codegen", "--model", "theta"),
    "train": ("train", *SMALL),
}


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_folder_is_refused(command, number, monkeypatch, verify_once):
    write_batch()
    refuse_writing(monkeypatch, number)
    result = run(*WRITERS[command], "--out", "there/out")
    assert_refused(result, f"Expected to write .*there.* but .*{os.strerror(number)}; choose a fol")
    assert list_files() == {"batch.npz"}


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize("out", ["batch.npz/out", "batch.npz/deep/er/out"])
def test_a_folder_under_a_regular_file_is_refused(command, out, verify_once):
    write_batch()
    before = Path("batch.npz").read_bytes()
    assert_refused(run(*WRITERS[command], "--out", out), "Expected to write .* but the system said")
    assert list_files() == {"batch.npz"}
    assert Path("batch.npz").read_bytes() == before


@pytest.mark.parametrize("command", ["simulate", "codegen"])
def test_a_folder_in_place_of_an_output_file_is_refused(command, verify_once):
    write_batch()
    Path("out").mkdir()
    assert_refused(run(*WRITERS[command], "--out", "out"), "Expected to write out but")
    assert list_files() == {"batch.npz"}


def test_a_disk_that_fills_up_during_training_leaves_the_last_checkpoint(monkeypatch):
    real, calls = sim.training.run_folder.save_checkpoint, []

    def save(*arguments, **options):
        calls.append(options)
        if len(calls) == 2:
            refuse_writing(monkeypatch, errno.ENOSPC)
        real(*arguments, **options)

    monkeypatch.setattr(sim.training.run_folder, "save_checkpoint", save)
    result = run("train", *SMALL, "--out", "run", "--json")
    assert_refused(result, "Expected to write .*checkpoint.npz but .* No space left on device")
    assert load_checkpoint("run/checkpoint.npz").meta["epoch"] == 0
    assert list_files() == {"run/config.toml", "run/metrics.csv", "run/checkpoint.npz"}


def test_running_out_of_memory_is_one_paragraph(monkeypatch):
    def fail(batch, **_):
        raise MemoryError("Unable to allocate 7 TiB")

    monkeypatch.setattr("sim.files.batch_file.simulate_batch", fail)
    result = run("simulate", write_batch(), "--out", "out.npz", "--backend", "numpy")
    assert_refused(result, r"Expected enough memory but ran out of it \(Unable to allocate 7 TiB\)")


def test_an_unforeseen_refusal_of_the_system_is_one_paragraph(monkeypatch):
    def fail(batch, **_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("sim.files.batch_file.simulate_batch", fail)
    result = run("simulate", write_batch(), "--out", "out.npz", "--backend", "numpy")
    assert_refused(result, "Expected to read and write files but the system said: .*Too many open")


def test_an_error_of_our_own_keeps_its_traceback(monkeypatch):
    def fail(batch, **_):
        raise ValueError("a bug")

    monkeypatch.setattr("sim.files.batch_file.simulate_batch", fail)
    result = run("simulate", write_batch(), "--out", "out.npz", "--backend", "numpy")
    assert repr(result.exception) == "ValueError('a bug')"


def test_a_process_that_succeeds_ends_with_0():
    code, stdout, stderr = run_process("models", "--json")
    assert (code, stderr) == (0, "")
    assert json.loads(stdout)


def test_a_process_with_a_failed_check_ends_with_1():
    program = (
        "import spiketheory.verification.verify\n"
        "from spiketheory.commands.main import main\n"
        "from spiketheory.errors import VerificationError\n"
        "def fail(derivation, **_): raise VerificationError('Expected 0 but got 1.')\n"
        "spiketheory.verification.verify.verify = fail\n"
        "main()"
    )
    code, stdout, stderr = run_process("derive", "--model", "theta", code=program)
    assert (code, stdout) == (1, "")
    assert "a fault of spiketheory, not of your model" in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", "missing.npz", "--out", "out.npz"),
        ("evaluate", "missing"),
        ("derive", "--model", "missing.toml"),
        ("train", "--hidden", "0"),
    ],
)
def test_a_process_with_bad_input_ends_with_2_and_no_traceback(arguments):
    code, stdout, stderr = run_process(*arguments)
    assert (code, stdout) == (2, "")
    assert re.fullmatch(r"Error: Expected [^\n]* but [^\n]*\n", stderr)
    assert list_files() == set()


def test_a_reader_that_goes_away_is_no_error():
    process = start_process("models")
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) in (0, 1)
    assert stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_terminal_that_is_full_is_one_paragraph():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, ROOT / "cli.py", "models", "--json"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_during_training_leaves_a_checkpoint_and_says_how_to_go_on():
    process = start_process("train", "--hidden", "10", "--epochs", 10**6, "--out", "run")
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if Path("run/checkpoint.npz").exists() and len(read_metrics("run")) > 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert stdout == ""
    epoch = load_checkpoint("run/checkpoint.npz").meta["epoch"]
    assert f"Everything up to epoch {epoch} is in run; continue with" in stderr
    assert "cli.py train --resume run" in stderr
    assert list_files() == {"run/config.toml", "run/metrics.csv", "run/checkpoint.npz"}
    assert json.loads(run_ok("evaluate", "run", "--json").stdout)["epochs"] == epoch


CLASHES = {
    "sim.py": "sim", "sim/__init__.py": "sim", "derivations.py": "derivations",
    "cli.py": "", "cli/__init__.py": "", "sim/notes.txt": "",
}  # fmt: skip
"""Files of a user's beside which the program runs, and what is said to be in the way."""


@pytest.mark.parametrize("file", CLASHES)
def test_beside_files_of_the_same_names_the_program_runs_or_names_them(file, tmp_path):
    foreign = tmp_path / file
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("raise RuntimeError('imported')\n")
    code = "from spiketheory.commands.main import main; main(['models'])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False,
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )  # fmt: skip
    if not CLASHES[file]:
        assert (done.returncode, done.stderr) == (0, "")
        assert "theta" in done.stdout
        return
    assert done.returncode == 2
    assert done.stdout == ""
    expected = f"Error: Expected the package {CLASHES[file]} that came with spiketheory in {ROOT}"
    assert expected in done.stderr
    assert str(foreign) in done.stderr
