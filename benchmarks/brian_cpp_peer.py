"""A random network in Brian2's C++, for `benchmarks.large`.

``python brian_cpp_peer.py SETTINGS`` builds a program, prints a line of JSON, and for every line
that it reads one with the seconds of the program's own loop over time and its spikes. SETTINGS as
of `benchmarks.nest_peer`; ``model`` is ``delta``, ``exp`` or ``theta``. Euler steps, or Brian2's
exact ones where equations are linear. It imports nothing of this package.
"""

import json
import logging
import os
import sys
import tempfile
import time
from typing import Any

EQUATIONS = {
    "delta": "dv/dt = (drive - v)/tau : 1",
    "exp": "dv/dt = (drive - v + current)/tau : 1\ndcurrent/dt = -current/(tau/2) : 1",
    "theta": "dv/dt = (v*(v - 1) + drive)/tau : 1",
}
SPIKES = {"theta": ("v > 50", "v = -50")}
"""Where the others spike at 1 and begin anew at 0."""


def build(brian: Any, settings: dict[str, Any], folder: str) -> Any:
    """Compile the program; returns what counts its spikes."""
    brian.set_device("cpp_standalone", build_on_run=False, directory=folder)
    ms, model = brian.ms, settings["model"]
    brian.defaultclock.dt = settings["resolution"] * ms
    threshold, reset = SPIKES.get(model, ("v >= 1", "v = 0"))
    group = brian.NeuronGroup(
        settings["n"], EQUATIONS[model], threshold=threshold, reset=reset,
        method="euler" if model == "theta" else "exact",
        namespace={"tau": settings["tau"] * ms, "drive": settings["drive"]},
    )  # fmt: skip
    group.v = "rand()"
    target = "current_post" if model == "exp" else "v_post"
    one, weight = settings["one_weight"], settings["weight"]
    keep = []
    own = settings["own_delays"]
    delays = settings["delays"][: 1 if own else None]
    for k, delay in enumerate(delays):
        synapses = brian.Synapses(
            group, group, "" if one else "w : 1", name=f"synapses{k}",
            delay=None if own else delay * ms, on_pre=f"{target} += {weight if one else 'w'}",
        )  # fmt: skip
        synapses.connect(p=settings["in_degree"] / len(delays) / settings["n"])
        if own:
            low, high = settings["delays"]
            synapses.delay = f"({low} + {high - low}*rand())*ms"
        if not one:
            synapses.w = weight
        keep.append(synapses)
    monitor = brian.SpikeMonitor(group, record=False)
    network = brian.Network(group, monitor, *keep)
    network.run(settings["duration"] * ms)
    brian.device.build(run=False, directory=folder, compile=True)
    return monitor


def main(text: str) -> None:
    """Answer until there are no more lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # it prints more than answers
    import brian2 as brian

    logging.getLogger("brian2").setLevel(logging.ERROR)
    settings = json.loads(text)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="brian-") as folder:
        monitor = build(brian, settings, folder)
        answer: dict[str, Any] = {
            "version": brian.__version__, "built": time.perf_counter() - start,
        }  # fmt: skip
        while True:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
            if not sys.stdin.readline():
                return
            brian.device.run(with_output=False)
            answer = {
                "seconds": float(brian.device._last_run_time), "spikes": int(monitor.num_spikes),
            }  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
