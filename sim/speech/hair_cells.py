"""Neurons that turn loudness into spikes: perfect integrators of a drive that changes by frames.

    dV/dt = X, dX/dt = 0;  spike V = 1, reset V = 0, input X += w

The frames are inputs: at the beginning of each the weight is by how much the drive changes. So a
recording is a network (`describe_encoder`) that any engine runs, with spikes at exact times. What
encodes here is the same in closed form, as one loop over all channels; a test compares.

From there spikes go on, perhaps at the steps of a grid, on lines of different delays (`send`).
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
STILL = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
"""No move of an image."""
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


def find_drive(image: np.ndarray, settings: EncoderSettings) -> np.ndarray:
    """The drive X of a recording's loudness, shape (n_frames, n_cells) [1/s].

    With ``equal_counts`` the drive of each channel adds up to so many spikes; a silent channel's is
    the same in all frames.
    """
    drive = hear(np.array(image, np.float64, order="C"), settings)
    link_kernels().find_drive(drive, *list_numbers(settings))
    return drive


def hear(image: np.ndarray, settings: EncoderSettings) -> np.ndarray:
    """Loudness for each encoding neuron, shape (n_frames, n_cells): that of bands, or more."""
    if not settings.onset_frames:
        return image
    found = np.empty((len(image), settings.n_cells))
    link_kernels().hear_changes(image, settings.onset_frames, settings.onset_gain, found)
    return found


def list_numbers(settings: EncoderSettings) -> tuple[float, float, float]:
    """Exponent, scale and sum of the drive."""
    return settings.power, settings.rate, settings.equal_counts / settings.hop


def find_phases(settings: EncoderSettings, n: int) -> np.ndarray:
    """Where neurons start: their V, shape (n, n_cells)."""
    phase = 0.5 if settings.equal_counts else settings.phase
    return np.full((n, settings.n_cells), phase)


def encode(
    images: np.ndarray, settings: EncoderSettings, *, phases: np.ndarray | None = None,
    moves: np.ndarray | None = None,
) -> Trials:  # fmt: skip
    """Spikes of recordings; all threads work, and the result does not depend on how many.

    Args:
        images: Loudness of each recording, shape (n, n_frames, bands), see `log_mel`.
        settings: See `EncoderSettings`.
        phases: Where each neuron starts, from 0 to below 1, shape (n, n_cells); by default at
            ``settings.phase``, or halfway to the first spike with equal counts.
        moves: How each image is moved and stretched first, shape (n, 5), see
            `sim.speech.hair_kernels.warp_image`; by default not at all.
    """
    check_shape("images", images, (None, None, settings.bands))
    n = len(images)
    potentials = np.array(find_phases(settings, n) if phases is None else phases, np.float64)
    if not np.all((potentials >= 0.0) & (potentials < 1.0)):
        raise InputError("Expected phases from 0 to below 1 but got others; draw them there.")
    moved = np.tile(STILL, (n, 1)) if moves is None else np.asarray(moves, np.float64)
    kernels, numbers = link_kernels(), list_numbers(settings)
    found: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0, np.int64))] * n

    def run_part(part: int) -> None:
        out = np.empty(images.shape[1:])
        for k in range(part * PART, min((part + 1) * PART, n)):
            kernels.warp_image(np.array(images[k], np.float64, order="C"), moved[k], out)
            drive = hear(out, settings)
            kernels.find_drive(drive, *numbers)
            found[k] = send(*drive_cells(drive, potentials[k], settings), settings)

    run_on_threads(run_part, -(-n // PART), get_thread_count())
    return Trials(
        time=np.concatenate([time for time, _ in found]),
        channel=np.concatenate([channel for _, channel in found]),
        offsets=list_offsets([len(time) for time, _ in found]), n_channels=settings.n_channels,
    )  # fmt: skip


def drive_cells(
    drive: np.ndarray, potentials: np.ndarray, settings: EncoderSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Times and channels of the spikes of neurons with a drive, which start at ``potentials``.

    On a grid times are numbers of its steps.
    """
    most = int((np.floor(drive.sum(axis=0) * settings.hop) + 2).sum())
    times, channels = np.empty(most), np.empty(most, np.int64)
    count = link_kernels().drive_cells(
        drive, np.array(potentials), settings.hop, float(settings.grid), times, channels
    )
    return times[:count], channels[:count]


def send(
    times: np.ndarray, channels: np.ndarray, settings: EncoderSettings
) -> tuple[np.ndarray, np.ndarray]:
    """When spikes arrive, by way of the grid and the lines; what comes after the end is left out.

    Args:
        times: What `drive_cells` returned.
        channels: The same.
        settings: See `EncoderSettings`.
    """
    lines, grid, delay = settings.lines, 1.0, settings.line_delay
    if settings.grid > 0.0:
        grid, delay = settings.grid, float(round(delay / settings.grid))
    if lines > 1:
        sent, owners = np.empty(lines * len(times)), np.empty(lines * len(times), np.int64)
        nexts = np.zeros(lines, np.int64)
        link_kernels().send_on_lines(times, channels, delay, settings.n_cells, nexts, sent, owners)
        times, channels = sent, owners
    n = np.searchsorted(times, settings.duration / grid, side="right")
    return times[:n] * grid, channels[:n]


def describe_encoder(image: np.ndarray, settings: EncoderSettings, model: CompiledModel) -> Network:
    """The encoder of one recording as a network, for any engine: without grid and lines.

    Args:
        image: Its loudness, shape (n_frames, bands).
        settings: See `EncoderSettings`.
        model: The compiled model of the file `HAIR_CELL`.
    """
    drive, n = find_drive(image, settings), settings.n_cells
    begins = settings.hop * np.arange(len(drive))
    cells = Population(
        name="hair_cells", model=model, size=n, initial={"V0": find_phases(settings, 1)[0]}
    )
    currents = [
        CurrentSteps(name=f"cell{c}", size=1, times=begins, values=drive[:, c]) for c in range(n)
    ]
    projections = [
        Projection(pre=f"cell{c}", post="hair_cells", weights=np.eye(n)[:, c : c + 1])
        for c in range(n)
    ]
    return Network(
        populations=[cells],
        currents=currents,
        projections=projections,
        duration=settings.duration,
    )
