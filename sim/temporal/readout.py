"""What is read from the spikes of the last layer: sums of a kernel of the spike time.

The kernel is that of a readout neuron (docs/mathematics.md, 15). `kernel` and the others are stubs
that a readout's generated functions are linked in the place of.
"""

from sim.kernels.types import Floats, Numbers
from sim.temporal.records import Batch, Found, LayerMemory, Scratch, Sums
from spiketheory.machine.link import kernel as compiled

N_SETTINGS = 0
"""How many numbers the readout has, the first of ``read_settings``."""
WANT_READOUT = False
"""Whether derivatives by the parameters of the readout are computed."""


def kernel_and_slope(
    time: float, feature: int, duration: float, *parameters: float
) -> tuple[float, float]:
    """The kernel of a feature at a spike time, and its derivative by the time."""
    raise NotImplementedError("Expected a readout to be linked; see sim.temporal.reading.")


def kernel_vjp(time: float, feature: int, duration: float, *parameters: float) -> Numbers:
    """Its derivatives by the parameters, times the last argument."""
    raise NotImplementedError("Expected a readout to be linked; see sim.temporal.reading.")


@compiled()
def read_out(batch: Batch, memory: LayerMemory, scratch: Scratch, count: int) -> None:
    """Write features and logits of a sample's spikes, and the slopes of the kernel."""
    features, logits, weights = scratch.features, scratch.logits, batch.read_weights
    n_neurons, n_features, n_outputs = weights.shape
    settings = batch.read_settings[:N_SETTINGS]
    for i in range(n_neurons):
        for m in range(n_features):
            features[i, m] = 0.0
    for p in range(count):
        time, i = memory.spikes.times[p], memory.spikes.neurons[p]
        for m in range(n_features):
            value, slope = kernel_and_slope(time, m, batch.duration, *settings)
            features[i, m] += value
            scratch.slopes[p, m] = slope
    for o in range(n_outputs):
        logits[o] = batch.bias[o]
    for i in range(n_neurons):
        for m in range(n_features):
            for o in range(n_outputs):
                logits[o] += weights[i, m, o] * features[i, m]


@compiled()
def read_out_vjp(
    batch: Batch, memory: LayerMemory, scratch: Scratch, count: int, sums: Sums
) -> None:
    """Derivatives by the readout's weights and by the spike times, from those by the logits."""
    features, by_feature, by_logit = scratch.features, scratch.by_feature, scratch.by_logit
    weights, by_weight = batch.read_weights, sums.read_weights
    n_neurons, n_features, n_outputs = weights.shape
    settings = batch.read_settings[:N_SETTINGS]
    for o in range(n_outputs):
        sums.bias[o] += by_logit[o]
    for i in range(n_neurons):
        for m in range(n_features):
            total = 0.0
            for o in range(n_outputs):
                by_weight[i, m, o] += by_logit[o] * features[i, m]
                total += by_logit[o] * weights[i, m, o]
            by_feature[i, m] = total
    for p in range(count):
        time, i = memory.spikes.times[p], memory.spikes.neurons[p]
        by_time = 0.0
        for m in range(n_features):
            bar = by_feature[i, m]
            by_time += bar * scratch.slopes[p, m]
            if WANT_READOUT:
                slopes = kernel_vjp(time, m, batch.duration, *settings, bar)
                for s in range(len(slopes)):
                    sums.read_settings[s] += slopes[s]
        memory.by_spike[p] = by_time


def loss_function(logits: Floats, target: Floats, settings: Floats, gradient: Floats) -> float:
    """The loss of one sample, a stub; see `sim.temporal.logit_losses`."""
    raise NotImplementedError("Expected a loss to be linked; see sim.temporal.reading.")


@compiled()
def lose(batch: Batch, scratch: Scratch, sample: int) -> float:
    """The loss of a sample; writes its derivatives by the logits."""
    return loss_function(
        scratch.logits, batch.targets[sample], batch.loss_settings, scratch.by_logit
    )


@compiled()
def press_activity(
    batch: Batch, found: Found, first: int, memory: LayerMemory, count: int, is_last: bool
) -> None:
    """Begin with the derivatives by a layer's spike times: those of a regulariser of activity.

    Each spike counts (T - t)/T, which is continuous where a spike leaves the trial.

    Args:
        batch: The batch.
        found: Its ``activity`` holds the derivatives by these sums.
        first: The number of the layer's first neuron.
        memory: The layer's.
        count: Number of its spikes.
        is_last: Whether the readout has written derivatives already, which these are added to.
    """
    for p in range(count):
        own = -found.activity[first + memory.spikes.neurons[p]] / batch.duration
        memory.by_spike[p] = own + (memory.by_spike[p] if is_last else 0.0)
