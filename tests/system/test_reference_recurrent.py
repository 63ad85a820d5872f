"""Small recurrent networks of qif and lif neurons against 50-digit answer keys.

The event loop here is plain and slow; what is tested are the generated functions.
"""

import numpy as np
import pytest
from networks import compiled

TIMES = 1e-11
GRADIENTS = 1e-9


@pytest.fixture(scope="module", params=["qif", "lif"])
def key(request, reference_dir):
    path = reference_dir / f"{request.param}_recurrent.npz"
    assert path.is_file(), f"expected {path} beside the other reference files"
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


class Trial:
    """One trial, forwards and backwards."""

    def __init__(self, key):
        model = compiled(str(key["model"]))
        given = {p: float(key[p]) for p in model.parameters if p in key}
        self.key, self.f = key, model.functions
        self.constants = self.f.constants(*model.check_parameters(given))
        self.start = [
            self.f.enter_chart(*state, *self.constants)
            for state in zip(key["V0"], key["I0"], strict=True)
        ]
        self.events = []
        self.run()

    def step(self, name, state, duration, *after):
        propagator = self.f.propagator(duration, *self.constants)
        return getattr(self.f, name)(*state, *propagator, *self.constants, *after)

    def run(self):
        key, states, now = self.key, list(self.start), 0.0
        times, sources = key["input_times"], key["input_neurons"]
        pending = sorted(zip(times, sources, range(len(times)), strict=True))
        while True:
            waits = [self.f.time_to_spike(*s, *self.constants) for s in states]
            spiker = int(np.argmin(waits))
            following = pending[0][0] if pending else np.inf
            is_spike = now + waits[spiker] <= following
            duration = waits[spiker] if is_spike else following - now
            if now + duration > key["T"]:
                break
            now = now + duration if is_spike else following
            if is_spike:
                kind, row = ("spike", spiker), key["weights"][:, spiker]
            else:
                _, source, place = pending.pop(0)
                kind, row = ("input", source, place), key["input_weights"][:, source]
            before = [
                self.step("fire" if is_spike and i == spiker else "flow", s, duration)
                for i, s in enumerate(states)
            ]
            self.events.append((now, duration, kind, row, states, before))
            states = [self.f.jump(*s, w, *self.constants) for s, w in zip(before, row, strict=True)]
        self.end = [self.step("flow", s, key["T"] - now) for s in states]

    @property
    def spikes(self):
        return [(t, kind[1]) for t, _, kind, *_ in self.events if kind[0] == "spike"]

    def pull(self):
        """Derivatives of the functional of the spike times."""
        key = self.key
        size = len(self.start[0])
        covectors = [(0.0,) * size for _ in self.start]
        found = {
            "grad_weights": np.zeros_like(key["weights"]),
            "grad_input_weights": np.zeros_like(key["input_weights"]),
            "grad_input_times": np.zeros_like(key["input_times"]),
        }
        left = list(key["functional_coef"])
        for _, duration, kind, row, states, before in reversed(self.events):
            by_time = left.pop() if kind[0] == "spike" else 0.0
            name = "grad_weights" if kind[0] == "spike" else "grad_input_weights"
            pulled = []
            for i, (state, weight) in enumerate(zip(before, row, strict=True)):
                *covector, by_weight, shift = self.f.jump_vjp(
                    *state, weight, *self.constants, *covectors[i]
                )
                found[name][i, kind[1]] += by_weight
                by_time += shift
                pulled.append(covector)
            if kind[0] == "input":
                found["grad_input_times"][kind[2]] = by_time
            covectors = [
                self.step("fire_vjp", state, duration, *covector, by_time)
                if kind[:2] == ("spike", i)
                else self.step("flow_vjp", state, duration, *covector)
                for i, (state, covector) in enumerate(zip(states, pulled, strict=True))
            ]
        place = {"grad_V0": 0, "grad_I0": size - 1}  # x or V first, the current last; y = 1
        return found | {n: np.array([c[k] for c in covectors]) for n, k in place.items()}


@pytest.fixture(scope="module")
def trial(key):
    return Trial(key)


def test_every_spike_is_reproduced(key, trial):
    times, neurons = zip(*trial.spikes, strict=True)
    assert list(neurons) == key["spike_neuron"].tolist()
    np.testing.assert_allclose(times, key["spike_time"], rtol=TIMES)


def test_the_state_at_the_end_is_reproduced(key, trial):
    end = np.array([trial.f.leave_chart(*s, *trial.constants) for s in trial.end])
    np.testing.assert_allclose(end[:, 0], key["V_end"], rtol=TIMES)
    np.testing.assert_allclose(end[:, 1], key["I_end"], rtol=TIMES, atol=1e-14)


def test_every_gradient_is_reproduced(key, trial):
    pulled = trial.pull()
    np.fill_diagonal(pulled["grad_weights"], 0)  # the networks have no self-connections
    for name, got in pulled.items():
        largest = np.abs(key[name]).max()
        assert largest > 0
        np.testing.assert_allclose(got, key[name], rtol=0, atol=GRADIENTS * largest, err_msg=name)
