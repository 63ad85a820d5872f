"""Small random networks by seed, whose neurons spike a few times each."""

import random
from dataclasses import replace

from temporal.answers import simulate
from temporal.records import MODELS, Layer, Network, Readout, Trial

DURATIONS = {"theta": 8.0, "rapid_theta": 6.0, "qif_delta": 6.0, "adex": 4.0, "izhikevich": 50.0}
OTHERS_LAST = 4.0
SCALES = {"theta": 0.4, "rapid_theta": 0.4, "qif_delta": 0.8, "qif": 3.0, "lif": 2.0,
          "lif_alpha": 3.0, "lif_delta": 0.5, "nlif": 1.0, "eif": 2.0, "adex": 0.3,
          "izhikevich": 10.0}  # fmt: skip
"""First guess of the size of weights."""
STARTS = {"theta": (-0.5, 1.5), "rapid_theta": (0.0, 1.5), "qif_delta": (-0.5, 0.5),
          "qif": (-0.5, 0.5), "eif": (-1.0, 0.5), "adex": (-0.2, 0.5),
          "izhikevich": (-72.0, -62.0)}  # fmt: skip
"""Initial potentials; others start between -0.2 and 0.5."""
FEWEST, MOST = 1.0, 4.0
"""Spikes per neuron, on average over a layer."""
DRIVEN = 1.25
"""I0 of lif_delta. Without drive inputs alone make it spike, at their times, whatever the weights:
nearly all slopes would be 0."""
TRIES = 16
ROUGH = 20
"""Digits for finding the size of weights."""


