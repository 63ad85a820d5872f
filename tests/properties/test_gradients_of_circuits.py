"""Recurrent networks: times are those of a plain loop in 50 digits, gradients its slopes."""

import mpmath
import numpy as np
import pytest
from circuits import INTEGRATED, Trial, run_exactly
from exact import DIGITS
from models import mark_slow
from mpmath import mpf

from sim.events.differentiate import differentiate
from sim.events.simulate import simulate
from sim.plain.loop import INPUT

TIMES, GRADIENTS = 1e-11, 1e-8
ROUGH = 1e-5
"""Relative agreement of derivatives of models that are integrated: their differences are taken in
floats."""
STEP, ROUGH_STEP = mpf(10) ** -20, 2.0**-16
N_CHANGES = 14
SLOW = ("lif", "lif_alpha", "eif", "izhikevich", "adex")
"""Spikes of these are searched for in 50 digits, or integrated: smaller networks, fewer numbers."""

KINDS = {
    "theta": ("theta", {"tau": 1.0, "I0": 1.25}, {"V": 0.5}, 1.0, 4.0),
    "qif_delta": ("qif_delta", {"tau": 0.8, "I0": 0.6}, {"V": 0.4}, 1.0, 4.0),
    "qif_delta at rest": ("qif_delta", {"tau": 1.0, "I0": 0.1}, {"V": 0.2}, 1.2, 4.0),
    "qif": ("qif", {"tau_m": 1.0, "tau_s": 0.5}, {"V": 0.1, "I": 0.3}, 9.0, 4.0),
    "qif with another ratio": ("qif", {"tau_m": 1.2, "tau_s": 0.9}, {"V": 0.1, "I": 0.3}, 6.0, 3.0),
    "rapid_theta": ("rapid_theta", {"tau": 1.1, "I0": 1.4, "r": 3.0}, {"V": 0.3}, 0.6, 4.0),
    "lif": ("lif", {"tau_m": 1.0, "tau_s": 0.5, "V_th": 1.0}, {"V": 0.1, "I": 0.3}, 6.0, 3.0),
    "lif with another ratio": (
        "lif", {"tau_m": 1.0, "tau_s": 0.7, "V_th": 0.9}, {"V": 0.1, "I": 0.3}, 5.0, 3.0,
    ),
    "lif_alpha": (
        "lif_alpha", {"tau_m": 1.0, "tau_s": 0.5, "V_th": 1.0}, {"V": 0.1, "I": 0.3, "J": 0.2},
        12.0, 3.0,
    ),
    "lif_delta": ("lif_delta", {"tau": 1.0, "I0": 1.3, "V_th": 1.0}, {"V": 0.2}, 0.35, 5.0),
    "lif_delta that spikes by jumps": (
        "lif_delta", {"tau": 1.0, "I0": 0.6, "V_th": 1.0}, {"V": 0.5}, 0.75, 5.0,
    ),
    "nlif": ("nlif", {"tau_m": 1.0, "tau_s": 0.5, "V_th": 1.0}, {"V": 0.1, "I": 0.3}, 3.0, 3.0),
    "eif": ("eif", {"tau_m": 1.0, "tau_s": 0.5, "V_r": -1.0}, {"V": -0.6, "I": 0.4}, 8.0, 3.0),
    "izhikevich": (
        "izhikevich",
        {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "I0": 10.0, "V_peak": 30.0},
        {"V": -60.0, "u": -13.0}, 4.0, 40.0,
    ),
    "adex": (
        "adex",
        {"tau_m": 1.0, "tau_u": 15.0, "Delta": 0.1, "V_T": 1.0, "a": 0.13, "b": 0.13, "V_r": 0.0,
         "V_peak": 3.0, "I0": 1.5},
        {"V": 0.1, "u": 0.05}, 0.3, 6.0,
    ),
}  # fmt: skip


