"""The trial file (docs/formats.md, 7): one trial of a recurrent network, an ``.npz`` in and out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.engine.choose import differentiate
from sim.events.differentiate import Gradients
from sim.events.recording import Recording
from sim.files.batch_file import check_numbers, read_scalar
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.errors import InputError, check_finite, check_shape
from spiketheory.machine.compile import CompiledModel

REQUIRED = ("model", "T", "weights")
INPUTS = ("input_weights", "input_times", "input_neurons")
DELAYS = ("delays", "input_delays")
PORTS = ("ports", "input_ports")
OPTIONAL = (*INPUTS, *DELAYS, *PORTS, "functional_coef")
POPULATION = "neurons"
INPUT = "inputs"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialFile:
    """What a trial file asks for.

    Attributes:
        network: One population, ``neurons``, and at most one input, ``inputs``.
        coefficients: Of the functional, one per spike; None asks for no gradients.
        parameters: Names of the parameters that the file gives.
    """

    network: Network
    coefficients: np.ndarray | None
    parameters: tuple[str, ...]


def is_trial(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether arrays are those of a trial rather than of a feedforward batch."""
    return "weights" in arrays and "W0" not in arrays


# Long: the fields of a file, in their order.
def read_trial_file(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    *,
    compile_model: Callable[[str], CompiledModel],
    model: str | None = None,
) -> TrialFile:
    """Check the arrays of a trial file.

    Args:
        path: The file, for messages.
        arrays: What it holds (`sim.files.batch_file.read_arrays`).
        compile_model: Turns a model's name into running code.
        model: Use this model in place of the file's.

    Raises:
        InputError: If a field is missing, unknown or malformed.
        ModelError: If the model is unknown or a parameter lies outside its domain.
    """
    missing = [name for name in REQUIRED if name not in arrays and (name != "model" or not model)]
    given = [name for name in INPUTS if name in arrays]
    if given and len(given) < len(INPUTS):
        missing += [name for name in INPUTS if name not in arrays]
    if missing:
        raise InputError(
            f"Expected the fields {', '.join(REQUIRED)}, and {', '.join(INPUTS)} or none of these, "
            f"in {path} but {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; "
            "add them."
        )
    compiled = compile_model(model or str(read_scalar(arrays, "model", kind="text")))
    check_names(path, arrays, compiled)
    weights = check_numbers("weights", arrays["weights"])
    check_shape("weights", weights, (None, None))
    check_shape("weights", weights, (len(weights), len(weights)))
    population = Population(
        name=POPULATION, model=compiled, size=len(weights),
        parameters={p: read_values(arrays, p) for p in compiled.parameters if p in arrays},
        initial={
            key: read_values(arrays, name)
            for name, key in list_initial(compiled).items()
            if name in arrays
        },
    )  # fmt: skip
    projections = make_projections(POPULATION, arrays, "weights", "delays", "ports")
    if given:
        more = make_projections(INPUT, arrays, "input_weights", "input_delays", "input_ports")
        projections += more
    coefficients = arrays.get("functional_coef")
    if coefficients is not None:
        check_finite("functional_coef", check_numbers("functional_coef", coefficients))
    return TrialFile(
        network=Network(
            populations=[population],
            inputs=[read_trains(arrays)] if given else [],
            projections=projections,
            duration=float(read_scalar(arrays, "T")),
        ),
        coefficients=coefficients,
        parameters=tuple(p for p in compiled.parameters if p in arrays),
    )


def list_initial(model: CompiledModel) -> dict[str, str]:
    """Fields with the initial state, and what each is to a population."""
    fields = {
        f"initial_{name}" if f"{name}0" in model.parameters else f"{name}0": name
        for name in model.state
    }
    return fields | ({} if model.initial in fields else {model.initial: model.initial})


def list_results(model: CompiledModel) -> set[str]:
    """Fields of the result; a file may hold them beside the question."""
    return {"spike_time", "spike_neuron", "functional", "t_end", *(f"{s}_end" for s in model.state)}


