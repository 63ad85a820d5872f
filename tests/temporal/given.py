"""A network and a trial in exact numbers."""

from gmpy2 import mpfr

from temporal.arithmetic import exact, instant


class Numbers:
    """A network and a trial in exact numbers, each of which can be moved.

    Delays and times are instants. ``values`` is a tree in which a path leads to a number.
    """

    def __init__(self, network, trial):
        layers, readout = network.layers, network.readout
        self.models = [layer.model for layer in layers]
        self.kind = None if readout is None else readout.kind
        self.end, self.label = instant(trial.duration), trial.label
        self.channels = [channel for _, channel in trial.inputs]
        self.values = {
            "weights": [exact(layer.weights) for layer in layers],
            "recurrent": [exact(layer.recurrent) for layer in layers],
            "delays": [read_delays(layer.delays, layer.size) for layer in layers],
            "recurrent_delays": [
                read_delays(layer.recurrent_delays, layer.size) for layer in layers
            ],
            "parameters": [
                {n: exact(v) for n, v in layer.all_parameters.items()} for layer in layers
            ],
            "initial": [{n: exact(v) for n, v in layer.all_initial.items()} for layer in layers],
            "inputs": [instant(time) for time, _ in trial.inputs],
        }
        if readout is not None:
            n = len(readout.weights)
            taus = {"tau_m": readout.tau_m, "tau_s": readout.tau_s}
            self.values["readout_weights"] = exact(readout.weights)
            self.values["bias"] = exact(readout.bias) or [mpfr(0)] * n
            self.values["readout_parameters"] = {name: exact(v) for name, v in taus.items()}
            self.width = None
            if readout.kind == "windows":
                self.width = exact(readout.width) or exact(trial.duration) / len(
                    readout.weights[0][0]
                )

    def find(self, path):
        """The container and key of a number."""
        inner = self.values[path[0]]
        for key in path[1:-1]:
            inner = inner[key]
        return inner, path[-1]

    def has(self, path):
        inner, key = self.find(path)
        return inner[key] is not None

    def move(self, path, step):
        """Add a step to a number; returns what undoes it."""
        inner, key = self.find(path)
        old = inner[key]
        inner[key] = old + (instant(step) if is_time(path) else step)

        def undo():
            inner[key] = old

        return undo


def is_time(path):
    return path[0] in ("delays", "recurrent_delays", "inputs")


def read_delays(delays, size):
    return [0] * size if delays is None else [instant(d) for d in delays]