def draw_trial(kinds, seed):
    """A few neurons of each kind, different parameters, self-connections, some delays."""
    rng = np.random.default_rng(seed)
    models, parameters, initial, scales, durations = [], [], [], [], []
    for kind in kinds:
        name, values, start, scale, duration = KINDS[kind]
        for _ in range(3 if len(kinds) == 1 and name not in SLOW else 2):
            models.append(name)
            fixed = values["tau_m"] == 2 * values["tau_s"] if "tau_s" in values else False
            draw = 1.0 + 0.05 * rng.uniform(-1, 1)
            parameters.append(
                {p: v * (draw if fixed and p.startswith("tau") else 1 + 0.05 * rng.uniform(-1, 1))
                 for p, v in values.items()}
            )  # fmt: skip
            initial.append({v: x * (1 + 0.3 * rng.uniform(-1, 1)) for v, x in start.items()})
            scales.append(scale)
        durations.append(duration)
    n, end = len(models), min(durations)
    edges = []
    for source in range(n + 2):
        for target in range(n):
            if rng.uniform() < 0.75:
                strength = rng.uniform(0.3, 1.0) if source >= n else rng.uniform(-0.3, 0.5)
                delay = rng.choice([0.0, 0.1, 0.37]) * rng.uniform(0.5, 1.0)
                edges.append([source, target, strength * scales[target], delay * end / 4])
    n_inputs = 4 if len(kinds) == 1 and models[0] in SLOW else 6
    times = np.sort(rng.uniform(0, 0.8 * end, n_inputs)).tolist()
    inputs = [[t, int(rng.integers(2))] for t in times]
    return Trial(
        models=models, parameters=parameters, initial=initial, edges=edges, inputs=inputs,
        duration=end, probes=[0.31 * end, 0.83 * end],
    )  # fmt: skip


class Functional:
    """A sum of spike times and states, and what to go back with."""

    def __init__(self, trial, n_spikes, seed):
        rng = np.random.default_rng(seed)
        self.trial = trial
        scale = 0.01 if "izhikevich" in trial.models else 1.0
        self.times = rng.uniform(-1, 1, n_spikes)
        self.end = [scale * rng.uniform(-1, 1, len(s)) for s in trial.initial]
        self.probed_state = [
            [scale * rng.uniform(-1, 1, len(s)) for s in trial.initial] for _ in trial.probes
        ]

    def value(self, run):
        parts = [c * t for c, (t, _) in zip(self.times, run.spikes, strict=True)]
        probed = zip(self.probed_state, run.probed_state, strict=True)
        for bars, states in ((self.end, run.end), *probed):
            parts += [b * v for bar, s in zip(bars, states, strict=True)
                      for b, v in zip(bar, s, strict=True) if abs(v) < 100]  # fmt: skip
        return sum(parts)

    def slopes(self, network, run):
        """The derivatives by states as `differentiate` wants them."""
        end, probed_state, first = [], [], 0
        for population in network.populations:
            members = range(first, first + population.size)
            names = population.model.state
            end.append(
                {
                    v: [keep(self.end[i][k], run.end[i][k]) for i in members]
                    for k, v in enumerate(names)
                }
            )
            probed_state.append(
                {v: [[keep(bars[i][k], states[i][k]) if i in members else 0.0
                      for i in members]
                     for bars, states in zip(self.probed_state, run.probed_state, strict=True)]
                 for k, v in enumerate(names)}
            )  # fmt: skip
            first += population.size
        return end, probed_state


def keep(bar, value):
    """Potentials about to spike are left out: nothing can be said of their digits."""
    return bar if abs(value) < 100 else 0.0


def list_paths(trial, rng):
    """Some of the numbers that a run depends on."""
    paths = [("edges", k, 2) for k in range(len(trial.edges))]
    paths += [("edges", k, 3) for k, e in enumerate(trial.edges) if e[3] > 0]
    paths += [("inputs", k, 0) for k in range(len(trial.inputs))]
    for i, (p, s) in enumerate(zip(trial.parameters, trial.initial, strict=True)):
        paths += [("parameters", i, name) for name in p if p.get("tau_m") != 2 * p.get("tau_s", 0)]
        paths += [("initial", i, name) for name in s]
    kinds = {}
    for path in paths:
        kinds.setdefault((path[0], path[2]), []).append(path)
    chosen = [group[rng.integers(len(group))] for group in kinds.values()]
    rest = [p for p in paths if p not in chosen]
    room = 0 if trial.models[0] in SLOW else max(0, N_CHANGES - len(chosen))
    more = rng.permutation(len(rest))[:room]
    return chosen + [rest[k] for k in more]


def look_up(trial, network, gradients, path):
    """The derivative by the number at ``path``."""
    n = len(trial.models)
    kind, k, which = path
    if kind == "inputs":
        return gradients.input_times[0][k]
    firsts = np.cumsum([0, *(p.size for p in network.populations)])
    if kind != "edges":
        group = int(np.searchsorted(firsts, k, side="right")) - 1
        return getattr(gradients, kind)[group][which][k - firsts[group]]
    source, target, *_ = trial.edges[k]
    group = int(np.searchsorted(firsts, target, side="right")) - 1
    pre = "in" if source >= n else f"p{int(np.searchsorted(firsts, source, side='right')) - 1}"
    a = n if source >= n else firsts[int(pre[1:])]
    labels = [p.label for p in network.projections]
    matrices = gradients.weights if which == 2 else gradients.delays
    matrix = matrices[labels.index(f"{pre} -> p{group}")]
    return matrix[target - firsts[group], source - a]


