"""Ctrl-C at many moments of a compilation, each in a forked process, then the same call again.

Moments are counted in processor time: a busy machine does not move them past the end.

    python interrupted_compile.py scalar|batch MOMENTS SEED

Prints how often it was interrupted and how often the second call was wrong, as JSON.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time

import numpy as np
from numba.core import config

from derivations import compile_model
from sim.inputs.encoding import LatencyInput
from sim.layers.batch import run_batch
from sim.losses import make_first_spike_loss
from sim.network.layer_stack import LayerStack


def run_scalar():
    """A few functions of a small model."""
    model = compile_model("lif_delta")
    constants = model.functions.constants(*model.defaults)
    state = model.functions.initial_state(0.1, *constants)
    return str(state)


def run_layers():
    """A batch with gradient: all kernels of the engine for layers."""
    rng = np.random.default_rng(0)
    weights = (rng.normal(0.3, 0.3, (5, 6)), rng.normal(0.1, 0.3, (6, 3)))
    model = compile_model("theta")
    network = LayerStack(model=model, parameters={"tau": 1.9}, duration=2.0, weights=weights)
    inputs = LatencyInput(times=rng.uniform(0, 1, (8, 5)))
    loss = make_first_spike_loss(gamma=0.01, duration=2.0)
    outcome, _ = run_batch(network, inputs, rng.integers(0, 3, 8), loss, gradient=True)
    return repr(float(outcome.loss.mean()))


JOBS = {"scalar": run_scalar, "batch": run_layers}


def call_twice(job, moment, folder):
    """What is known of two calls: whether the first was interrupted, the second's answer."""
    os.environ["NUMBA_CACHE_DIR"] = config.CACHE_DIR = tempfile.mkdtemp(dir=folder)
    interrupted = False
    begun = time.process_time()
    try:
        if moment is not None:
            signal.signal(signal.SIGPROF, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_PROF, moment)
        job()
    except KeyboardInterrupt:
        interrupted = True
    signal.setitimer(signal.ITIMER_PROF, 0)
    return interrupted, time.process_time() - begun, job()


def call_in_child(job, moment, folder):
    """The same in a forked process; None if it crashed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(call_twice(job, moment, folder)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def main():
    """Go through the moments."""
    job, rng = JOBS[sys.argv[1]], random.Random(int(sys.argv[3]))
    with tempfile.TemporaryDirectory() as folder:
        _, seconds, answer = call_in_child(job, None, folder)
        moments = [rng.uniform(1e-3, seconds) for _ in range(int(sys.argv[2]))]
        found = [call_in_child(job, moment, folder) for moment in moments]
    wrong = sum(f is None or f[2] != answer for f in found)
    interrupted = sum(f is not None and f[0] for f in found)
    known = {"moments": len(found), "interrupted": interrupted, "wrong": wrong}
    sys.stdout.write(json.dumps(known) + "\n")


if __name__ == "__main__":
    main()
