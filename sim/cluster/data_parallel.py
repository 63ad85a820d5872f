"""Training on many workers: each runs some of a batch's blocks, and the sums are added in one tree.

A step's blocks are cut into as many pieces as there are workers. Each worker has the data and the
compiled kernels, made from the configuration when it is first asked; it gets the parameters, draws
the same batch, runs its blocks and sends their sums. So checkpoints have the same bits for any
number of workers and threads, whichever of them die or join.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from sim.cluster.client import (
    check_here,
    explain_gone,
    explain_killed,
    explain_missing,
    list_gone,
    load_distributed,
)
from sim.cluster.train_task import name_in_full
from sim.kernels.sums import Arrays, Blocks, Node, add_nodes, find_top, share_blocks
from sim.threads import get_thread_count, run_on_threads
from sim.training.config import build_config, config_to_dict
from sim.training.networks.network_run import NetworkRun
from sim.training.networks.network_run import make_trainer as make_network_trainer
from sim.training.networks.network_train import NetworkTrainer
from sim.training.run_folder import CONFIG, MODEL, Run, make_trainer
from sim.training.train import Trainer, TrainState
from spiketheory.errors import ClusterError, InputError
from spiketheory.machine.versions import describe_versions

REMEDY = "The epochs before are kept; go on with --resume."
LARGE = 1_000_000
"""Bytes of parameters beyond which all workers get them once, and not with every task."""


AnyTrainer = Trainer | NetworkTrainer
AnyRun = Run | NetworkRun


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """What a worker makes its trainer of.

    Attributes:
        key: Tells runs apart.
        make: Makes the trainer, in any working folder.
        versions: What the client computes with.
    """

    key: str
    make: Callable[[], AnyTrainer]
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step of training, as all workers get it.

    Attributes:
        parameters: What is trained.
        kept: What else the trainer keeps from step to step.
        indices: The batch's samples.
        draws: State of the random numbers before the batch is drawn.
        call: Which of the step's batches with gradients is shared, counted from 0; those before it
            each worker runs whole.
    """

    parameters: list[np.ndarray]
    kept: dict[str, np.ndarray]
    indices: np.ndarray
    draws: dict[str, Any]
    call: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """What a worker found out.

    Attributes:
        first: The first of its blocks.
        ended: Status of each block, and the sample where it ended.
        nodes: Sums by their place in the tree.
        rows: Results by sample of each block.
        flags: What happened in any of its blocks.
    """

    first: int
    ended: list[tuple[int, int]]
    nodes: dict[Node, list[np.ndarray]]
    rows: list[list[np.ndarray]]
    flags: list[np.ndarray]


class PartDone(BaseException):
    """A worker's part of a step is done; the rest of the step is the client's."""


class PartShare:
    """Runs some of the blocks of one batch, and goes no further.

    Args:
        call: Which batch; those before it are run whole.
        place: Which piece, counted from 0.
        pieces: Into how many the blocks are cut.
    """

    def __init__(self, call: int, place: int, pieces: int) -> None:
        self.call, self.place, self.pieces = call, place, pieces
        self.part: Part | None = None

    def run(self, blocks: Blocks) -> list[tuple[int, int]]:
        """See `sim.kernels.sums.Share`."""
        if self.call > 0:
            from sim.kernels.sums import run_blocks

            self.call -= 1
            return run_blocks(blocks, here=True)
        first, last = cut_blocks(len(blocks.sums), self.place, self.pieces)
        ended = run_on_threads(lambda k: blocks.run(first + k), last - first, get_thread_count())
        nodes: dict[Node, Arrays] = {(0, b): blocks.sums[b] for b in range(first, last)}
        if not any(status for status, _ in ended):
            add_nodes(nodes, len(blocks.sums))
        self.part = Part(
            first=first, ended=ended,
            nodes={node: [array.copy() for array in own] for node, own in nodes.items()},
            rows=[[row.copy() for row in blocks.rows(b)] for b in range(first, last)],
            flags=[flag.copy() for flag in blocks.flags],
        )  # fmt: skip
        raise PartDone


def cut_blocks(n_blocks: int, place: int, pieces: int) -> tuple[int, int]:
    """First and last block, exclusive, of a piece."""
    limits = np.linspace(0, n_blocks, pieces + 1).astype(int)
    return int(limits[place]), int(limits[place + 1])


TRAINERS: dict[str, AnyTrainer] = {}
"""Of a worker: what it trains, by the run's key."""


