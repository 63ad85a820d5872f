"""How sound becomes spikes: one frozen record of plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from spiketheory.errors import InputError, check_positive

MOST_BANDS = 700
"""As many channels as the data sets of spoken words by spikes have."""


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """What decides the spikes of a recording.

    Attributes:
        sample_rate: Recordings of another rate are resampled to it [Hz].
        emphasis: Each sample loses so much of the one before it.
        gammatone: 0 for triangular filters at equal distances in mel, 1 for gammatone filters at
            equal distances of hearing (in equivalent rectangular bandwidths).
        bands: Number of filters, and of channels of each line.
        lowest, highest: Range of frequencies [Hz].
        window: Length of the windows, of Hann's shape, whose power is filtered [s].
        hop: Time from window to window: the length of a frame [s].
        loudness: This quantile of the power is full loudness.
        decades: So many decades of power below it is silence.
        power: Exponent of the drive, which is loudness from 0 to 1, raised to it.
        rate: Spikes per second of a neuron at full loudness [Hz].
        onset: If above 0, each band has two more neurons, which hear change: by how much it is
            louder, and by how much quieter, than so long before, rounded to frames [s].
        onset_gain: Their loudness is so many times that change.
        phase: Where each neuron starts on its way from reset to spike, from 0 to below 1.
        duration: Recordings are cut, or followed by silence, to this length [s].
        fill: If above 0, silence at both ends is cut off instead, and what is left is stretched or
            shortened to this length in the middle of the duration: all words are equally long [s].
        trim: Frames in which no band is so loud are silence, for ``fill``.
        equal_counts: If above 0, each channel's drive is scaled so that it spikes so many times in
            every recording: what is left is timing.
        grid: If above 0, spikes are moved to the ends of steps of this length [s]. Those of one
            step are one instant for the network, which learns the faster for it.
        lines: Each neuron has so many channels: lines on which its spikes travel.
        line_delay: Each line takes longer by this than the one before it, rounded to steps of the
            grid [s].
    """

    sample_rate: float = 8000.0
    emphasis: float = 0.95
    gammatone: int = 0
    bands: int = 64
    lowest: float = 80.0
    highest: float = 3900.0
    window: float = 0.025
    hop: float = 0.005
    loudness: float = 0.995
    decades: float = 4.0
    power: float = 1.5
    rate: float = 320.0
    onset: float = 0.0
    onset_gain: float = 2.0
    phase: float = 0.5
    duration: float = 0.8
    fill: float = 0.0
    trim: float = 0.4
    equal_counts: int = 0
    grid: float = 0.0
    lines: int = 1
    line_delay: float = 0.05

    def __post_init__(self) -> None:
        for name in ("sample_rate", "window", "hop", "decades", "power", "rate", "duration"):
            check_positive(name, getattr(self, name))
        for name in ("sample_rate", "gammatone", "bands", "equal_counts", "lines"):
            if getattr(self, name) != int(getattr(self, name)):
                raise InputError(
                    f"Expected a whole number for {name} but got {getattr(self, name)}; round it."
                )
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(
                    f"Expected {low:g} <= {name} <= {high:g} but got {name}="
                    f"{getattr(self, name)}; give a number in that range."
                )
        if not 0 < self.lowest < self.highest <= self.sample_rate / 2:
            raise InputError(
                f"Expected 0 < lowest < highest <= {self.sample_rate / 2:g}, half of sample_rate, "
                f"but got lowest={self.lowest:g}, highest={self.highest:g}; a recording has no "
                "frequencies above that."
            )
        if self.n_frames < 1 or self.n_window < 2 or self.n_hop < 1:
            raise InputError(
                f"Expected windows and frames of several samples but got window={self.window:g}, "
                f"hop={self.hop:g}, duration={self.duration:g} at {self.sample_rate:g} Hz; give "
                "longer ones, in seconds."
            )
        if not 0.0 <= self.fill <= self.duration or 0.0 < self.fill < self.hop:
            raise InputError(
                f"Expected fill to be 0, or from hop={self.hop:g} to duration={self.duration:g}, "
                f"but got {self.fill}; give a length in seconds."
            )

    @property
    def n_cells(self) -> int:
        """Encoding neurons: those of loudness by band, then those of rises, then those of falls."""
        return self.bands * (3 if self.onset > 0.0 else 1)

    @property
    def n_channels(self) -> int:
        """Channels of all lines."""
        return self.n_cells * self.lines

    @property
    def onset_frames(self) -> int:
        """Frames between loudness and that which it is compared with; 0 for none."""
        return max(round(self.onset / self.hop), 1) if self.onset > 0.0 else 0

    @property
    def n_window(self) -> int:
        """Samples of a window."""
        return round(self.window * self.sample_rate)

    @property
    def n_hop(self) -> int:
        """Samples from window to window."""
        return round(self.hop * self.sample_rate)

    @property
    def n_frames(self) -> int:
        """Frames of a recording."""
        return round(self.duration / self.hop)


RANGES = {
    "emphasis": (0.0, 1.0),
    "gammatone": (0, 1),
    "bands": (1, MOST_BANDS),
    "loudness": (0.5, 1.0),
    "onset": (0.0, 10.0),
    "onset_gain": (0.0, 100.0),
    "phase": (0.0, 0.999),
    "trim": (0.0, 1.0),
    "equal_counts": (0, 10_000),
    "grid": (0.0, 1.0),
    "lines": (1, 100),
    "line_delay": (0.0, 10.0),
}


def read_settings(values: Mapping[str, float]) -> EncoderSettings:
    """Settings from plain numbers by name; the others have their defaults.

    Raises:
        InputError: If a name is unknown or a value out of range.
    """
    return EncoderSettings(**read_numbers(EncoderSettings, values, "of the encoder"))


def read_numbers(record: Any, values: Mapping[str, float], what: str) -> dict[str, Any]:
    """Plain numbers as fields of a record, whole ones where those are whole."""
    kinds = {f.name: f.type for f in fields(record)}
    for name in values:
        if name not in kinds:
            raise InputError(
                f"Expected settings {what} among {', '.join(kinds)} but got {name!r}; correct its "
                "name."
            )
    return {
        name: int(value) if kinds[name] is int and value == int(value) else value
        for name, value in values.items()
    }
