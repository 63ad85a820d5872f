"""Pseudospikes of a feedforward network: spikes after the trial's end T (docs/mathematics.md, 4).

At T the network is read as a rate network: layer by layer, the pseudo input of a neuron is the
sum of its weights times the pseudo rates of the layer before; the first layer's is zero. A
neuron that lacks spikes gets them after T, so that its spike times are finite, continuous at T
and have gradients, whether or not anything in the network spiked.
"""

from sim.kernels.types import Floats, Ints, Numbers
from spiketheory.errors import InputError
from spiketheory.generation.interface import N_COORDINATES, load, pseudospike, pseudospike_vjp
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.link import kernel

ROWS_AT_ONCE = 4
"""Rows of weights that are added up in one go, so that their sum is read and written less."""


def check_pseudospikes(model: CompiledModel) -> None:
    """Raise `InputError` if the model has no pseudospikes."""
    if not model.has_pseudospikes:
        raise InputError(
            f"Expected a model with pseudospikes (see `spiketheory models`) but {model.name} has "
            f"none: {model.without_pseudospikes}. Choose one that has them: feedforward networks "
            "need them for neurons that do not spike."
        )


@kernel(disjoint=True)
def forward_rates(end_states: Floats, inputs: Floats, constants: Numbers, rates: Floats) -> None:
    """Write the pseudo rates, shape (n,), of a layer with the given pseudo inputs."""
    for i in range(rates.shape[0]):
        _, _, rate = pseudospike(*load(end_states, i), inputs[i], *constants)
        rates[i] = rate


@kernel(disjoint=True)
def backward_rates(
    end_states: Floats, inputs: Floats, constants: Numbers, rate_gradient: Floats,
    adjoints: Floats, input_gradient: Floats,
) -> None:  # fmt: skip
    """Add to the adjoints at T and write derivatives by the pseudo inputs."""
    for i in range(inputs.shape[0]):
        derivatives = pseudospike_vjp(
            *load(end_states, i), inputs[i], *constants, 0.0, 0.0, rate_gradient[i]
        )
        add(adjoints, i, derivatives)
        input_gradient[i] = derivatives[N_COORDINATES]


@kernel()
def add(adjoints: Floats, i: int, derivatives: Numbers) -> None:
    """Add to the adjoints of a neuron."""
    for c in range(N_COORDINATES):
        adjoints[c, i] += derivatives[c]


@kernel(reorders=True, disjoint=True)
def add_inputs(rates: Floats, weights: Floats, inputs: Floats) -> None:
    """Write the pseudo inputs ``rates @ weights``, shape (n_post,)."""
    for i in range(inputs.shape[0]):
        inputs[i] = 0.0
    whole = rates.shape[0] // ROWS_AT_ONCE * ROWS_AT_ONCE
    for j in range(0, whole, ROWS_AT_ONCE):
        a, b, c, d = rates[j], rates[j + 1], rates[j + 2], rates[j + 3]
        for i in range(inputs.shape[0]):
            inputs[i] += (a * weights[j, i] + b * weights[j + 1, i]) + (
                c * weights[j + 2, i] + d * weights[j + 3, i]
            )
    for j in range(whole, rates.shape[0]):
        for i in range(inputs.shape[0]):
            inputs[i] += rates[j] * weights[j, i]


@kernel(reorders=True, disjoint=True)
def inputs_vjp(weights: Floats, input_gradient: Floats, rate_gradient: Floats) -> None:
    """Write derivatives by the pseudo rates, from those by the pseudo inputs they make."""
    zero = input_gradient[0] * 0.0
    whole = rate_gradient.shape[0] // ROWS_AT_ONCE * ROWS_AT_ONCE
    for j in range(0, whole, ROWS_AT_ONCE):
        a, b, c, d = zero, zero, zero, zero
        for i in range(input_gradient.shape[0]):
            a += weights[j, i] * input_gradient[i]
            b += weights[j + 1, i] * input_gradient[i]
            c += weights[j + 2, i] * input_gradient[i]
            d += weights[j + 3, i] * input_gradient[i]
        rate_gradient[j], rate_gradient[j + 1] = a, b
        rate_gradient[j + 2], rate_gradient[j + 3] = c, d
    for j in range(whole, rate_gradient.shape[0]):
        total = zero
        for i in range(input_gradient.shape[0]):
            total += weights[j, i] * input_gradient[i]
        rate_gradient[j] = total


@kernel(reorders=True, disjoint=True)
def add_products(rates: Floats, input_gradients: Floats, weight_gradient: Floats) -> None:
    """Add what `ROWS_AT_ONCE` samples contribute to the derivatives by the weights."""
    for j in range(rates.shape[1]):
        a, b, c, d = rates[0, j], rates[1, j], rates[2, j], rates[3, j]
        for i in range(input_gradients.shape[1]):
            weight_gradient[j, i] += (a * input_gradients[0, i] + b * input_gradients[1, i]) + (
                c * input_gradients[2, i] + d * input_gradients[3, i]
            )


@kernel()
def forward_missing(
    end_states: Floats, inputs: Floats, constants: Numbers, duration: float,
    n_ordinary: Ints, output_times: Floats,
) -> None:  # fmt: skip
    """Fill the missing entries of ``output_times`` (n_outputs, n_required)."""
    required = output_times.shape[1]
    for i in range(output_times.shape[0]):
        if n_ordinary[i] < required:
            delay, period, _ = pseudospike(*load(end_states, i), inputs[i], *constants)
            for k in range(n_ordinary[i], required):
                output_times[i, k] = duration + delay + (k - n_ordinary[i]) * period


@kernel()
def backward_missing(
    end_states: Floats, inputs: Floats, constants: Numbers, n_ordinary: Ints, time_gradient: Floats,
    adjoints: Floats, input_gradient: Floats,
) -> None:  # fmt: skip
    """Add the missing spikes' part to the adjoints at T; write that of the pseudo inputs."""
    required = time_gradient.shape[1]
    for i in range(time_gradient.shape[0]):
        by_delay, by_period = 0.0, 0.0
        for k in range(n_ordinary[i], required):
            by_delay += time_gradient[i, k]
            by_period += (k - n_ordinary[i]) * time_gradient[i, k]
        input_gradient[i] = 0.0
        if n_ordinary[i] < required:
            derivatives = pseudospike_vjp(
                *load(end_states, i), inputs[i], *constants, by_delay, by_period, 0.0
            )
            add(adjoints, i, derivatives)
            input_gradient[i] = derivatives[N_COORDINATES]
