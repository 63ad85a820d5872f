"""The feedforward batch file (docs/formats.md, 2): an ``.npz`` in, an ``.npz`` out, no pickles."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.inputs.encoding import BinnedInput
from sim.layers.batch import MAX_SPIKES, record_spikes, run_batch
from sim.losses import make_first_spike_loss, make_linear_loss
from sim.network.layer_stack import LayerStack, split_layers
from spiketheory.errors import InputError, check_positive, check_shape
from spiketheory.files import replace_atomically
from spiketheory.machine.compile import CompiledModel
from spiketheory.reading import DamagedError, read_npz

REQUIRED = ("model", "T", "input_times", "input_bins", "W0")
OPTIONAL = ("gamma", "labels")
RECURRENT = ("weights", "input_weights", "input_neurons")
ANSWERS = ("t_out", "loss", "spike_sample", "spike_neuron", "spike_time")


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchFile:
    """What a batch file asks for.

    Attributes:
        network: The network.
        inputs: The batch.
        labels: Labels, shape (n_samples,); None asks for spikes alone.
        gamma: Strength of the bound on the label's spike time in the loss.
    """

    network: LayerStack
    inputs: BinnedInput
    labels: np.ndarray | None
    gamma: float


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file.

    Raises:
        InputError: If it is missing, truncated, no ``.npz``, or holds pickled objects.
    """
    try:
        return read_npz(path)
    except DamagedError as err:
        raise InputError(
            f"Expected a NumPy .npz file at {path} but reading it failed: {err}; "
            "write one with numpy.savez and plain arrays."
        ) from err


