"""The table ``[loss]`` of a network file (docs/formats.md, 8): what is wanted of a readout."""

from dataclasses import dataclass

import numpy as np

from sim.files.tables import Table, TableReader, TomlValue
from sim.losses import (
    Loss,
    make_first_spike_loss,
    make_spike_trains_loss,
    make_target_time_loss,
    pad_spike_trains,
)
from sim.network.network import Network
from sim.network.readouts import AnyReadout, LinearReadout, Readout
from sim.temporal.logit_losses import LogitLoss, make_cross_entropy, make_squared_error
from spiketheory.errors import InputError
from spiketheory.reading import show

KINDS: dict[str, tuple[str, ...]] = {
    "first_spike": ("gamma", "label"),
    "target_time": ("targets", "target_label", "target_other"),
    "spike_trains": ("targets", "silent_after", "soften"),
    "cross_entropy": ("smoothing", "class_weights", "label"),
    "squared_error": ("targets",),
}
OF_LOGITS = ("cross_entropy", "squared_error")
COMMON = ("kind", "readout")


@dataclass(frozen=True, kw_only=True, eq=False)
class LossTable:
    """What is wanted.

    Attributes:
        loss: The loss of one trial.
        readout: What it reads; None is the network's first readout, or its last population.
        targets: Of every trial, shape (n_outputs, n_required), or (n_outputs,) for logits, or its
            label, shape (); None where labels of the trials are needed.
        label_times: Target times of the label's output and of the others; None where targets are
            no such times [time].
    """

    loss: Loss | LogitLoss
    readout: AnyReadout | None
    targets: np.ndarray | None
    label_times: tuple[float, float] | None = None


def read_loss_table(reader: TableReader, table: TomlValue, network: Network) -> LossTable:
    """Read what is wanted of a network."""
    where = "[loss]"
    if not isinstance(table, dict):
        raise reader.fail(f"{where} to be a table", show(table), "write name = value below it")
    kind = reader.choice(table.get("kind"), f"kind of {where}", tuple(KINDS))
    reader.check(table, where, (*COMMON, *KINDS[kind]), ("kind",))
    readout = find_readout(reader, table, network, where, kind in OF_LOGITS)
    if isinstance(readout, LinearReadout):
        return read_logit_loss(reader, table, kind, readout)
    neurons, n_spikes = network.find_readout(readout)
    if kind == "first_spike":
        return read_first_spike(reader, table, network, readout, len(neurons))
    if kind == "spike_trains":
        return read_spike_trains(reader, table, network, readout, len(neurons))
    if "targets" not in table:
        if n_spikes != 1:
            raise reader.fail(f"targets in {where}", "none", "give n_spikes times for each neuron")
        T = network.duration
        label = reader.number(table.get("target_label", 0.5), f"target_label of {where}") * T
        other = reader.number(table.get("target_other", 1.0), f"target_other of {where}") * T
        return LossTable(
            loss=make_target_time_loss(), readout=readout, targets=None, label_times=(label, other)
        )
    if "target_label" in table or "target_other" in table:
        raise reader.fail(
            f"targets, or target_label and target_other in {where}", "both", "give one kind"
        )
    targets = reader.rows(table["targets"], f"targets of {where}")
    wanted = (len(neurons), n_spikes)
    if targets.shape != wanted or np.isnan(targets).any():
        raise reader.fail(
            f"{wanted[1]} target times for each of {wanted[0]} neurons in {where}",
            f"shape {targets.shape}" if targets.shape != wanted else "nan",
            "write inf where any time will do",
        )  # fmt: skip
    return LossTable(
        loss=make_target_time_loss(n_required=n_spikes), readout=readout, targets=targets
    )


