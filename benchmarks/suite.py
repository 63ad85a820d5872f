"""The list of benchmarks, and running those that were asked for."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, find_load
from benchmarks.records import Figure, Result
from spiketheory.errors import check_choice

BUSY = 0.5
"""Load average per core above which a machine is not quiet."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the suite is asked for.

    Attributes:
        quick: Few rounds and small sizes: a smoke test of about two minutes.
        rounds: How often each step takes its turn.
        data: Folder with MNIST/raw; None measures with random images.
        spikegd: Checkout of the paper's code; None leaves it out.
        spikegd_python: The interpreter that runs it.
        nest_python: One that has NEST; None leaves it out.
        brian_python: One that has Brian2.
        match: What the names of large networks contain that are measured.
        tiny: Sizes for the tests of the suite itself, which say nothing about speed.
    """

    quick: bool = False
    rounds: int = 7
    data: Path | None = None
    spikegd: Path | None = None
    spikegd_python: str | None = None
    nest_python: str | None = None
    brian_python: str | None = None
    match: str = ""
    tiny: bool = False

    @property
    def least(self) -> float:
        """Seconds that one measurement should take."""
        return 0.001 if self.tiny else 0.05 if self.quick else 0.3


@dataclass
class Session:
    """What the benchmarks of one run find out; they add to it.

    Attributes:
        options: What was asked for.
        show: Called with what is going on now.
        figures: What was measured.
        notes: What was left out, and why.
        benchmark: Name of the benchmark that is running.
    """

    options: Options
    show: Callable[[str], None] = lambda text: None
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    benchmark: str = ""

    def add(
        self, name: str, values: Iterable[float], unit: str, better: str | None, **settings: Any
    ) -> None:
        """Add a figure."""
        self.figures.append(
            Figure(benchmark=self.benchmark, name=name, unit=unit, better=better,
                   values=tuple(values), settings=settings)
        )  # fmt: skip

    def add_rate(self, name: str, seconds: Iterable[float], unit: str, **settings: Any) -> None:
        """Add a rate, given the seconds that one thing takes."""
        self.add(name, (1 / s for s in seconds), unit, "higher", **settings)

    def add_ratio(
        self,
        name: str,
        of: Sequence[float],
        by: Sequence[float],
        better: str | None,
        **settings: Any,
    ) -> None:
        """Add a ratio, of the same round each."""
        pairs = zip(of, by, strict=True)
        self.add(name, (a / b for a, b in pairs), "times", better, **settings)

    def note(self, text: str) -> None:
        """Say what was left out, what to install, or what else to know."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One entry of the list: the module has a function ``measure(session)``."""

    module: str
    summary: str

    def measure(self, session: Session) -> None:
        """Run it."""
        import_module(self.module).measure(session)


BENCHMARKS: Mapping[str, Benchmark] = {
    "roofline": Benchmark(
        module="benchmarks.roofline",
        summary="what the machine could do at best, and how far above that a training step is",
    ),
    "feedforward": Benchmark(
        module="benchmarks.feedforward",
        summary="inference and training steps beside dense networks, the paper's code, snnTorch",
    ),
    "scaling": Benchmark(
        module="benchmarks.scaling",
        summary="threads, batch sizes, widths and depths; spikes times fan-out",
    ),
    "memory": Benchmark(
        module="benchmarks.memory", summary="peak memory of a training step"
    ),
    "evaluators": Benchmark(
        module="benchmarks.evaluators",
        summary="generated functions beside loops that were written by hand",
    ),
    "recurrent": Benchmark(
        module="benchmarks.recurrent_networks",
        summary="large sparse networks, beside Brian2; the backward pass",
    ),
    "large_build": Benchmark(
        module="benchmarks.large_build",
        summary="laying out the connections of large networks: seconds, bytes, peak memory",
    ),
    "large": Benchmark(
        module="benchmarks.large",
        summary="large networks with delays, beside NEST and Brian2's C++; threads",
    ),
    "temporal": Benchmark(
        module="benchmarks.temporal",
        summary="training in time: dense layers, recurrence, delays; beside the event engine",
    ),
    "derivation": Benchmark(
        module="benchmarks.compilation",
        summary="deriving, verifying, generating and compiling a model",
    ),
    "startup": Benchmark(
        module="benchmarks.startup",
        summary="--help, and the time to the first training step, compiled before or not",
    ),
}  # fmt: skip


def check_names(names: Iterable[str]) -> list[str]:
    """The benchmarks that were asked for; all if none was."""
    return [check_choice("a benchmark", name, BENCHMARKS) for name in names] or list(BENCHMARKS)


def run_suite(
    names: Sequence[str],
    options: Options,
    *,
    show: Callable[[str], None] = lambda text: None,
    on_result: Callable[[Result], None] = lambda result: None,
) -> Result:
    """Run benchmarks one after the other.

    Args:
        names: Which, in this order.
        options: What they are asked for.
        show: Called with what is going on now.
        on_result: Called with what is known after each benchmark, so that it can be kept.
    """
    session = Session(options=options, show=show)
    machine = describe_machine()
    load, cores = machine["load_average"], machine["cores"]
    if load is not None and load > BUSY * cores:
        session.note(
            f"The machine was busy at the start (load {load} on {cores} cores): expect wide "
            "ranges, above all of programs whose threads wait for each other; measure again when "
            "it is quiet."
        )
    started, clock = datetime.now(UTC), time.perf_counter()
    result = None
    for k, name in enumerate(names):
        session.benchmark = name
        show(name)
        BENCHMARKS[name].measure(session)
        result = Result(
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.perf_counter() - clock, 1),
            quick=options.quick,
            complete=k == len(names) - 1,
            machine={**machine, "load_average_at_end": find_load()},
            notes=tuple(session.notes),
            figures=tuple(session.figures),
        )
        on_result(result)
    assert result is not None
    return result
