"""Running a check: batches shared between processes, failures shrunk, one report.

What is found depends on the seed alone: batches have seeds of their own, and the first failing
batch of a property counts, in the order of the plan, however many processes there are.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path as FilePath
from typing import Any, Protocol

from derivations import compile_model, generate_cached, import_generated, read_neuron_model
from spiketheory.checking.failure import Failure
from spiketheory.checking.journal import Journal
from spiketheory.checking.search import (
    NAMES,
    Batch,
    Outcome,
    find_law,
    is_slow,
    plan_batches,
    run_batch,
    shrink,
)
from spiketheory.checking.subject import Subject, choose_backend, make_subject
from spiketheory.errors import check_choice
from spiketheory.files import is_file_name
from spiketheory.language.model import NeuronModel
from spiketheory.machine.compile import CompiledModel
from spiketheory.workers import Workers

MAY_FAIL = "smooth_swaps"
"""The only property that a model with merely continuous spike times does not have."""
AHEAD = 2
"""Batches per process that are handed out at a time."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to make the model under test, in this process or another.

    Attributes:
        neuron: The model.
        compile_model: Returns its generated code; picklable.
        parameters: Values of its parameters; defaults fill in the rest.
        assume: Relations beside those of the model.
    """

    neuron: NeuronModel
    compile_model: Callable[[], CompiledModel]
    parameters: dict[str, float] = field(default_factory=dict)
    assume: tuple[str, ...] = ()

    def build(self) -> Subject:
        """The model under test."""
        return make_subject(
            self.neuron, self.compile_model(), parameters=self.parameters, assume=self.assume
        )


def make_recipe(model: str, *, parameters: dict[str, float], assume: tuple[str, ...]) -> Recipe:
    """The `Recipe` of a model.

    Args:
        model: Name of a built-in model, or path of a TOML file.
        parameters: Values that are kept fixed, by name.
        assume: Assumptions, as text.
    """
    place = str(FilePath(model).absolute()) if is_file_name(model) else model
    return Recipe(
        neuron=read_neuron_model(model),
        compile_model=partial(compile_to_check, place),
        parameters=parameters,
        assume=assume,
    )


def compile_to_check(model: str) -> CompiledModel:
    """`compile_model` with the backend that is faster for a few small networks."""
    module = generate_cached(model) if is_file_name(model) else import_generated(model)
    return compile_model(model, backend=choose_backend(module))


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a check says of one property.

    Attributes:
        name: The property.
        text: What it says.
        status: ``passed``, ``failed`` or ``skipped``.
        examples: How many examples said something.
        reason: Why it was skipped, or what happens where it fails.
        failure: The smallest trial found in which it fails; None if it passed.
    """

    name: str
    text: str
    status: str
    examples: int
    reason: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a check says of a model.

    Attributes:
        model: Its name.
        parameters: Values of all its parameters.
        assumptions: What was assumed of inputs and states.
        seed: Seed of the search.
        examples: Examples asked for, per property.
        results: The properties.
    """

    model: str
    parameters: dict[str, float]
    assumptions: tuple[str, ...]
    seed: int
    examples: int
    results: tuple[Result, ...]

    @property
    def verdict(self) -> str:
        """``smooth``, ``continuous`` (only gradients jump, at swaps) or ``broken``."""
        failed = {r.name for r in self.results if r.status == "failed"}
        return "smooth" if not failed else "continuous" if failed == {MAY_FAIL} else "broken"


def run_check(
    recipe: Recipe | Subject,
    *,
    examples: int = 100,
    seed: int = 0,
    workers: int | None = None,
    names: Sequence[str] = NAMES,
    pool: "Pool | None" = None,
    journal: Journal | None = None,
) -> Iterator[tuple[int, Any]]:
    """Check a model.

    Args:
        recipe: The model; a `Subject` is checked in this process.
        examples: Examples per property; some properties get a fraction of them.
        seed: Seed of the search.
        workers: Number of processes; None stands for the number of cores.
        names: The properties to check.
        pool: What runs the batches in place of processes of this machine.
        journal: What was done before, and what is done is added; None keeps nothing.

    Yields:
        How many examples are done, and None; at the end the `Report`.
    """
    for name in names:
        check_choice("property", name, NAMES)
    workers = workers or os.cpu_count() or 1
    if pool is not None:
        chosen = pool
    elif isinstance(recipe, Subject) or workers == 1:
        chosen = OwnProcess(recipe if isinstance(recipe, Subject) else recipe.build())
    else:
        chosen = Processes(Workers(workers, start_worker, (recipe,)))
    with chosen:
        yield from work(chosen, list(names), examples, seed, journal or Journal(None, {}))


def work(
    pool: "Pool", names: list[str], examples: int, seed: int, journal: Journal
) -> Iterator[tuple[int, Any]]:
    """Hand out batches, then shrink what failed."""
    facts = pool.facts()
    names_that_apply = [name for name in names if not facts["excuses"][name]]
    planned = plan_batches(names_that_apply, examples, seed, slow=facts["slow"])
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    failed: dict[str, int] = {}
    known = [journal.known[batch] for batch in planned if batch in journal.known]
    for outcome in known:
        outcomes[outcome.batch.name].append(outcome)
    done = sum(outcome.batch.examples for outcome in known)
    for outcome in pool.run([b for b in planned if b not in journal.known], failed):
        outcomes[outcome.batch.name].append(outcome)
        journal.add(outcome)
        done += outcome.batch.examples
        if outcome.failure is not None:
            number = failed.get(outcome.batch.name, outcome.batch.number)
            failed[outcome.batch.name] = min(number, outcome.batch.number)
        yield done, None
    first = {
        name: next(o for o in found if o.batch.number == failed[name])
        for name, found in outcomes.items()
        if name in failed
    }
    failures = dict(zip(first, pool.shrink(list(first.values())), strict=True))
    results = [
        conclude(name, outcomes[name], failed.get(name), failures.get(name), facts["excuses"][name])
        for name in names
    ]
    yield done, Report(
        model=facts["model"], parameters=facts["parameters"], assumptions=facts["assumptions"],
        seed=seed, examples=examples, results=tuple(results),
    )  # fmt: skip


def conclude(
    name: str, outcomes: list[Outcome], failed: int | None, failure: Failure | None, excuse: str
) -> Result:
    """What the outcomes of a property's batches say together."""
    text = find_law(name).text
    if excuse:
        return Result(name=name, text=text, status="skipped", examples=0, reason=excuse)
    counted = [o.examples for o in outcomes if failed is None or o.batch.number <= failed]
    if failure is not None:
        return Result(name=name, text=text, status="failed", examples=sum(counted),
                      reason=failure.text, failure=failure)  # fmt: skip
    if not sum(counted):
        reason = "no trial that was drawn says anything of it"
        return Result(name=name, text=text, status="skipped", examples=0, reason=reason)
    return Result(name=name, text=text, status="passed", examples=sum(counted))


