"""The usual stack of dense layers, as a network."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.readouts import Readout
from spiketheory.errors import InputError, check_shape
from spiketheory.machine.compile import CompiledModel

INPUT, OUTPUT = "input", "output"


# Long: half of it says what it takes; then one record.
def layered(
    model: CompiledModel,
    weights: Sequence[ArrayLike],
    *,
    duration: float,
    parameters: Mapping[str, float] | None = None,
    initial: ArrayLike | None = None,
    n_spikes: int = 1,
    precision: str = "float64",
) -> Network:
    """A stack of dense layers of one model; read are the first spikes of the last.

    Populations are called ``hidden1``, ``hidden2``, ... and ``output``, the input ``input``.

    Args:
        model: The compiled model.
        weights: One matrix per layer, shape (n_post, n_pre); n_pre of the first is the number of
            channels.
        duration: The trial's end T [time].
        parameters: Values of the model's parameters by name; defaults fill in.
        initial: Initial coordinate (phase, membrane potential) of all neurons, layer after layer,
            shape (n_neurons,); None stands for the model's default.
        n_spikes: How many spikes of each output neuron are read.
        precision: ``float64`` or ``float32``, see `Network`.

    Raises:
        InputError: If shapes do not fit.
    """
    matrices = [np.asarray(w, dtype=np.float64) for w in weights]
    if not matrices:
        raise InputError("Expected at least one matrix of weights but got none; add the outputs'.")
    for k, matrix in enumerate(matrices):
        n_pre = None if k == 0 else len(matrices[k - 1])
        if matrix.ndim == 2 and n_pre not in (None, matrix.shape[1]) and matrix.shape[0] == n_pre:
            raise InputError(
                f"Expected weights[{k}] with {n_pre} columns, (post, pre), but got shape "
                f"{matrix.shape}; transpose it."
            )
        check_shape(f"weights[{k}]", matrix, (None, n_pre))
    sizes = [len(matrix) for matrix in matrices]
    names = [*(f"hidden{k}" for k in range(1, len(sizes))), OUTPUT]
    starts: list[np.ndarray | None] = [None] * len(sizes)
    if initial is not None:
        given = check_shape(f"initial {model.initial}", np.asarray(initial), (sum(sizes),))
        starts = [*np.split(given, np.cumsum(sizes)[:-1])]
    silent = np.empty(0)
    return Network(
        populations=[
            Population(
                name=name, model=model, size=size, parameters=parameters or {},
                initial={} if start is None else {model.initial: start},
            )
            for name, size, start in zip(names, sizes, starts, strict=True)
        ],
        inputs=[
            SpikeTrains(
                name=INPUT, size=matrices[0].shape[1], times=silent, channels=silent.astype(int)
            )
        ],
        projections=[
            Projection(pre=pre, post=post, weights=matrix)
            for pre, post, matrix in zip([INPUT, *names], names, matrices, strict=False)
        ],
        readouts=[Readout(name=OUTPUT, population=OUTPUT, n_spikes=n_spikes)],
        duration=duration,
        precision=precision,
    )  # fmt: skip