def find_readout(
    reader: TableReader, table: Table, network: Network, where: str, of_logits: bool
) -> AnyReadout | None:
    """The readout that a loss names, or the first that it can use."""
    kind = LinearReadout if of_logits else Readout
    by_name: dict[str, AnyReadout] = {
        one.name: one for one in network.readouts if isinstance(one, kind)
    }
    if "readout" in table:
        return by_name[reader.choice(table["readout"], f"readout of {where}", tuple(by_name))]
    if of_logits and not by_name:
        raise reader.fail(
            f"a readout of logits for {where}", "none",
            'add [readouts.NAME] with kind = "leaky_integrator"',
        )  # fmt: skip
    return next(iter(by_name.values()), None)


def read_logit_loss(
    reader: TableReader, table: Table, kind: str, readout: LinearReadout
) -> LossTable:
    """A loss of logits; label or targets may stand in the file if there is one trial."""
    n = len(readout.bias)
    if kind == "squared_error":
        targets = reader.numbers(table.get("targets"), "targets of [loss]")
        if targets.shape != (n,) or not np.isfinite(targets).all():
            raise reader.fail(
                f"{n} finite numbers for targets of [loss]", show(targets.tolist()),
                f"give one for each output of {readout.name}",
            )  # fmt: skip
        return LossTable(loss=make_squared_error(), readout=readout, targets=targets)
    smoothing = reader.number(table.get("smoothing", 0.0), "smoothing of [loss]")
    weights = None
    if "class_weights" in table:
        weights = reader.numbers(table["class_weights"], "class_weights of [loss]").tolist()
        if len(weights) != n:
            raise reader.fail(f"{n} class_weights in [loss]", f"{len(weights)}", "give all")
    try:
        loss = make_cross_entropy(smoothing=smoothing, class_weights=weights)
    except InputError as err:
        raise InputError(f"{str(err).rstrip('.')} ([loss] of {reader.path}).") from err
    return LossTable(loss=loss, readout=readout, targets=read_label(reader, table, n))


def read_label(reader: TableReader, table: Table, n: int) -> np.ndarray | None:
    """The label of the network's own trial; None if there is none."""
    if "label" not in table:
        return None
    label = reader.whole(table["label"], "label of [loss]")
    if label >= n:
        raise reader.fail(
            f"label of [loss] to be 0 to {n - 1}", str(label), "count neurons of the readout"
        )
    return np.array(label)


def read_first_spike(
    reader: TableReader, table: Table, network: Network, readout: Readout | None, n: int
) -> LossTable:
    """Cross entropy of first spikes; the label may stand in the file if there is one trial."""
    gamma = reader.at_least(table.get("gamma", 0.01), 0.0, "gamma of [loss]")
    return LossTable(
        loss=make_first_spike_loss(gamma=gamma, duration=network.duration),
        readout=readout,
        targets=read_label(reader, table, n),
    )


def read_spike_trains(
    reader: TableReader, table: Table, network: Network, readout: Readout | None, n: int
) -> LossTable:
    """Relative distances to spike trains."""
    T, where = network.duration, "targets of [loss]"
    trains = [reader.numbers(train, where) for train in reader.listed(table.get("targets"), where)]
    if len(trains) != n:
        raise reader.fail(
            f"{n} lists of spike times in {where}, one per neuron of the readout",
            f"{len(trains)}", "write [] for a neuron that should be silent",
        )  # fmt: skip
    for train in trains:
        if not np.isfinite(train).all() or np.any(train < 0) or np.any(np.diff(train) <= 0):
            raise reader.fail(f"times >= 0 that rise in {where}", show(train.tolist()), "sort them")
    silent_after = reader.at_least(
        table.get("silent_after", 1.1 * T), 0.0, "silent_after of [loss]"
    )
    soften = reader.at_least(table.get("soften", 0.2 * T), 0.0, "soften of [loss]")
    if soften == 0 and any(0.0 in train for train in trains):
        raise reader.fail("soften > 0 in [loss]", "0 with a target at time 0", "raise it")
    targets = pad_spike_trains(trains)
    return LossTable(
        loss=make_spike_trains_loss(
            n_required=targets.shape[1], silent_after=silent_after, soften=soften
        ),
        readout=readout,
        targets=targets,
    )