def draw(
    seed, model, *, n_layers=1, size=8, n_inputs=10, n_spikes=60, recurrent=False, delays=False,
    readout="leaky_integrator", n_outputs=3, parameters="default", n_times=None, duration=None,
):  # fmt: skip
    """A network and a trial of it.

    Args:
        seed: Equal seeds draw the same.
        model: Its name, or one name per layer.
        n_layers: How many layers.
        size: Neurons per layer.
        n_inputs: Input channels.
        n_spikes: Input spikes.
        recurrent: Whether layers project to themselves.
        delays: False; True, all above 0; or ``"some"``, every other one is 0.
        readout: Its kind.
        n_outputs: How many outputs it has.
        parameters: ``default``; ``each``, a list of one per neuron, within a fifth of the default,
            where qif keeps tau_m = 2 tau_s; or ``general``, where it does not.
        n_times: On how many instants the input spikes lie; None for a third of their number.
        duration: T; None for one that suits the model.

    Returns:
        The network and the trial, in floats.
    """
    rng = random.Random(seed)
    models = [model] * n_layers if isinstance(model, str) else list(model)
    T = duration or max(DURATIONS.get(m, OTHERS_LAST) for m in models)
    trial = Trial(
        inputs=draw_inputs(rng, n_inputs, n_spikes, n_times or -(-n_spikes // 3), T),
        duration=T, label=rng.randrange(n_outputs),
    )  # fmt: skip
    layers = []
    for depth, name in enumerate(models):
        n_pre = size if depth else n_inputs
        for _ in range(TRIES):
            unit = draw_layer(rng, name, n_pre, size, T, recurrent, delays, parameters)
            layer = fit_scale(layers, unit, trial)
            if layer is not None:
                break
        else:
            raise ArithmeticError(f"no weights found with which {name} spikes a few times")
        layers.append(layer)
    return Network(layers=layers, readout=draw_readout(rng, readout, n_outputs, size)), trial


def draw_inputs(rng, n_inputs, n_spikes, n_times, T):
    """Input spikes on a grid in the first nine tenths of a trial, none of them twice."""
    places = [(k, channel) for k in range(n_times) for channel in range(n_inputs)]
    chosen = rng.sample(places, min(n_spikes, len(places)))
    return [(round(0.9 * T * (k + 1) / n_times, 6), channel) for k, channel in sorted(chosen)]


def draw_layer(rng, model, n_pre, size, T, recurrent, delays, parameters):
    """A layer with weights of size 1."""

    def draw_delays():
        if not delays:
            return None
        drawn = [round(rng.uniform(0.01, 0.1) * T, 4) for _ in range(size)]
        return [0.0 if delays == "some" and i % 2 else d for i, d in enumerate(drawn)]

    start = STARTS.get(model, (-0.2, 0.5))
    initial = {"V": [rng.uniform(*start) for _ in range(size)]}
    if "I" in MODELS[model][0]:
        initial["I"] = [rng.uniform(-0.2, 0.4) for _ in range(size)]
    if model == "lif_alpha":
        initial["J"] = [rng.uniform(-0.2, 0.4) for _ in range(size)]
    if model == "izhikevich":
        initial["u"] = [rng.uniform(-15.0, -13.0) for _ in range(size)]
    if model == "adex":
        initial["u"] = [rng.uniform(-0.1, 0.2) for _ in range(size)]
    return Layer(
        model=model,
        weights=[[rng.gauss(0.3, 1.0) for _ in range(n_pre)] for _ in range(size)],
        recurrent=[[rng.gauss(0.0, size**-0.5) for _ in range(size)] for _ in range(size)]
        if recurrent else None,
        delays=draw_delays(),
        recurrent_delays=draw_delays() if recurrent else None,
        parameters=draw_parameters(rng, model, size, parameters),
        initial=initial,
    )  # fmt: skip


def draw_parameters(rng, model, size, kind):
    """Parameters by name."""
    values = MODELS[model][1]
    if kind == "default":
        return {**values, "I0": DRIVEN} if model == "lif_delta" else dict(values)
    span = 0.2 if model not in ("izhikevich", "adex") else 0.05
    drawn = {n: [v * rng.uniform(1 - span, 1 + span) for _ in range(size)]
             for n, v in values.items()}  # fmt: skip
    if model == "qif_delta":
        drawn["I0"] = [rng.uniform(-0.2, 0.7) for _ in range(size)]
    if model == "lif_delta":
        drawn["I0"] = [rng.uniform(0.5, 1.6) for _ in range(size)]
    if model == "qif" and kind == "each":
        drawn["tau_s"] = [v / 2 for v in drawn["tau_m"]]
    return drawn


def fit_scale(before, unit, trial):
    """The layer with weights so large that its neurons spike a few times; None if none are."""
    scale, step, last = SCALES[unit.model], 1.5, 0
    for _ in range(TRIES):
        layer = scale_layer(unit, scale)
        network = Network(layers=[*before, layer])
        rate = count_spikes(network, trial) / unit.size
        side = (rate < FEWEST) - (rate > MOST)
        if side == 0:
            return layer
        if unit.model in ("theta", "rapid_theta", "adex", "izhikevich"):
            side = -1  # they spike by themselves: large weights are what disturbs them
        if last and side != last:
            step = step**0.5
        scale, last = scale * step**side, side
    return None


def count_spikes(network, trial):
    """Spikes of the last layer, or too many."""
    most = int(4 * MOST * network.layers[-1].size)
    try:
        return len(simulate(network, trial, digits=ROUGH, most_spikes=most).spikes[-1])
    except OverflowError:
        return most


def scale_layer(unit, scale):
    """A layer with all weights multiplied."""
    recurrent = unit.recurrent and [[v * scale for v in row] for row in unit.recurrent]
    weights = [[v * scale for v in row] for row in unit.weights]
    return replace(unit, weights=weights, recurrent=recurrent)


def draw_readout(rng, kind, n_outputs, size):
    """A readout of any kind."""

    def weight():
        if kind == "windows":
            return [rng.gauss(0.0, 1.0) for _ in range(4)]
        return rng.gauss(0.0, 1.0)

    return Readout(
        kind=kind,
        weights=[[weight() for _ in range(size)] for _ in range(n_outputs)],
        bias=[rng.gauss(0.0, 0.3) for _ in range(n_outputs)],
        tau_m=rng.uniform(0.8, 1.5),
        tau_s=rng.uniform(0.3, 0.7),
    )
