"""The readout that reads the largest potential: found exactly, with its derivatives.

Each output is a leaky integrator with coordinates V and I; a spike adds its weight to I. Until the
next spike V' = (I - V)/tau_m and I' = -I/tau_s, so that V has at most one maximum, where V = I.
With q(u) = (1 - exp(-r u))/r and r = 1/tau_s - 1/tau_m that is q = tau_s (1 - V/I), which holds for
equal time constants, r = 0 and q = u, as well.
"""

import numpy as np

from sim.kernels.types import Floats, Ints, Numbers
from sim.layers.spike_order import order_spikes
from sim.temporal.records import Batch, LayerMemory, Scratch, Sums
from spiketheory.machine.link import kernel

WANT_READOUT = False
"""Whether derivatives by the time constants are computed."""


def response(elapsed: float, *parameters: float) -> float:
    """The potential a time after a spike of weight 1, a stub; see `sim.temporal.reading`."""
    raise NotImplementedError("Expected a readout to be linked; see sim.temporal.batch.")


def response_slope(elapsed: float, *parameters: float) -> float:
    """Its derivative by the time."""
    raise NotImplementedError("Expected a readout to be linked; see sim.temporal.batch.")


def response_vjp(elapsed: float, *parameters: float) -> Numbers:
    """Its derivatives by the parameters, times the last argument."""
    raise NotImplementedError("Expected a readout to be linked; see sim.temporal.batch.")


@kernel()
def find_summit(potential: float, current: float, tau_m: float, tau_s: float) -> float:
    """How long the potential rises from here to its maximum; inf if it has none ahead."""
    if current <= 0.0 or potential >= current:
        return np.inf
    rate = 1.0 / tau_s - 1.0 / tau_m
    wanted = tau_s * (1.0 - potential / current)
    passed = rate * wanted
    if passed >= 1.0:  # it rises to 0 from below, for ever
        return np.inf
    if passed == 0.0:
        return wanted
    return -np.log1p(-passed) / rate


@kernel()
def find_peaks(
    times: Floats, neurons: Ints, order: Ints, count: int, weights: Floats, duration: float,
    settings: Numbers, states: Floats, peaks: Floats,
) -> None:  # fmt: skip
    """Find the largest potential of each output, and when it is; the earliest if there are several.

    Candidates are 0, where V = 0, maxima between spikes, spikes, and the end.

    Args:
        times: Spike times [time].
        neurons: Neuron of each spike.
        order: Spikes in order of time.
        count: Their number.
        weights: Shape (n_neurons, 1, n_outputs).
        duration: The trial's end [time].
        settings: tau_m and tau_s [time].
        states: Shape (3, n_outputs): potential, current, and where the maxima are written.
        peaks: Where the times of the maxima are written, shape (n_outputs,) [time].
    """
    tau_m, tau_s = settings
    potentials, currents, highest = states[0], states[1], states[2]
    n_outputs = peaks.shape[0]
    for o in range(n_outputs):
        potentials[o] = currents[o] = highest[o] = peaks[o] = 0.0
    now = 0.0
    for q in range(count + 1):
        until = times[order[q]] if q < count else duration
        elapsed = until - now
        if elapsed > 0.0:
            fall_m, fall_s = np.exp(-elapsed / tau_m), np.exp(-elapsed / tau_s)
            gained = response(elapsed, *settings)
            for o in range(n_outputs):
                potential, current = potentials[o], currents[o]
                summit = find_summit(potential, current, tau_m, tau_s)
                if summit < elapsed:
                    top = current * np.exp(-summit / tau_s)
                    if top > highest[o]:
                        highest[o], peaks[o] = top, now + summit
                potentials[o] = potential * fall_m + current * gained
                currents[o] = current * fall_s
                if potentials[o] > highest[o]:
                    highest[o], peaks[o] = potentials[o], until
        now = until
        if q < count:
            row = weights[neurons[order[q]], 0]
            for o in range(n_outputs):
                currents[o] += row[o]


