"""Random changes of training samples: of loudness images before they are encoded, and of spikes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.inputs.trials import Trials, list_offsets
from sim.speech.hair_cells import STILL, encode
from sim.speech.settings import EncoderSettings, read_numbers
from spiketheory.errors import InputError

MOST_SPREADS = 4.0
"""Normal numbers are drawn again beyond so many standard deviations: nothing turns around."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """By how much samples are changed; 0 is not at all.

    Attributes:
        shift: Standard deviation of a shift in channels.
        warp: Of a stretch of the channels, as a fraction.
        time: Of a shift in time [time].
        stretch: Of the speed, as a fraction.
        gain: Of the loudness, which is from 0 to 1.
        tilt: Standard deviation of a smooth change of loudness over the bands, as of other rooms,
            microphones and voices: of the sum of four cosines, of which the k-th has 1/k of the
            variance.
        contrast: Of how far loudness is below full, as a fraction.
        phase: 1 draws where each encoding neuron starts, 0 leaves it.
        drop: Probability that a spike is left out.
        move: Samples of spikes are shifted by up to so many channels, all equally likely.
        blend: Probability that a sample of spikes is a blend of two of its class: of each one half
            of the spikes, drawn one by one.
    """

    shift: float = 0.0
    warp: float = 0.0
    time: float = 0.0
    stretch: float = 0.0
    gain: float = 0.0
    tilt: float = 0.0
    contrast: float = 0.0
    phase: int = 0
    drop: float = 0.0
    move: int = 0
    blend: float = 0.0

    def __post_init__(self) -> None:
        for name, most in RANGES.items():
            value = getattr(self, name)
            if not 0.0 <= value <= most or (name in WHOLE and value != int(value)):
                kind = "a whole number" if name in WHOLE else "a number"
                raise InputError(
                    f"Expected {name} to be {kind} from 0 to {most:g} but got {value}; choose "
                    "another."
                )

    @property
    def changes(self) -> bool:
        """Whether anything is changed."""
        return any(getattr(self, name) for name in RANGES)


RANGES = {
    "shift": np.inf, "warp": 0.2, "time": np.inf, "stretch": 0.2, "gain": 1.0, "tilt": 1.0,
    "contrast": 0.2, "phase": 1, "drop": 0.999, "move": 10_000, "blend": 1.0,
}  # fmt: skip
WHOLE = ("phase", "move")
OF_SPIKES = ("move", "blend")
OF_IMAGES = ("warp", "gain", "tilt", "contrast", "phase")
COSINES = 4
LOUDEST = 1.3
"""Of changed images."""


def read_augmentation(values: Mapping[str, float], *, images: bool) -> Augmentation:
    """Settings from plain numbers by name.

    Args:
        values: The numbers; the others are 0.
        images: Whether samples are images, or spikes alone.

    Raises:
        InputError: If a name is unknown, a value out of range, or not for such samples.
    """
    made = Augmentation(**read_numbers(Augmentation, values, "of augmentation"))
    for name in OF_SPIKES if images else OF_IMAGES:
        if getattr(made, name):
            kinds = ("recordings", "spikes") if images else ("spikes", "recordings")
            raise InputError(
                f"Expected augmentation that {kinds[0]} have but got {name}, which {kinds[1]} have "
                "alone; leave it out."
            )
    return made


def draw_normal(rng: np.random.Generator, spread: float, n: int) -> np.ndarray:
    """Normal numbers of mean 0 that are not far out, shape (n,)."""
    drawn = rng.normal(0.0, 1.0, n)
    while (far := np.abs(drawn) > MOST_SPREADS).any():
        drawn[far] = rng.normal(0.0, 1.0, np.count_nonzero(far))
    return np.asarray(spread * drawn)


def encode_changed(
    images: np.ndarray, settings: EncoderSettings, change: Augmentation, rng: np.random.Generator
) -> Trials:
    """Spikes of recordings whose images are changed at random.

    All that is random is drawn from ``rng`` here, before threads share the work.

    Args:
        images: Shape (n, n_frames, bands).
        settings: See `EncoderSettings`.
        change: By how much.
        rng: Where random numbers come from.
    """
    n = len(images)
    moves = np.tile(STILL, (n, 1))
    moves[:, 0] += draw_normal(rng, change.shift, n)
    moves[:, 1] += draw_normal(rng, change.warp, n)
    moves[:, 2] += draw_normal(rng, change.time / settings.hop, n)
    moves[:, 3] += draw_normal(rng, change.stretch, n)
    moves[:, 4] += draw_normal(rng, change.gain, n)
    phases = rng.uniform(0.0, 1.0, (n, settings.n_cells)) if change.phase else None
    if settings.equal_counts:
        phases = None
    if change.tilt or change.contrast:
        images = tilt_images(images, change, rng)
    return drop_spikes(encode(images, settings, phases=phases, moves=moves), change.drop, rng)


def tilt_images(
    images: np.ndarray, change: Augmentation, rng: np.random.Generator
) -> np.ndarray:  # fmt: skip
    """Images with a smooth change of loudness over the bands, and of its contrast.

    What is silent remains so.
    """
    n, _, bands = images.shape
    contrast = 1.0 + draw_normal(rng, change.contrast, n)
    k = np.arange(1, COSINES + 1)
    sizes = draw_normal(rng, change.tilt, n * COSINES).reshape(n, -1) / np.sqrt(k)
    tilts = sizes @ np.cos(np.outer(k, np.linspace(0.0, np.pi, bands)))
    found = 1.0 + (images - 1.0) * contrast[:, None, None] + tilts[:, None, :]
    return np.where(images > 0.0, np.clip(found, 0.0, LOUDEST), 0.0)


def drop_spikes(trials: Trials, drop: float, rng: np.random.Generator) -> Trials:
    """Trials without some of their spikes."""
    return keep_spikes(trials, rng.random(len(trials.time)) >= drop) if drop else trials


def keep_spikes(trials: Trials, kept: np.ndarray) -> Trials:
    """Trials with those of their spikes that are marked."""
    ends = np.append(0, np.cumsum(kept))[trials.offsets]
    return Trials(
        time=trials.time[kept], channel=trials.channel[kept], offsets=ends,
        n_channels=trials.n_channels,
    )  # fmt: skip


def change_spikes(
    trials: Trials, labels: np.ndarray, indices: np.ndarray, change: Augmentation,
    rng: np.random.Generator,
) -> Trials:  # fmt: skip
    """Some trials, changed at random.

    Args:
        trials: All trials, of which partners for blends are drawn.
        labels: Class of each, shape (len(trials),).
        indices: Which ones to return, shape (n,).
        change: By how much.
        rng: Where random numbers come from.
    """
    found, n = trials.take(indices), len(indices)
    if change.blend:
        found = blend_trials(found, trials, labels, indices, change.blend, rng)
    sizes = np.diff(found.offsets)
    moves = np.round(draw_normal(rng, change.shift, n)).astype(np.int64)
    moves += rng.integers(-change.move, change.move + 1, n)
    channel = found.channel + np.repeat(moves, sizes)
    speeds, delays = 1.0 + draw_normal(rng, change.stretch, n), draw_normal(rng, change.time, n)
    time = found.time / np.repeat(speeds, sizes) + np.repeat(delays, sizes)
    inside = (channel >= 0) & (channel < trials.n_channels) & (time >= 0.0)
    ends = np.append(0, np.cumsum(inside))[found.offsets]
    moved = Trials(
        time=time[inside], channel=channel[inside], offsets=ends, n_channels=trials.n_channels
    )
    return drop_spikes(moved, change.drop, rng)


def blend_trials(
    found: Trials, trials: Trials, labels: np.ndarray, indices: np.ndarray, share: float,
    rng: np.random.Generator,
) -> Trials:  # fmt: skip
    """Trials some of which are blended with others of their class."""
    partners = np.array([rng.choice(np.flatnonzero(labels == labels[i])) for i in indices])
    blends = rng.random(len(indices)) < share
    other = trials.take(partners)
    kept = []
    for part in (found, other):
        own = np.repeat(blends, np.diff(part.offsets))
        half = rng.random(len(own)) < 0.5
        kept.append(keep_spikes(part, half | ~own if part is found else half & own))
    sizes = np.diff(kept[0].offsets) + np.diff(kept[1].offsets)
    trial = np.concatenate([np.repeat(np.arange(len(sizes)), np.diff(k.offsets)) for k in kept])
    order = np.argsort(trial, kind="stable")
    return Trials(
        time=np.concatenate([k.time for k in kept])[order],
        channel=np.concatenate([k.channel for k in kept])[order],
        offsets=list_offsets(sizes), n_channels=trials.n_channels,
    )  # fmt: skip
