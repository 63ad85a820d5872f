"""The tables ``[readouts.NAME]`` of a network file (docs/formats.md, 8): what is read of it."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from sim.files.tables import Table, TableReader
from sim.network.readouts import AnyReadout, LinearReadout, Readout
from spiketheory.errors import InputError, ModelError
from spiketheory.machine.readout import CompiledReadout
from spiketheory.reading import show

SPIKES = "first_spikes"
OF_SPIKES = ("population", "n_spikes", "neurons", "kind")
OF_LOGITS = ("population", "kind", "size", "parameters", "weight", "weights", "bias", "learn")
CompileReadout: TypeAlias = Callable[..., CompiledReadout]
"""Turns a readout's name, a backend and values of its parameters into running code."""


class ReadoutReader:
    """Reads readouts of one file.

    Args:
        reader: Reads the file.
        compile_readout: Makes readouts of logits; None if there are none.
        sizes: Number of neurons of each population, in order.
        backend: That of the models.
    """

    def __init__(
        self, reader: TableReader, compile_readout: CompileReadout | None,
        sizes: Mapping[str, int], backend: str,
    ) -> None:  # fmt: skip
        self.reader, self.compile_readout = reader, compile_readout
        self.sizes, self.backend = sizes, backend

    def read(self, name: str, table: Table) -> tuple[AnyReadout, list[str]]:
        """One readout, and what of it learns."""
        kind = self.reader.text(table.get("kind", SPIKES), f"kind of [readouts.{name}]")
        if kind == SPIKES:
            return self.read_spikes(name, table), []
        return self.read_logits(name, table, kind)

    def read_spikes(self, name: str, table: Table) -> Readout:
        """A readout of spikes."""
        reader, where = self.reader, f"[readouts.{name}]"
        reader.check(table, where, OF_SPIKES, ("population",))
        neurons = table.get("neurons")
        if neurons is not None:
            given = reader.listed(neurons, f"neurons of {where}")
            neurons = [reader.whole(n, f"neurons of {where}") for n in given]
        return Readout(
            name=name, population=reader.text(table["population"], f"population of {where}"),
            n_spikes=reader.whole(table.get("n_spikes", 1), f"n_spikes of {where}"),
            neurons=neurons,
        )  # fmt: skip

    def read_logits(self, name: str, table: Table, kind: str) -> tuple[LinearReadout, list[str]]:
        """A readout of logits, and what of it learns."""
        reader, where = self.reader, f"[readouts.{name}]"
        compiled = self.compile(kind, table, where)
        reader.check(table, where, OF_LOGITS, ("population", "kind", "size"))
        population = reader.text(table["population"], f"population of {where}")
        reader.choice(population, f"population of {where}", tuple(self.sizes))
        size = reader.whole(table["size"], f"size of {where}")
        shape = size, self.sizes[population], compiled.n_features
        bias = reader.values(table.get("bias", 0.0), size, f"bias of {where}")
        readout = LinearReadout(
            name=name,
            population=population,
            compiled=compiled,
            weights=self.read_weights(table, shape, where),
            bias=np.full(size, bias) if np.ndim(bias) == 0 else bias,
        )
        return readout, self.read_learn(table, compiled, where)

    def compile(self, kind: str, table: Table, where: str) -> CompiledReadout:
        """The running code of a readout of logits."""
        reader = self.reader
        given = table.get("parameters", {})
        if not isinstance(given, dict):
            raise reader.fail(
                f"a table for parameters of {where}", show(given), "use {name = value}"
            )
        values = {n: reader.number(v, f"{n} of {where}") for n, v in given.items()}
        if self.compile_readout is None:
            reader.choice(kind, f"kind of {where}", (SPIKES,))
            raise AssertionError
        try:
            return self.compile_readout(kind, backend=self.backend, **values)
        except (InputError, ModelError) as err:
            raise InputError(f"{str(err).rstrip('.')} ({where} of {reader.path}).") from err

    def read_weights(self, table: Table, shape: tuple[int, int, int], where: str) -> np.ndarray:
        """Weights, shape (n_outputs, n_neurons, n_features)."""
        reader = self.reader
        if ("weight" in table) == ("weights" in table):
            raise reader.fail(f"either weight or weights in {where}", "both or none", "give one")
        n_outputs, n_neurons, n_features = shape
        count = n_outputs * n_neurons * n_features
        wanted: tuple[int, ...] = (count,)
        if "weights" in table:
            found = reader.rows(table["weights"], f"weights of {where}")
            wanted = n_outputs, n_neurons * n_features
        else:
            found = np.asarray(reader.values(table["weight"], count, f"weight of {where}"))
            found = np.full(count, found) if found.ndim == 0 else found
        if found.shape != wanted:
            raise reader.fail(
                f"weights of shape {wanted} in {where}", f"{found.shape}",
                "give each output one for each neuron and feature",
            )  # fmt: skip
        return found.reshape(shape)

    def read_learn(self, table: Table, compiled: CompiledReadout, where: str) -> list[str]:
        """Names of what learns."""
        reader, given = self.reader, table.get("learn", False)
        known = ("weights", "bias", *compiled.parameters)
        if isinstance(given, bool):
            return ["weights", "bias"] if given else []
        names = reader.listed(given, f"learn of {where}")
        for name in names:
            reader.choice(name, f"learn of {where}", known)
        if len(set(names)) < len(names):
            raise reader.fail(f"different names in learn of {where}", show(names), "name each once")
        return names