def drop_results(trial: TrialFile, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The question in a trial file that may hold an answer, too."""
    answers = list_results(trial.network.populations[0].model)
    return {
        name: array
        for name, array in arrays.items()
        if name not in answers and not name.startswith("grad_")
    }


def check_names(path: Path, arrays: Mapping[str, np.ndarray], model: CompiledModel) -> None:
    """Raise `InputError` if a field is unknown."""
    known = {*REQUIRED, *OPTIONAL, *list_results(model), *model.parameters, *list_initial(model)}
    unknown = [name for name in arrays if name not in known and not name.startswith("grad_")]
    if unknown:
        raise InputError(
            f"Expected fields among {', '.join(sorted(known))} in {path} but got {unknown[0]!r}; "
            "correct its name or remove it."
        )


def read_values(arrays: Mapping[str, np.ndarray], name: str) -> Any:
    """A number, or an array of one per neuron."""
    array = check_numbers(name, arrays[name])
    return float(array) if array.shape == () else array


def make_projections(
    pre: str, arrays: Mapping[str, np.ndarray], weights: str, delays: str, ports: str
) -> list[Projection]:
    """The connections from the neurons or the inputs, one projection for each port."""
    given, values = arrays.get(delays), check_numbers(weights, arrays[weights])
    check_shape(weights, values, (None, None))
    names = read_ports(arrays, ports, values.shape[1])
    return [
        Projection(
            pre=pre, post=POPULATION, weights=values, mask=(values != 0) & (names == name),
            delays=None if given is None else check_numbers(delays, given), port=str(name),
        )
        for name in dict.fromkeys(names.tolist())
    ]  # fmt: skip


def read_ports(arrays: Mapping[str, np.ndarray], name: str, n_sources: int) -> np.ndarray:
    """The port that each neuron's, or channel's, spikes arrive at, shape (n_sources,)."""
    ports = arrays.get(name, np.array("default"))
    if ports.dtype.kind != "U":
        raise InputError(
            f"Expected names of ports in {name} but got {ports.dtype}; store texts, one for each "
            "source, or one for all."
        )
    return check_shape(name, ports, (n_sources,)) if ports.shape else np.full(n_sources, ports)


def collect_gradients(
    network: Network, gradients: Gradients, pre: str, prefix: str
) -> dict[str, np.ndarray]:
    """Derivatives by the weights from the neurons or the inputs, and by delays if there are any."""
    own = [k for k, p in enumerate(network.projections) if p.pre == pre]
    found = {f"grad_{prefix}weights": sum(gradients.weights[k] for k in own)}
    if any(np.any(network.projections[k].edge_delays) for k in own):
        found[f"grad_{prefix}delays"] = sum(gradients.delays[k] for k in own)
    return found


def read_trains(arrays: Mapping[str, np.ndarray]) -> SpikeTrains:
    """The input spikes."""
    weights = check_shape("input_weights", arrays["input_weights"], (None, None))
    return SpikeTrains(
        name=INPUT, size=weights.shape[1],
        times=check_numbers("input_times", arrays["input_times"]),
        channels=arrays["input_neurons"],
    )  # fmt: skip


def collect_results(trial: TrialFile, recording: Recording) -> dict[str, np.ndarray]:
    """The result fields of docs/formats.md, 7; gradients if the file asks for them.

    Raises:
        InputError: If ``functional_coef`` does not have one entry per spike.
    """
    results = {"spike_time": recording.spike_time, "spike_neuron": recording.spike_neuron}
    results |= {f"{name}_end": v for name, v in recording.end_state[0].items()}
    if not recording.is_complete:
        return results | {"t_end": np.array(recording.time)}
    if trial.coefficients is None:
        return results
    n_spikes = len(recording.spike_time)
    if trial.coefficients.shape != (n_spikes,):
        raise InputError(
            f"Expected functional_coef to have one entry for each of the {n_spikes} spikes but got "
            f"shape {trial.coefficients.shape}; simulate without it to see the spikes."
        )
    gradients = differentiate(recording, spike_time=trial.coefficients, parameters=True)
    results["functional"] = np.array(trial.coefficients @ recording.spike_time)
    network = recording.network
    results |= collect_gradients(network, gradients, POPULATION, "")
    if network.inputs:
        results |= collect_gradients(network, gradients, INPUT, "input_")
        results["grad_input_times"] = gradients.input_times[0]
    names = {key: name for name, key in list_initial(trial.network.populations[0].model).items()}
    results |= {f"grad_{names[key]}": v for key, v in gradients.initial[0].items() if key in names}
    assert gradients.parameters is not None
    results |= {f"grad_{p}": np.asarray(v) for p, v in gradients.parameters[0].items()}
    return results