def state_facts(subject: Subject) -> dict[str, Any]:
    """What the report says of the model under test."""
    return {
        "model": subject.neuron.name,
        "parameters": subject.parameters,
        "assumptions": subject.assumptions.texts,
        "slow": is_slow(subject),
        "excuses": {name: find_law(name).excuse(subject) for name in NAMES},
    }


class OwnProcess:
    """Batches one after another, in this process."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def __enter__(self) -> "OwnProcess":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def facts(self) -> dict[str, Any]:
        """See `state_facts`."""
        return state_facts(self.subject)

    def run(self, planned: list[Batch], failed: dict[str, int]) -> Iterator[Outcome]:
        """Run batches, but for those of properties that have failed before."""
        for batch in planned:
            if batch.name not in failed:
                yield run_batch(self.subject, batch)

    def shrink(self, outcomes: list[Outcome]) -> list[Failure]:
        """Shrink failures."""
        return [shrink(self.subject, outcome) for outcome in outcomes]


class Executor(Protocol):
    """What has processes call functions: `Workers`, or those of a cluster."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *error: Any) -> Any: ...

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> "Future[Any]":
        """Have a process call a function."""
        ...

    def count(self) -> int:
        """How many of them there are at this time."""
        ...


class Processes:
    """Batches shared between processes, in each of which `start_worker` was called.

    Args:
        pool: The processes.
    """

    def __init__(self, pool: Executor) -> None:
        self.pool = pool

    def __enter__(self) -> "Processes":
        self.pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.pool.__exit__(*error)

    def facts(self) -> dict[str, Any]:
        """See `state_facts`."""
        return self.pool.submit(call_worker, state_facts).result()

    def run(self, planned: list[Batch], failed: dict[str, int]) -> Iterator[Outcome]:
        """Run batches, but for those after one of the same property that has failed."""
        waiting: set[Future[Outcome]] = set()
        batches = iter(planned)
        batch = next(batches, None)
        while batch is not None or waiting:
            while batch is not None and len(waiting) < AHEAD * self.pool.count():
                if batch.number < failed.get(batch.name, batch.number + 1):
                    waiting.add(self.pool.submit(call_worker, run_batch, batch))
                batch = next(batches, None)
            if waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)

    def shrink(self, outcomes: list[Outcome]) -> list[Failure]:
        """Shrink failures."""
        futures = [self.pool.submit(call_worker, shrink, outcome) for outcome in outcomes]
        return [future.result() for future in futures]


Pool = OwnProcess | Processes
WORKER: dict[str, Any] = {}
"""The model under test of a worker process, or the error that making it raised."""


def start_worker(recipe: Recipe) -> None:
    """Make the model under test of a worker process; an error is raised by its first call."""
    try:
        WORKER["subject"] = recipe.build()
    except Exception as err:
        WORKER["error"] = err


def call_worker(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function with a worker's model."""
    if "error" in WORKER:
        raise WORKER["error"]
    return function(WORKER["subject"], *arguments)
