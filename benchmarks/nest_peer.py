"""A random network in NEST, for `benchmarks.large`.

``python nest_peer.py SETTINGS`` prints a line of JSON when the network is there, and one with the
CPU seconds and the spikes of another stretch of time for every line that it reads. SETTINGS are
JSON: ``model`` (of NEST), ``n``, ``in_degree``, ``tau`` [ms], ``delays`` [ms] (one, or a class for
each part of the connections, or, with ``own_delays``, the shortest and the longest), ``resolution``
[ms], ``drive`` and ``weight`` in units of the threshold, ``one_weight`` (whether synapses share
it), ``duration`` [ms], ``threads``. It imports nothing of this package.
"""

import json
import os
import sys
import time
from typing import Any

THRESHOLD = 20.0
"""Of all neurons, above rest [mV]."""
CAPACITY = 250.0
"""Of all neurons [pF]."""


def set_up(nest: Any, settings: dict[str, Any]) -> None:
    """Make the network."""
    nest.ResetKernel()
    nest.set(resolution=settings["resolution"], local_num_threads=settings["threads"])
    tau, model, delays = settings["tau"], settings["model"], settings["delays"]
    precise = model.endswith("_ps")  # they need a refractory period, of one step at least
    parameters = {
        "C_m": CAPACITY, "tau_m": tau, "E_L": 0.0, "V_th": THRESHOLD, "V_reset": 0.0,
        "I_e": settings["drive"] * THRESHOLD * CAPACITY / tau,
        "t_ref": settings["resolution"] if precise else 0.0,
    }  # fmt: skip
    weight = settings["weight"] * THRESHOLD
    if "exp" in model:
        parameters |= {"tau_syn_ex": tau / 2, "tau_syn_in": tau / 2}
        weight *= CAPACITY / tau
    neurons = nest.Create(model, settings["n"], params=parameters)
    neurons.V_m = nest.random.uniform(0.0, THRESHOLD)
    synapse: dict[str, Any] = {"synapse_model": "static_synapse", "weight": weight}
    if settings["one_weight"]:
        nest.SetDefaults("static_synapse_hom_w", {"weight": weight})
        synapse = {"synapse_model": "static_synapse_hom_w"}
    if settings["own_delays"]:
        delays = [nest.random.uniform(*delays)]
    for delay in delays:
        rule = {"rule": "fixed_indegree", "indegree": settings["in_degree"] // len(delays)}
        nest.Connect(neurons, neurons, rule, {**synapse, "delay": delay})


def main(text: str) -> None:
    """Answer until there are no more lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # it prints more than answers
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    settings = json.loads(text)
    start = time.perf_counter()
    set_up(nest, settings)
    nest.Prepare()
    nest.Run(2 * max(settings["delays"]))
    answer: dict[str, Any] = {"version": nest.__version__, "built": time.perf_counter() - start}
    while True:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if not sys.stdin.readline():
            return
        begin = time.process_time()
        nest.Run(settings["duration"])
        seconds = time.process_time() - begin
        answer = {"seconds": seconds, "spikes": nest.local_spike_counter}  # of this stretch


if __name__ == "__main__":
    main(sys.argv[1])
