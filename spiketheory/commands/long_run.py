"""Runs of networks that take long: over ranks, with checkpoints beside what they write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.events.recording import Recording
from sim.network.network import Network
from sim.windows.ranked import simulate_in_ranks
from sim.windows.ranks import Ranks, check_ranks, load_mpi
from sim.windows.saved import Saved, Saver
from sim.windows.simulate import simulate
from spiketheory.errors import CheckpointError

if TYPE_CHECKING:
    from sim.files.spike_stream import SpikeStream

OPTIONS = "--mpi, --checkpoint-every and --resume"
N_WRITTEN = "n_written"


@dataclass(frozen=True, kw_only=True)
class LongRun:
    """How a network is run.

    Attributes:
        ranks: On which ranks; None for this process alone.
        every: A checkpoint is written after so many windows; None for none.
        path: The checkpoint.
        saved: With what the run goes on; None for a new one.
    """

    ranks: Ranks | None
    every: int | None
    path: Path
    saved: Saved | None

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints."""
        return self.ranks is None or self.ranks.is_first

    @property
    def n_written(self) -> int:
        """Spikes that were in a streamed file when the run was saved."""
        return 0 if self.saved is None else int(self.saved.meta.get(N_WRITTEN, 0))

    def run(
        self,
        network: Network,
        stream: "SpikeStream | None",
        *,
        record: bool = False,
        **options: Any,
    ) -> Recording:
        """Run a network; see `sim.windows.simulate.simulate`."""
        assert not record
        saver = None
        if self.every is not None or self.saved is not None:
            saver = Saver(self.every, self.make_write(stream), self.saved)
        if self.ranks is None:
            recording = simulate(network, saver=saver, **options)
        else:
            recording = simulate_in_ranks(network, self.ranks, saver=saver, **options)
        return recording

    def make_write(self, stream: "SpikeStream | None") -> Callable[[Saved], None]:
        """What writes a checkpoint, after the spikes that are not in it."""
        from sim.training.checkpoint import save_checkpoint

        def write(saved: Saved) -> None:
            more = {}
            if stream is not None:
                stream.write(saved.handed_until)
                more[N_WRITTEN] = stream.n_written
            save_checkpoint(self.path, config={}, arrays=saved.arrays, meta=saved.meta | more)

        return write

    def end(self, recording: Recording) -> None:
        """Remove the checkpoint of a run that is complete, and written."""
        if recording.is_complete and (self.every is not None or self.saved is not None):
            self.path.unlink(missing_ok=True)


def make_long_run(
    ranks: Ranks | None, out: Path, *, every: int | None, resume: bool, engine: str
) -> LongRun | None:
    """How a network is run, from the options; None without any of them.

    Raises:
        UsageError: If the engine is another.
        CheckpointError: If there is no checkpoint to go on with.
    """
    if ranks is None and every is None and not resume:
        return None
    if engine not in ("auto", "windows"):
        raise click.UsageError(
            f"Expected {OPTIONS} with the engine 'windows' but got {engine!r}; leave it out."
        )
    path, saved = out.with_name(f"{out.name}.checkpoint"), None
    if resume:
        from sim.training.checkpoint import load_checkpoint

        if not path.exists():
            raise CheckpointError(
                f"Expected a checkpoint in {path} but there is none; it is written with "
                "--checkpoint-every, and removed when the run is complete."
            )
        found = load_checkpoint(path)
        saved = Saved(arrays=found.arrays, meta=found.meta)
    return LongRun(ranks=ranks, every=every, path=path, saved=saved)


@contextmanager
def join_ranks(mpi: bool) -> Iterator[Ranks | None]:
    """Within the block all ranks run a command; the first says what went wrong, all end at once."""
    if not mpi:
        yield None
        return
    ranks = Ranks(load_mpi().COMM_WORLD)
    try:
        with ranks.together():
            check_ranks(ranks)
            yield ranks
            ranks.meet()  # when all is written
    except Exception:
        if ranks.is_first:
            raise
        raise click.exceptions.Exit(0) from None
    finally:
        ranks.communicator.Barrier()