def run_part(setup: Setup, step: Step, place: int, pieces: int) -> Part:
    """A worker's part of a step."""
    trainer = TRAINERS.get(setup.key)
    if trainer is None:
        check_here(setup.versions)
        trainer = setup.make()
        TRAINERS.clear()
        TRAINERS[setup.key] = trainer
    state = TrainState(
        parameters=[array.copy() for array in step.parameters], optimiser_state={},
        kept={name: array.copy() for name, array in step.kept.items()},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    rng.bit_generator.state = step.draws
    share = PartShare(step.call, place, pieces)
    try:
        with share_blocks(share):
            trainer.run_step(state, step.indices, 0.0, rng)
    except PartDone:
        pass
    assert share.part is not None
    return share.part


class ClusterShare:
    """Has the blocks of a batch run by the workers of a cluster.

    Args:
        client: The cluster.
        setup: What the workers make their trainers of.
    """

    def __init__(self, client: Any, setup: Setup) -> None:
        self.client, self.setup = client, setup
        self.step: Step | None = None
        self.call = self.steps = 0

    def begin(self, state: TrainState, indices: np.ndarray, rng: np.random.Generator) -> None:
        """A step begins."""
        self.call = 0
        self.steps += 1
        self.step = Step(
            parameters=state.parameters, kept=state.kept, indices=indices,
            draws=dict(rng.bit_generator.state), call=0,
        )  # fmt: skip

    def run(self, blocks: Blocks) -> list[tuple[int, int]]:
        """See `sim.kernels.sums.Share`."""
        assert self.step is not None
        step = Step(**{**vars(self.step), "call": self.call})
        self.call += 1
        n_blocks = len(blocks.sums)
        pieces = min(self.count_workers(), n_blocks)
        parts = self.ask(step, pieces)
        ended = [one for part in parts for one in part.ended]
        for part in parts:
            for k, rows in enumerate(part.rows):
                for target, row in zip(blocks.rows(part.first + k), rows, strict=True):
                    target[...] = row
            for target, flag in zip(blocks.flags, part.flags, strict=True):
                target |= flag
        if not any(status for status, _ in ended):
            nodes: dict[Node, Arrays] = {n: own for part in parts for n, own in part.nodes.items()}
            add_nodes(nodes, n_blocks)
            for target, total in zip(blocks.sums[0], nodes[find_top(n_blocks)], strict=True):
                target[...] = total
        return ended

    def count_workers(self) -> int:
        """How many there are at this time."""
        try:
            return max(len(self.client.nthreads()), 1)
        except list_gone() as err:
            raise explain_gone(err, REMEDY) from err

    def ask(self, step: Step, pieces: int) -> list[Part]:
        """Have the workers do their parts; what a dead one had is done by another."""
        distributed = load_distributed()
        sent: Any = step
        try:
            if sum(array.nbytes for array in step.parameters) > LARGE:
                sent = self.client.scatter(step, broadcast=True, hash=False)
            futures = [
                self.client.submit(
                    run_part, self.setup, sent, place, pieces, pure=False,
                    key=f"{self.setup.key}-{self.steps}-{step.call}-{place}",
                )
                for place in range(pieces)
            ]  # fmt: skip
            found: list[Part] = self.client.gather(futures)
        except distributed.scheduler.KilledWorker as err:
            raise ClusterError(f"{explain_killed(err)} {REMEDY}") from err
        except ImportError as err:
            raise explain_missing(err) from err
        except list_gone() as err:
            raise explain_gone(err, REMEDY) from err
        return found


def make_setup(run: AnyRun, *, root: Path | None, **compilers: Callable[..., Any]) -> Setup:
    """What workers make their trainers of.

    Raises:
        InputError: If they cannot run parts of a network's batches.
    """
    make: Callable[[], AnyTrainer]
    if isinstance(run, NetworkRun):
        reason = run.trainer.why_not_shared
        if reason:
            raise InputError(
                "Expected a chain of dense layers that learns a data set for --workers, "
                f"--scheduler or --cluster but {reason}; leave them out."
            )
        run.save_models()
        make = partial(
            make_network_trainer, (run.folder / CONFIG).absolute(), run.tables, **compilers
        )
    else:
        config, kept = name_in_full(config_to_dict(run.trainer.config)), run.folder / MODEL
        make = partial(
            make_configured, config, model=str(kept.absolute()) if kept.is_file() else None,
            root=None if root is None else root.absolute(), **compilers,
        )  # fmt: skip
    return Setup(key=uuid4().hex, make=make, versions=describe_versions())


def make_configured(config: dict[str, Any], **how: Any) -> Trainer:
    """The trainer of a configuration as plain values."""
    return make_trainer(build_config(config), **how)


@contextmanager
def train_on_cluster(
    run: AnyRun, client: Any, *, root: Path | None, compile_model: Callable[..., Any],
    compile_readout: Callable[..., Any],
) -> Iterator[None]:  # fmt: skip
    """Have the steps of a run done by the workers of a cluster, in the block of code.

    Args:
        run: The run.
        client: The cluster.
        root: Folder with data sets, as workers see it.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for a readout.

    Raises:
        InputError: If they cannot.
    """
    setup = make_setup(run, root=root, compile_model=compile_model, compile_readout=compile_readout)
    share = ClusterShare(client, setup)
    trainer: Any = run.trainer
    run_step = trainer.run_step

    def share_step(
        state: TrainState, indices: np.ndarray, rate: float, rng: np.random.Generator
    ) -> Any:
        share.begin(state, indices, rng)
        with share_blocks(share):
            return run_step(state, indices, rate, rng)

    trainer.run_step = share_step
    try:
        yield
    finally:
        trainer.run_step = run_step
