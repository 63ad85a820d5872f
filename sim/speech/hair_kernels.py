"""Loops of the encoder: images that are warped, and neurons that they drive."""

import numpy as np

from sim.kernels.types import Floats, Ints
from spiketheory.machine.link import kernel


@kernel()
def read_between(image: Floats, frame: float, band: float) -> float:
    """Loudness between frames and bands, by bilinear interpolation; 0 outside."""
    n_frames, n_bands = image.shape
    f, c = int(np.floor(frame)), int(np.floor(band))
    if f < 0 or f >= n_frames or c < 0 or c >= n_bands:
        return 0.0
    u, v = frame - f, band - c
    g, d = min(f + 1, n_frames - 1), min(c + 1, n_bands - 1)
    before = (1.0 - v) * image[f, c] + v * image[f, d]
    after = (1.0 - v) * image[g, c] + v * image[g, d]
    return (1.0 - u) * before + u * after


@kernel()
def warp_image(image: Floats, moves: Floats, out: Floats) -> None:
    """An image moved and stretched in both directions.

    Args:
        image: Shape (n_frames, n_bands).
        moves: shift, warp, delay, speed, gain: what is in frame f and band b comes from the frame
            (f - delay) speed and the band shift + warp b, and is louder by gain if it is not
            silent.
        out: Shape as ``image``.
    """
    shift, warp, delay, speed, gain = moves
    for f in range(out.shape[0]):
        for b in range(out.shape[1]):
            found = read_between(image, (f - delay) * speed, shift + warp * b)
            out[f, b] = max(found + gain, 0.0) if found > 0.0 else 0.0


@kernel()
def hear_changes(image: Floats, lag: int, gain: float, out: Floats) -> None:
    """Loudness beside its rises and falls.

    Args:
        image: Loudness, shape (n_frames, n_bands).
        lag: A frame is compared with the one so many before it; there is silence before the first.
        gain: Change times this is loudness.
        out: By band loudness, rises, falls; shape (n_frames, 3 n_bands).
    """
    n_frames, n_bands = image.shape
    for f in range(n_frames):
        for b in range(n_bands):
            before = image[f - lag, b] if f >= lag else 0.0
            change = gain * (image[f, b] - before)
            out[f, b] = image[f, b]
            out[f, n_bands + b] = max(change, 0.0)
            out[f, 2 * n_bands + b] = max(-change, 0.0)


@kernel()
def find_drive(image: Floats, power: float, rate: float, charge: float) -> None:
    """Turn loudness into drive, in place.

    Args:
        image: Loudness; afterwards the drive X [1/time].
        power: X is rate loudness^power.
        rate: See ``power`` [1/time].
        charge: If above 0, each channel's X is scaled to this sum over frames; that of a silent
            channel is the same in all frames.
    """
    n_frames, n_bands = image.shape
    has_root = power == 1.5  # a root is faster than a power
    for f in range(n_frames):
        for b in range(n_bands):
            value = image[f, b]
            if value > 0.0:
                image[f, b] = rate * (value * np.sqrt(value) if has_root else value**power)
    if charge <= 0.0:
        return
    for b in range(n_bands):
        total = 0.0
        for f in range(n_frames):
            total += image[f, b]
        for f in range(n_frames):
            share = image[f, b] / total if total > 0.0 else 1.0 / n_frames
            image[f, b] = charge * share


@kernel()
def drive_cells(
    drive: Floats, potentials: Floats, hop: float, grid: float, times: Floats, channels: Ints
) -> int:
    """Follow dV/dt = X from frame to frame; X is the drive, a spike is V = 1, the reset V = 0.

    Args:
        drive: X of each frame and channel, >= 0, shape (n_frames, n_channels) [1/time].
        potentials: V of each channel at the start, below 1; afterwards that at the end.
        hop: Length of a frame [time].
        grid: If above 0, times are numbers of steps of this length: that which ends with the spike
            or after it [time].
        times: Where spike times go, in order; simultaneous ones by channel [time].
        channels: Where their channels go.

    Returns:
        Number of spikes.
    """
    count = 0
    for f in range(drive.shape[0]):
        begin = f * hop
        for c in range(drive.shape[1]):
            x, since = drive[f, c], 0.0
            if x <= 0.0:
                continue
            wait = (1.0 - potentials[c]) / x
            while since + wait <= hop:
                since += wait
                potentials[c] = 0.0
                time = begin + since
                put(np.ceil(time / grid) if grid > 0.0 else time, c, times, channels, count)
                count += 1
                wait = 1.0 / x
            potentials[c] += (hop - since) * x
    return count


@kernel()
def put(time: float, channel: int, times: Floats, channels: Ints, count: int) -> None:
    """Put a spike among those before it, by time and channel; few of them are later."""
    place = count
    while place > 0 and (
        times[place - 1] > time or (times[place - 1] == time and channels[place - 1] > channel)
    ):
        times[place], channels[place] = times[place - 1], channels[place - 1]
        place -= 1
    times[place], channels[place] = time, channel


@kernel()
def send_on_lines(
    times: Floats, channels: Ints, delay: float, n_channels: int, nexts: Ints, sent: Floats,
    owners: Ints,
) -> None:  # fmt: skip
    """Send each spike on several lines, each of which takes longer by ``delay`` than the last.

    Args:
        times: In order, simultaneous ones by channel.
        channels: Their channels.
        delay: In the unit of times.
        n_channels: Channels of each line.
        nexts: Scratch, the next spike of each line, all zero before.
        sent: When they arrive, in order, shape (n_lines n_spikes,).
        owners: Their channels, those of line l from l n_channels on.
    """
    n = times.shape[0]
    for p in range(sent.shape[0]):
        line, soonest = 0, np.inf
        for k in range(nexts.shape[0]):
            if nexts[k] < n and times[nexts[k]] + k * delay < soonest:
                line, soonest = k, times[nexts[k]] + k * delay
        sent[p], owners[p] = soonest, line * n_channels + channels[nexts[line]]
        nexts[line] += 1
