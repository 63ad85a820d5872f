"""The networks of `benchmarks.recurrent` in Brian2, which steps in time and is not exact.

The same connections, weights, start and drive. The membrane potential is stepped by forward Euler
with dt = tau/100 as V' = V (V - 1) + I0; a spike is V above 30, and V is then set to -30 (ours:
from +infinity to -infinity). Spikes are therefore on the grid of time steps, and late; the
network's rate comes out close to ours, its spikes do not. One thread; compiled by Cython if there
is a compiler.
"""

import logging
import time
import warnings
from types import ModuleType

import numpy as np

from sim.network.network import Network

STEP = 0.01
PEAK = 30.0


def load_brian() -> tuple[ModuleType | None, str]:
    """Brian2, or None, and a line that says what is measured or why not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import brian2
    except ImportError:
        return None, "Brian2 is not installed and left out; pip install brian2."
    except Exception as err:
        return None, f"Brian2 is left out: it is installed but does not load ({err})."
    logging.getLogger("brian2").setLevel(logging.ERROR)
    from brian2.codegen.runtime.cython_rt import CythonCodeObject

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target = "cython" if CythonCodeObject.is_available() else "numpy"
    brian2.prefs.codegen.target = target
    how = "compiled by Cython" if target == "cython" else "NumPy, since there is no C compiler"
    return brian2, (
        f"Brian2 {brian2.__version__} ({how}): forward Euler with dt = tau/{1 / STEP:.0f}, spikes "
        "on that grid, so inexact."
    )


class BrianNetwork:
    """A network of one population in Brian2, ready to run again and again.

    Args:
        brian2: The module.
        network: What `benchmarks.recurrent.make_circuit` made.
    """

    def __init__(self, brian2: ModuleType, network: Network) -> None:
        population, projection = network.populations[0], network.projections[0]
        second, matrix = brian2.second, projection.matrix.tocoo()
        brian2.defaultclock.dt = STEP * second
        names = {"tau": 1.0 * second, "I0": population.parameters["I0"], "peak": PEAK}
        group = brian2.NeuronGroup(
            population.size, "dV/dt = (V*(V - 1) + I0)/tau : 1", threshold="V > peak",
            reset="V = -peak", method="euler", namespace=names,
        )  # fmt: skip
        group.V = np.asarray(population.initial["V"])
        synapses = brian2.Synapses(group, group, "w : 1", on_pre="V_post += w")
        synapses.connect(i=matrix.col, j=matrix.row)
        synapses.w = matrix.data
        self.monitor = brian2.SpikeMonitor(group)
        self.network = brian2.Network(group, synapses, self.monitor)
        self.second, self.duration = second, network.duration
        self.network.store()
        self.run(STEP)

    def run(self, duration: float | None = None) -> tuple[int, float]:
        """Run from the start; returns the number of spikes and the CPU seconds of its loop."""
        marks: list[float] = []

        def mark(elapsed: object, completed: float, start: object, duration: object) -> None:
            marks.append(time.process_time())

        self.network.restore()
        length = self.duration if duration is None else duration
        self.network.run(length * self.second, report=mark, report_period=1e9 * self.second)
        return int(self.monitor.num_spikes), marks[-1] - marks[0]
