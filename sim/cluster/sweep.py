"""Run a sweep on a cluster: every run an ordinary run folder, a table and a figure of all."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from sim.cluster.client import (
    check_workers,
    explain_gone,
    explain_killed,
    explain_missing,
    list_gone,
    load_distributed,
)
from sim.cluster.search import Halving, draw_points
from sim.cluster.sweep_file import Sweep, read_sweep
from sim.cluster.sweep_table import Outcome, write_tables
from sim.cluster.train_task import (
    DONE,
    FAILED,
    STOPPED,
    TrainEnd,
    TrainTask,
    find_progress,
    name_in_full,
)
from sim.cluster.train_task import train_task as train_one
from sim.training.config import config_to_dict, make_config
from spiketheory.errors import InputError, SpiketheoryError, WorkerError
from spiketheory.files import write_text_atomically
from spiketheory.folder_lock import FolderLock
from spiketheory.machine.versions import describe_versions
from spiketheory.reading import read_text

SWEEP = "sweep.toml"
RUNS = "runs"
DIGITS = 8
"""Of the digest of a configuration in the name of its folder."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of a sweep.

    Attributes:
        number: Its place in the sweep.
        varied: What distinguishes it, by option.
        config: Its configuration as plain values; None if it is none.
        reason: Why it is none.
        folder: The run's folder.
    """

    number: int
    varied: Mapping[str, Any]
    config: Mapping[str, Any] | None
    reason: str
    folder: Path


@dataclass(kw_only=True, eq=False)
class SweepRun:
    """A sweep under way.

    Attributes:
        sweep: What is run.
        folder: Where it is kept.
        points: Its runs.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for a readout.
        root: Folder with data sets.
        lock: Keeps other sweeps from the folder.
        is_new: Whether it began now.
        ends: How runs ended, by number.
        on_end: Called with each end.
    """

    sweep: Sweep
    folder: Path
    points: list[Point]
    compile_model: Callable[..., Any]
    compile_readout: Callable[..., Any]
    root: Path | None
    lock: FolderLock
    is_new: bool
    ends: dict[int, TrainEnd] = field(default_factory=dict)
    on_end: Callable[[Outcome], None] | None = None

    def run(self, client: Any) -> list[Outcome]:
        """Do what is missing; returns one outcome for each run.

        Raises:
            WorkerError: If a worker computes otherwise than this process.
            ClusterError: If the scheduler goes away.
        """
        check_workers(client)
        for point in self.points:
            if point.config is None:
                self.end(point, TrainEnd(status=FAILED, reason=point.reason))
        good = [point for point in self.points if point.config is not None]
        if self.sweep.search is not None and self.sweep.search.method == "halving":
            self.run_halving(client, good)
        else:
            for point, end in self.train(client, good):
                self.end(point, end)
        self.write()
        return self.outcomes

    def run_halving(self, client: Any, points: list[Point]) -> None:
        """Train all for some epochs, those ahead for more, and so on."""
        assert self.sweep.search is not None
        epochs = {point.number: int((point.config or {})["epochs"]) for point in points}
        halving = Halving(self.sweep.search, self.sweep.goal, max(epochs.values(), default=1))
        alive = points
        for most in halving.rungs:
            ends = dict(self.train(client, alive, most, by_number=True))
            going_on = []
            for point in alive:  # in their order, whoever was done first
                end = ends[point.number]
                is_over = most >= epochs[point.number]
                values = [row.get(self.sweep.metric) for row in end.rows]
                if end.status != DONE or is_over:
                    self.end(point, end)
                elif halving.should_stop(point.number, most, values):
                    self.end(point, dataclasses.replace(end, status=STOPPED))
                else:
                    going_on.append(point)
            alive = going_on

    def train(
        self, client: Any, points: list[Point], most: int | None = None, *, by_number: bool = False
    ) -> Iterator[tuple[Any, TrainEnd]]:
        """Train runs, in any order; yields each with how it ended."""
        distributed = load_distributed()
        versions, mark = describe_versions(), uuid4().hex[:DIGITS]
        todo: dict[Any, Point] = {}
        for point in points:
            task = self.make_task(point, most, versions)
            known = find_end(task)
            if known is not None:
                yield point.number if by_number else point, known
                continue
            key = f"{point.folder.name}-{task.epochs}-{mark}"  # others may have such a folder, too
            todo[client.submit(train_one, task, key=key, pure=False)] = point
        try:
            for future in distributed.as_completed(list(todo)):
                point = todo.pop(future)
                yield point.number if by_number else point, read_end(future, point.folder)
        except WorkerError as err:
            raise WorkerError(f"{err} {self.remedy}") from err
        except list_gone() as err:
            raise explain_gone(err, self.remedy) from err
        finally:
            with contextlib.suppress(Exception):  # the scheduler may have gone
                client.cancel(list(todo))

    @property
    def remedy(self) -> str:
        """What to do after a sweep that has not come to its end."""
        return f"What was done is in {self.folder}; go on with --resume {self.folder}."

    def make_task(self, point: Point, most: int | None, versions: dict[str, str]) -> TrainTask:
        """What a worker is asked to do."""
        assert point.config is not None
        epochs = int(point.config["epochs"])
        return TrainTask(
            config=name_in_full(point.config), folder=point.folder.absolute(),
            epochs=epochs if most is None else min(most, epochs),
            root=None if self.root is None else self.root.absolute(),
            compile_model=self.compile_model, compile_readout=self.compile_readout,
            versions=versions,
        )  # fmt: skip

    def end(self, point: Point, end: TrainEnd) -> None:
        """Note how a run ended."""
        if end.rows and self.sweep.metric not in end.rows[-1]:
            end = dataclasses.replace(end, status=FAILED, reason=(
                f"Expected the metric {self.sweep.metric} but the run has "
                f"{', '.join(end.rows[-1])}; correct metric in [compare]."
            ))  # fmt: skip
        self.ends[point.number] = end
        self.write()
        if self.on_end is not None:
            self.on_end(self.find_outcome(point))

    @property
    def outcomes(self) -> list[Outcome]:
        """How the runs ended that have, in their order."""
        return [self.find_outcome(point) for point in self.points if point.number in self.ends]

    def find_outcome(self, point: Point) -> Outcome:
        """How a run ended."""
        end = self.ends[point.number]
        return Outcome(
            number=point.number, folder=point.folder.relative_to(self.folder),
            varied=point.varied, status=end.status, reason=end.reason, rows=end.rows,
        )  # fmt: skip

    @property
    def has_begun(self) -> bool:
        """Whether something is done, or under way."""
        return bool(self.ends) or (self.folder / RUNS).exists()

    def write(self) -> None:
        """Write the tables of what has ended."""
        write_tables(self.sweep, self.outcomes, self.folder)

    def close(self) -> None:
        """Give the folder free; one in which nothing was done is empty again."""
        if self.is_new and not self.has_begun:
            (self.folder / SWEEP).unlink(missing_ok=True)
        self.lock.release()
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def find_end(task: TrainTask) -> TrainEnd | None:
    """How a run ended that is behind us already; None if it has to be trained."""
    found = find_progress(task.folder)
    if found is None:
        return None
    rows = found[1]
    epoch = int(rows[-1]["epoch"]) if rows else -1
    if epoch < task.epochs:
        return None
    return TrainEnd(status=DONE, rows=rows[: task.epochs + 1])


def read_end(future: Any, folder: Path) -> TrainEnd:
    """How the training of a future ended; a worker that died three times over it is a failure.

    Raises:
        WorkerError: If the worker computes otherwise than the client.
    """
    error = future.exception() if future.status in ("error", "cancelled", "lost") else None
    if isinstance(error, WorkerError):
        raise error
    if isinstance(error, ImportError):
        raise explain_missing(error)
    if error is None:
        end: TrainEnd = future.result()
        return end
    if future.status != "error":
        raise OSError(f"its tasks are {future.status}")
    reason = f"{type(error).__name__}: {error}"
    if type(error).__name__ == "KilledWorker":
        reason = explain_killed(error)
    found = find_progress(folder)
    return TrainEnd(status=FAILED, reason=reason, rows=found[1] if found else [])


def start_sweep(
    file: Path, folder: Path, *, resume: bool = False, overwrite: bool = False, **how: Any
) -> SweepRun:
    """Read a sweep, and make its folder.

    Args:
        file: The sweep file; that of the folder if it is resumed.
        folder: Where it is kept.
        resume: Whether to go on with the sweep in the folder.
        overwrite: Whether a sweep in the folder may be replaced.
        how: ``compile_model``, ``compile_readout``, ``root``.

    Raises:
        InputError: If the file is none, the folder holds a sweep, another process has it, or no
            run of it has a valid configuration.
    """
    kept = folder / SWEEP
    if resume and not kept.exists():
        raise InputError(
            f"Expected a sweep in {folder} but there is no {SWEEP}; give the folder that sweep "
            "wrote, or start it without --resume."
        )
    source = kept if resume else file
    sweep = read_sweep(source)
    points = list_points(sweep, folder, source.parent)
    valid = [point.config for point in points if point.config is not None]
    if not valid:
        raise InputError(points[0].reason)
    if not sweep.metric:
        part = "validation" if all(config["validation"] for config in valid) else "test"
        sweep = dataclasses.replace(sweep, metric=f"{part}_accuracy")
    refuse_sweep(folder, allowed=resume or overwrite)
    lock = FolderLock(folder)
    try:
        refuse_sweep(folder, allowed=resume or overwrite)
        if not resume:
            write_text_atomically(kept, freeze_base(read_text(file), sweep, file))
    except InputError:
        lock.release()
        raise
    return SweepRun(
        sweep=sweep, folder=folder, points=points, lock=lock, is_new=not resume, **how
    )  # fmt: skip


def freeze_base(text: str, sweep: Sweep, file: Path) -> str:
    """The sweep's text for its folder; a configuration that it names is found from there too."""
    named = sweep.base.get("config")
    if not isinstance(named, str) or Path(named).is_absolute():
        return text
    absolute = str((file.parent / named).resolve())
    return text.replace(json.dumps(named), json.dumps(absolute)).replace(
        f"'{named}'", json.dumps(absolute)
    )


