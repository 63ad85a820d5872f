"""Neurons that turn loudness into spikes: perfect integrators of a drive that changes by frames.

    dV/dt = X, dX/dt = 0;  spike V = 1, reset V = 0, input X += w

The frames are inputs: at the beginning of each the weight is by how much the drive changes. So a
recording is a network (`describe_encoder`) that any engine runs, with spikes at exact times. What
encodes here is the same in closed form, as one loop over all channels; a test compares.
"""

from functools import lru_cache
from types import ModuleType

import numpy as np

from sim.inputs.trials import Trials, list_offsets
from sim.network.currents import CurrentSteps
from sim.network.network import Network, Population, Projection
from sim.speech import hair_kernels
from sim.speech.settings import EncoderSettings
from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError, check_shape
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.link import Linker

PART = 16
"""Recordings that a thread encodes at once."""
HAIR_CELL = """\
# Perfect integrator of a drive that is held until it changes: the encoder of speech.
[model]
name = "hair_cell"
description = "Perfect integrator of a drive that is held until it changes."
equations = \"\"\"
dV/dt = X
dX/dt = 0
\"\"\"
spike = "V = 1"
reset = "V = 0"
input = "X += w"
rest = { V = 0, X = 0 }
"""
"""The model as a file."""


@lru_cache(maxsize=2)
def link_kernels(compiles: bool = True) -> ModuleType:
    """The loops, compiled."""
    return Linker(bound={}, key="speech", compiles=compiles).link(hair_kernels)


def find_drive(images: np.ndarray, settings: EncoderSettings) -> np.ndarray:
    """The drive X of loudnesses, shape as ``images`` (..., n_frames, n_channels) [1/s].

    With ``equal_counts`` the drive of each channel adds up to so many spikes; a silent channel's is
    the same in all frames.
    """
    raised = np.asarray(images, np.float64) ** settings.power
    if not settings.equal_counts:
        return settings.rate * raised
    total = raised.sum(axis=-2, keepdims=True)
    flat = 1.0 / raised.shape[-2]
    shares = np.where(total > 0.0, raised / np.where(total > 0.0, total, 1.0), flat)
    return shares * (settings.equal_counts / settings.hop)


def find_phases(settings: EncoderSettings, n: int) -> np.ndarray:
    """Where neurons start: their V, shape (n, bands)."""
    phase = 0.5 if settings.equal_counts else settings.phase
    return np.full((n, settings.bands), phase)


def encode(
    images: np.ndarray, settings: EncoderSettings, *, phases: np.ndarray | None = None
) -> Trials:
    """Spikes of recordings; all threads work, and the result does not depend on how many.

    Args:
        images: Loudness of each recording, shape (n, n_frames, bands), see `log_mel`.
        settings: See `EncoderSettings`.
        phases: Where each neuron starts, from 0 to below 1, shape (n, bands); by default at
            ``settings.phase``.
    """
    check_shape("images", images, (None, None, settings.bands))
    if phases is None:
        phases = find_phases(settings, len(images))
    elif not np.all((phases >= 0.0) & (phases < 1.0)):
        raise InputError("Expected phases from 0 to below 1 but got others; draw them there.")
    drive = find_drive(images, settings)
    return drive_trials(drive, np.array(phases, np.float64), settings)


def drive_trials(drive: np.ndarray, phases: np.ndarray, settings: EncoderSettings) -> Trials:
    """Spikes of neurons with a drive of shape (n, n_frames, bands); ``phases`` are changed."""
    kernels, n = link_kernels(), len(drive)
    most = (np.floor(drive.sum(axis=1) * settings.hop) + 2).sum(axis=1).astype(np.int64)
    starts = list_offsets(most)
    times, channels = np.empty(starts[-1]), np.empty(starts[-1], np.int64)
    counts = np.zeros(n, np.int64)

    def run_part(part: int) -> None:
        for k in range(part * PART, min((part + 1) * PART, n)):
            own = slice(starts[k], starts[k + 1])
            counts[k] = kernels.drive_cells(
                drive[k], phases[k], settings.hop, times[own], channels[own]
            )

    run_on_threads(run_part, -(-n // PART), get_thread_count())
    used = np.arange(starts[-1]) - np.repeat(starts[:-1], most) < np.repeat(counts, most)
    return Trials(
        time=times[used], channel=channels[used], offsets=list_offsets(counts),
        n_channels=settings.bands,
    )  # fmt: skip


def describe_encoder(image: np.ndarray, settings: EncoderSettings, model: CompiledModel) -> Network:
    """The encoder of one recording as a network, for any engine.

    Args:
        image: Its loudness, shape (n_frames, bands).
        settings: See `EncoderSettings`.
        model: The compiled model of the file `HAIR_CELL`.
    """
    drive, bands = find_drive(image, settings), settings.bands
    begins = settings.hop * np.arange(len(drive))
    cells = Population(
        name="hair_cells", model=model, size=bands, initial={"V0": find_phases(settings, 1)[0]}
    )
    currents = [
        CurrentSteps(name=f"band{b}", size=1, times=begins, values=drive[:, b])
        for b in range(bands)
    ]
    projections = [
        Projection(pre=f"band{b}", post="hair_cells", weights=np.eye(bands)[:, b : b + 1])
        for b in range(bands)
    ]
    return Network(
        populations=[cells],
        currents=currents,
        projections=projections,
        duration=settings.duration,
    )
