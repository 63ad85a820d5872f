"""Weights of connections in rows of blocks (`sim.network.rows`)."""

from sim.network.row_layout import FLOAT32, ONE
from sim.network.rows import BlockRows
from spiketheory.machine.link import kernel


@kernel()
def weigh(rows: BlockRows, kind: int, tract: int, edge: int) -> float:
    """The weight of a connection, which is counted through the weights of its kind."""
    if kind == ONE:
        return rows.tract_weights[tract]
    if kind == FLOAT32:
        return float(rows.weights32[edge])
    weight: float = rows.weights64[edge]
    return weight
