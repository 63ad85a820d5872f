"""Machine code: damaged on disk, or interrupted while it is made."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, run_ok, run_process, write_batch

from spiketheory.interrupts import deliver_signals_after
from spiketheory.machine import jit, link

pytestmark = [pytest.mark.usefixtures("own_folder"), pytest.mark.timeout(3600)]

LOG = logging.getLogger(__name__)
FLIP = """
import json, random, sys
from pathlib import Path
from spiketheory.machine.jit import Options, compile_function

def make():
    scale = 3.0
    def work(x):
        total = 0.0
        for k in range(x):
            total += scale * k
        return total
    return compile_function(work, key="flip", options=Options())

truth, hits = make()(10), 0
(path,) = Path(sys.argv[1]).rglob("*.nbc")
whole = path.read_bytes()
again = make()
assert again(10) == truth and sum(again.stats.cache_hits.values()) == 1
rng = random.Random(0)
for _ in range(int(sys.argv[2])):
    damaged, bit = bytearray(whole), rng.randrange(8 * len(whole))
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    other = make()
    assert other(10) == truth, bit
    hits += sum(other.stats.cache_hits.values())
    assert path.read_bytes()[32:] and path.read_bytes() != bytes(damaged)
for length in (0, 10, 32, len(whole) // 2):
    path.write_bytes(whole[:length])
    assert make()(10) == truth
print(json.dumps({"hits": hits}))
"""


@pytest.mark.parametrize("bits", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_machine_code_with_a_bit_changed_is_compiled_anew(bits, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "code"))
    program = tmp_path / "flip.py"
    program.write_text(FLIP)
    done = subprocess.run(
        [sys.executable, program, tmp_path / "code", str(bits)], check=False, text=True,
        capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {"hits": 0}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("job", "moments"), [("scalar", 8), pytest.param("batch", 30, marks=pytest.mark.slow)]
)
def test_a_compilation_that_was_interrupted_works_when_it_is_called_again(job, moments):
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("interrupted_compile.py"), job, str(moments),
         "1"],
        check=False, text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    found = json.loads(done.stdout)
    LOG.info("%s: %d of %d interrupted", job, found["interrupted"], moments)
    assert found["wrong"] == 0, done.stderr
    assert found["interrupted"] > 0
    assert "Exception ignored" not in done.stderr


def interrupt_inner(seen):
    with deliver_signals_after():
        with deliver_signals_after():
            signal.raise_signal(signal.SIGINT)
            seen.append("inner")
        seen.append("never")


def test_signals_are_held_back_and_come_at_the_end_of_the_inner_block():
    seen = []
    with pytest.raises(KeyboardInterrupt):
        interrupt_inner(seen)
    assert seen == ["inner"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_module_that_was_half_linked_is_linked_anew(monkeypatch):
    import sim.events.loop

    linker = link.Linker(bound={}, key="", compiles=False)
    real = link.Linker.bind

    def stop(self, function, names, key):
        raise KeyboardInterrupt

    monkeypatch.setattr(link.Linker, "bind", stop)
    with pytest.raises(KeyboardInterrupt):
        linker.link(sim.events.loop)
    assert not linker.linked
    monkeypatch.setattr(link.Linker, "bind", real)
    assert linker.link(sim.events.loop).run.__globals__ is not sim.events.loop.run.__globals__


def test_without_a_compiler_the_code_is_interpreted(monkeypatch):
    write_batch()
    run_ok("simulate", "batch.npz", "--backend", "numpy", "--out", "numpy.npz")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    code, _, stderr = run_process("simulate", "batch.npz", "--out", "numba.npz")
    assert (code, stderr) == (0, "")
    with np.load("numpy.npz") as one, np.load("numba.npz") as other:
        assert {n: one[n].tobytes() for n in one} == {n: other[n].tobytes() for n in other}


@pytest.mark.parametrize("name", [*jit.SETTINGS, "numba", "llvmlite", "numpy", "python"])
def test_the_key_of_machine_code_has_all_that_makes_it(name, monkeypatch):
    from numba.core import config

    before = jit.read_versions.__wrapped__()
    real = jit.importlib.metadata.version
    if name == "python":
        monkeypatch.setattr(jit.sys, "version", "another")
    elif name in jit.SETTINGS:
        monkeypatch.setattr(config, name, "another")
    else:
        monkeypatch.setattr(
            jit.importlib.metadata, "version", lambda n: "another" if n == name else real(n)
        )
    assert jit.read_versions.__wrapped__() != before