def compare(kinds, seed):
    trial = draw_trial(kinds, seed)
    network = trial.build()
    exact = run_exactly(trial)
    with np.errstate(all="ignore"):
        recording = simulate(network, record=True, probe_times=trial.probes)
    assert len(exact.spikes) >= 4
    times, neurons = zip(*exact.spikes, strict=True)
    assert recording.spike_neuron.tolist() == list(neurons)
    np.testing.assert_allclose(recording.spike_time, np.array(times, float), rtol=TIMES)
    functional = Functional(trial, len(times), seed)
    end, probed_state = functional.slopes(network, exact)
    gradients = differentiate(
        recording, spike_time=functional.times, end=end, probed_state=probed_state, parameters=True
    )
    rough = any(name in INTEGRATED for name in trial.models)
    step = ROUGH_STEP if rough else STEP
    scale = 0.0
    rows = []
    for path in list_paths(trial, np.random.default_rng(seed)):
        unit = (abs(look_up_value(trial, path)) or 1.0) if rough else 1
        with mpmath.workdps(DIGITS):
            h = step * unit
            up, down = (functional.value(run_exactly(trial.moved(path, s * h))) for s in (1, -1))
            slope = float((up - down) / (2 * h))
        got = float(look_up(trial, network, gradients, path))
        rows.append((path, got, slope))
        scale = max(scale, abs(slope)) if not rough else scale
    for path, got, slope in rows:
        tolerance = ROUGH * max(1.0, abs(slope)) if rough else GRADIENTS * scale
        assert abs(got - slope) <= tolerance, (path, got, slope)
    return trial, recording


CLOSED = [kind for kind, (name, *_) in KINDS.items() if name not in INTEGRATED]


@pytest.mark.parametrize("kind", mark_slow(CLOSED, "lif_alpha"))
def test_the_plain_engine_goes_back_in_50_digits(kind):
    """Its derivatives of spike times are differences with a step of 1e-20, to 25 digits."""
    trial = draw_trial([kind], 3)
    coefficients = np.random.default_rng(0).uniform(-1, 1, 1000)

    def total(trial):
        run = run_exactly(trial)
        return sum(c * t for c, (t, _) in zip(coefficients, run.spikes, strict=False)), run

    with mpmath.workdps(DIGITS):
        run = total(trial)[1]
        found = run.find_slopes(coefficients[: len(run.spikes)])
        paths = [("edges", 0, 2), ("edges", len(trial.edges) - 1, 2), ("inputs", 0, 0)]
        got = [found.weights[0], found.weights[-1], found.times[INPUT][0]]
        k = next(k for k, edge in enumerate(trial.edges) if edge[3] > 0)
        paths.append(("edges", k, 3))
        got.append(found.delays[k])
        for place, name in enumerate(trial.parameters[0]):
            if trial.parameters[0].get("tau_m") != 2 * trial.parameters[0].get("tau_s", 0):
                paths.append(("parameters", 0, name))
                got.append(found.parameters[0][place])
        for place, name in enumerate(trial.initial[0]):
            paths.append(("initial", 0, name))
            got.append(found.given[0][place])
        for path, value in zip(paths, got, strict=True):
            up, down = (total(trial.moved(path, s * STEP))[0] for s in (1, -1))
            slope = (up - down) / (2 * STEP)
            assert abs(slope - value) <= mpf(10) ** -25 * (1 + abs(slope)), path


def look_up_value(trial, path):
    inner = getattr(trial, path[0])
    for key in path[1:]:
        inner = inner[key]
    return inner


@pytest.mark.parametrize("kind", mark_slow(KINDS, "adex"))  # eif and izhikevich are like it
def test_gradients_of_spike_times_and_states_are_slopes_of_a_plain_loop(kind):
    _, recording = compare([kind], 1)
    at_once = recording.tape.spike_waits[: len(recording.spike_time)] == -1.0
    if kind in ("lif_delta", "lif_delta that spikes by jumps"):
        assert at_once.any()
        assert at_once.all() == (kind != "lif_delta")


def test_populations_of_different_models_and_parameters_run_together():
    trial, recording = compare(["theta", "lif_delta", "qif"], 2)
    assert {trial.models[i] for i in recording.spike_neuron} == {"theta", "lif_delta", "qif"}
