"""Forked processes, which have their parent's memory but none of its threads."""

import json

import pytest
from commands import run_process

pytestmark = pytest.mark.usefixtures("own_folder")

FORK = """
import json, multiprocessing, sys, threading, time
import numpy as np
from derivations import compile_model
from sim.inputs.encoding import LatencyInput
from sim.layers.batch import run_batch
from sim.losses import make_first_spike_loss
from sim.network.layer_stack import LayerStack

def job():
    rng = np.random.default_rng(0)
    weights = (rng.normal(0.3, 0.3, (20, 20)), rng.normal(0.1, 0.3, (20, 3)))
    model = compile_model("theta", backend="numpy")
    network = LayerStack(model=model, parameters={"tau": 1.9}, duration=2.0, weights=weights)
    inputs = LatencyInput(times=rng.uniform(0, 1, (40, 20)))
    loss = make_first_spike_loss(gamma=0.01, duration=2.0)
    outcome, _ = run_batch(network, inputs, rng.integers(0, 3, 40), loss, gradient=True)
    return float(outcome.loss.mean())

def compile_there():
    import numba
    from spiketheory.machine.jit import Options, compile_function
    def double(x):
        return 2 * x
    return compile_function(double, key="", options=Options())(21)

def in_child(function):
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=lambda: writer.send(function()))
    child.start()
    found = reader.recv() if reader.poll(20) else "hangs"
    child.kill()
    return found
"""


def run_code(code):
    found, stdout, stderr = run_process(code=FORK + code)
    assert found == 0, stderr
    return json.loads(stdout)


def test_a_forked_child_gets_the_number_of_its_parent(monkeypatch):
    monkeypatch.setenv("SPIKETHEORY_THREADS", "2")
    mine, childs = run_code("print(json.dumps([job(), in_child(job)]))")
    assert mine == childs


COMPILING = """
compile_there()
from numba.core.compiler_lock import global_compiler_lock
begun = threading.Event()
def compile_long():
    with global_compiler_lock:
        begun.set()
        time.sleep(1)
threading.Thread(target=compile_long).start()
begun.wait()
print(json.dumps(in_child(compile_there)))
"""


def test_a_child_that_is_forked_while_a_thread_compiles_can_compile():
    assert run_code(COMPILING) == 42
