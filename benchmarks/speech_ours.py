"""Our own networks on spoken digits, by preset."""

from benchmarks.speech_classic import Score
from benchmarks.speech_data import Words

PRESETS: tuple[str, ...] = ()


def train_ours(words: Words, preset: str, fold: str, seed: int) -> Score:
    """Train a preset."""
    raise NotImplementedError(preset)