def read_batch_file(
    path: Path,
    *,
    compile_model: Callable[[str], CompiledModel],
    model: str | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> BatchFile:
    """Read and check a feedforward batch file.

    Args:
        path: The file.
        compile_model: Turns a model's name into running code.
        model: Use this model in place of the file's.
        arrays: What the file holds; None reads it.

    Raises:
        InputError: If a field is missing, unknown or malformed.
        ModelError: If the model is unknown or a parameter lies outside its domain.
    """
    arrays = read_arrays(path) if arrays is None else arrays
    check_keys(path, arrays)
    compiled = compile_model(model or str(read_scalar(arrays, "model", kind="text")))
    known = {*REQUIRED, *OPTIONAL, *ANSWERS, *compiled.parameters, compiled.initial}
    unknown = [
        name
        for name in arrays
        if name not in known and not name.startswith("grad_") and not re.fullmatch(r"W\d+", name)
    ]
    if unknown:
        raise InputError(
            f"Expected fields among {', '.join(sorted(known))} and W1, W2, ... in {path} but got "
            f"{unknown[0]!r}; correct its name or remove it."
        )
    times = check_numbers("input_times", arrays["input_times"])
    inputs = BinnedInput(times=times, bins=arrays["input_bins"])
    labels = arrays.get("labels")
    if labels is not None:
        check_shape("labels", labels, (len(inputs),))
    return BatchFile(
        network=read_network(arrays, compiled),
        inputs=inputs,
        labels=labels,
        gamma=read_gamma(arrays),
    )


def check_keys(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `InputError` if fields are missing."""
    if all(name in arrays for name in RECURRENT):
        raise InputError(
            f"Expected a feedforward batch file (fields {', '.join(REQUIRED)}) but {path} holds a "
            "trial of a recurrent network; read it with sim.files.trial_file."
        )
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise InputError(
            f"Expected the fields {', '.join(REQUIRED)} in {path} but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing (it holds "
            f"{', '.join(arrays) or 'nothing'}); add them."
        )


def read_scalar(arrays: Mapping[str, np.ndarray], name: str, *, kind: str = "number") -> Any:
    """Return a scalar field, checked to be a text or a number."""
    value = arrays[name]
    wanted = "U" if kind == "text" else "fiu"
    if value.shape != () or value.dtype.kind not in wanted:
        raise InputError(
            f"Expected {name} to be one {kind} but got {value.dtype} of shape {value.shape}; "
            f"store it as a 0-dimensional array."
        )
    return value.item()


def read_gamma(arrays: Mapping[str, np.ndarray]) -> float:
    """Return the strength of the bound on the label's spike time; 0 if the file has none."""
    gamma = float(read_scalar(arrays, "gamma")) if "gamma" in arrays else 0.0
    if not (np.isfinite(gamma) and gamma >= 0):
        raise InputError(
            f"Expected gamma >= 0 but got gamma={gamma}; give a finite strength, or leave it out."
        )
    return gamma


def read_network(arrays: Mapping[str, np.ndarray], model: CompiledModel) -> LayerStack:
    """Build the network of a batch file."""
    weights: list[np.ndarray] = []
    while f"W{len(weights)}" in arrays:
        weights.append(check_numbers(f"W{len(weights)}", arrays[f"W{len(weights)}"]))
    beyond = [n for n in arrays if re.fullmatch(r"W\d+", n) and int(n[1:]) >= len(weights)]
    if beyond:
        raise InputError(
            f"Expected the layers W0 to W{len(weights)} without a gap but got {beyond[0]}; "
            f"add W{len(weights)} or renumber."
        )
    parameters = {
        name: float(read_scalar(arrays, name)) for name in model.parameters if name in arrays
    }
    initial = arrays.get(model.initial)
    return LayerStack(
        model=model,
        parameters=parameters,
        duration=check_positive("T", float(read_scalar(arrays, "T"))),
        weights=tuple(weights),
        initial=None if initial is None else check_numbers(model.initial, initial),
    )


def check_numbers(name: str, array: np.ndarray) -> np.ndarray:
    """Return the array if it holds real numbers, else raise `InputError`."""
    if array.dtype.kind not in "fiu":
        raise InputError(
            f"Expected numbers in {name} but got the type {array.dtype}; store floats."
        )
    return array


def simulate_batch(batch: BatchFile, *, max_spikes: int = MAX_SPIKES) -> dict[str, np.ndarray]:
    """Simulate a batch file; with labels also loss and gradients.

    Args:
        batch: The batch.
        max_spikes: More spikes of a layer in one sample are an error.

    Returns:
        The result fields of docs/formats.md, 2: ``t_out`` (n_samples, n_outputs), ``spike_sample``,
        ``spike_neuron``, ``spike_time`` (n_spikes,), and with labels ``loss`` (mean over the
        batch), ``grad_W0``, ..., ``grad_input_times`` (n_bins,) and the gradient by the initial
        coordinates.
    """
    network = batch.network
    n_samples, n_outputs = len(batch.inputs), network.layer_sizes[-1]
    results: dict[str, np.ndarray] = {}
    if batch.labels is None:
        loss, targets = make_linear_loss(), np.zeros((n_samples, n_outputs))
    else:
        loss = make_first_spike_loss(gamma=batch.gamma, duration=network.duration)
        targets = batch.labels
    outcome, gradients = run_batch(
        network, batch.inputs, targets, loss, gradient=batch.labels is not None, input_times=True,
        max_spikes=max_spikes,
    )  # fmt: skip
    results["t_out"] = outcome.output_times[:, :, 0]
    if gradients is not None:
        results["loss"] = np.array(outcome.loss.mean())
        results |= {f"grad_W{i}": g for i, g in enumerate(gradients.weights)}
        results[f"grad_{network.model.initial}"] = gradients.initial
        assert gradients.input_times is not None
        results["grad_input_times"] = gradients.input_times
    spikes = record_spikes(network, batch.inputs, max_spikes=max_spikes)
    results["spike_sample"] = spikes.sample
    results["spike_neuron"] = spikes.neuron
    results["spike_time"] = spikes.time
    return results


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an ``.npz`` file, whole or not at all."""
    with replace_atomically(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def drop_answers(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The question in a batch file that may hold an answer, too."""
    return {
        name: array
        for name, array in arrays.items()
        if name not in ANSWERS and not name.startswith("grad_")
    }


def count_spikes_by_layer(network: LayerStack, spike_neuron: np.ndarray) -> list[int]:
    """How many spikes each layer has."""
    counts = np.bincount(spike_neuron, minlength=network.n_neurons)
    return [int(part.sum()) for part in split_layers(counts, network.layer_sizes[1:])]