@kernel()
def slope_at_peak(
    rising: float, arriving: float, weight: float, tau_m: float, is_inside: bool
) -> float:
    """Derivative of a maximum that is at a spike by the time of the spike.

    A lone spike of negative weight there ends the rise, which lasts longer if it comes later. Of
    several the mean of both sides is taken: a spike that comes earlier cuts the rise or adds to it,
    and one that comes later leaves it to the others to end the rise.

    Args:
        rising: Slope of the potential just before.
        arriving: Sum of the weights of the spikes that come at the maximum.
        weight: That of the spike.
        tau_m: Time constant of the potential [time].
        is_inside: Whether the maximum is before the trial's end.
    """
    earlier = rising - max(0.0, rising + weight / tau_m)
    later = max(0.0, rising + (arriving - weight) / tau_m) if is_inside else 0.0
    return 0.5 * (earlier + later)


@kernel()
def peaks_vjp(
    times: Floats, neurons: Ints, order: Ints, count: int, weights: Floats, duration: float,
    settings: Numbers, peaks: Floats, by_logit: Floats, by_weight: Floats, by_spike: Floats,
    by_setting: Floats,
) -> None:  # fmt: skip
    """Derivatives by weights, spike times and time constants, from those by the maxima.

    The place of a maximum between spikes may be taken as fixed: the potential has no slope there.

    The first arguments are those of `find_peaks`, which wrote ``peaks``; ``by_logit`` holds the
    derivatives by the maxima, and those by all else are added to what the last three hold.
    """
    tau_m = settings[0]
    for o in range(peaks.shape[0]):
        bar, peak = by_logit[o], peaks[o]
        rising = arriving = 0.0
        for q in range(count):
            p = order[q]
            i, elapsed = neurons[p], peak - times[p]
            if elapsed < 0.0:
                break
            weight = weights[i, 0, o]
            if elapsed == 0.0:
                arriving += weight
                continue
            slope = weight * response_slope(elapsed, *settings)
            rising += slope
            by_spike[p] -= bar * slope
            by_weight[i, 0, o] += bar * response(elapsed, *settings)
            if WANT_READOUT:
                slopes = response_vjp(elapsed, *settings, bar * weight)
                for s in range(len(slopes)):
                    by_setting[s] += slopes[s]
        for q in range(count):
            p = order[q]
            if times[p] == peak:
                weight = weights[neurons[p], 0, o]
                by_spike[p] += bar * slope_at_peak(rising, arriving, weight, tau_m, peak < duration)


@kernel()
def read_maximum(batch: Batch, memory: LayerMemory, scratch: Scratch, count: int) -> None:
    """Write the logits of a sample's spikes; in the place of `sim.temporal.readout.read_out`."""
    spikes, maxima = memory.spikes, scratch.maxima
    order_spikes(
        spikes, count, memory.order, scratch.spare, memory.sorted_times, memory.sorted_neurons
    )
    find_peaks(
        spikes.times, spikes.neurons, memory.order, count, batch.read_weights, batch.duration,
        batch.read_settings[:2], maxima[:3], maxima[3],
    )  # fmt: skip
    for o in range(scratch.logits.shape[0]):
        scratch.logits[o] = batch.bias[o] + maxima[2, o]


@kernel()
def read_maximum_vjp(
    batch: Batch, memory: LayerMemory, scratch: Scratch, count: int, sums: Sums
) -> None:
    """Derivatives from those by the logits; in the place of `sim.temporal.readout.read_out_vjp`."""
    by_logit = scratch.by_logit
    for o in range(by_logit.shape[0]):
        sums.bias[o] += by_logit[o]
    for p in range(count):
        memory.by_spike[p] = 0.0
    peaks_vjp(
        memory.spikes.times, memory.spikes.neurons, memory.order, count, batch.read_weights,
        batch.duration, batch.read_settings[:2], scratch.maxima[3], by_logit, sums.read_weights,
        memory.by_spike, sums.read_settings,
    )  # fmt: skip
