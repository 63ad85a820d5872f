"""Accuracy, measured in chunks with seeds of their own: by any number of processes the same."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from derivations import compile_verified
from spiketheory.checking.accuracy.measure import Accuracy, measure_accuracy
from spiketheory.checking.journal import Lines
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.machine.compile import CompiledModel

STATES_PER_CHUNK = 50


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some of the states of a measurement.

    Attributes:
        number: Which, from 0.
        states: How many.
        seed: Of the measurement.
    """

    number: int
    states: int
    seed: int

    @property
    def draw(self) -> random.Random:
        """Its random numbers."""
        return random.Random(f"{self.seed}-{self.number}" if self.number else self.seed)


class Subject(NamedTuple):
    """What is measured."""

    verified: VerifiedKernel
    compiled: CompiledModel
    parameters: dict[str, float]


SUBJECTS: list[Subject] = []
"""Of this process: what is measured in it."""


def plan_chunks(states: int, seed: int) -> list[Chunk]:
    """The chunks of a measurement."""
    firsts = range(0, states, STATES_PER_CHUNK)
    return [
        Chunk(number=k, states=min(STATES_PER_CHUNK, states - first), seed=seed)
        for k, first in enumerate(firsts)
    ]


def start_measuring(
    model: str, verified: VerifiedKernel, parameters: dict[str, float], backend: str
) -> None:
    """Say what is measured in this process."""
    compiled = compile_verified(model, verified, backend=backend)
    SUBJECTS[:] = [Subject(verified, compiled, parameters)]


def measure_chunk(chunk: Chunk) -> list[Accuracy]:
    """The errors at the states of a chunk."""
    (own,) = SUBJECTS
    return measure_accuracy(
        own.verified, own.compiled, states=chunk.states, draw=chunk.draw, overrides=own.parameters
    )


def join(parts: Iterable[Sequence[Accuracy]]) -> list[Accuracy]:
    """The errors of all chunks, given in their order."""
    joined: list[Accuracy] = []
    for part in parts:
        joined = joined or [Accuracy(name=one.name) for one in part]
        for whole, one in zip(joined, part, strict=True):
            if one.errors and one.worst >= whole.worst:
                whole.worst_at = one.worst_at
            whole.errors += one.errors
            whole.left_out += one.left_out
    return joined


class AccuracyJournal:
    """Chunks that are behind a measurement.

    Args:
        path: The file; None for none.
        head: What is measured.

    Attributes:
        known: Errors by number of the chunk.
    """

    def __init__(self, path: Path | None, head: dict[str, Any]) -> None:
        self.lines = Lines(path, head, "measurement")
        self.known: dict[int, list[Accuracy]] = {}
        try:
            for number, parts in self.lines.found:
                self.known[number] = [Accuracy(**part) for part in parts]
        except (TypeError, ValueError) as err:
            raise self.lines.refuse(err) from err

    def add(self, chunk: Chunk, found: list[Accuracy]) -> None:
        """Write down what came of a chunk."""
        self.known[chunk.number] = found
        self.lines.write([chunk.number, [asdict(one) for one in found]])