def refuse_sweep(folder: Path, *, allowed: bool) -> None:
    """Raise `InputError` if a folder holds a sweep that may not be replaced."""
    if (folder / SWEEP).exists() and not allowed:
        raise InputError(
            f"Expected a folder without a sweep but {folder} holds one; choose another with --out, "
            f"go on with it by --resume {folder}, or allow replacing it with --overwrite."
        )


def list_points(sweep: Sweep, folder: Path, place: Path) -> list[Point]:
    """All runs of a sweep; those whose configuration is none say why."""
    drawn: list[Mapping[str, Any]] = [{}]
    if sweep.search is not None:
        drawn = draw_points(sweep.search)
    varied = [{**one, **two} for one in drawn for two in sweep.combinations]
    make = partial(make_point, sweep, folder, place)
    return [make(number, one) for number, one in enumerate(varied)]


def make_point(
    sweep: Sweep, folder: Path, place: Path, number: int, varied: Mapping[str, Any]
) -> Point:
    """One run of a sweep."""
    options = dict(sweep.base)
    file = options.pop("config", None)
    preset = options.pop("preset", None)
    try:
        merged = merge_options(options, varied)
        config = config_to_dict(
            make_config(preset=preset, file=None if file is None else place / str(file), **merged)
        )
    except SpiketheoryError as err:
        return Point(number=number, varied=varied, config=None, reason=str(err),
                     folder=folder / RUNS / f"{number:04d}")  # fmt: skip
    text = json.dumps({**config, "epochs": None}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    return Point(
        number=number, varied=varied, config=config, reason="",
        folder=folder / RUNS / f"{number:04d}-{digest}",
    )  # fmt: skip


def merge_options(base: Mapping[str, Any], varied: Mapping[str, Any]) -> dict[str, Any]:
    """Options with what varies; ``parameters.tau`` is one of the table ``parameters``."""
    merged = dict(base)
    for name, value in varied.items():
        table, _, key = name.partition(".")
        if key:
            merged[table] = {**merged.get(table, {}), key: value}
        else:
            merged[name] = value
    return merged
