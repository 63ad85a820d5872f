"""Our own networks on spoken digits, by preset, and the same with hidden weights as drawn."""

import math
from typing import Any

from benchmarks.speech_classic import Score
from benchmarks.speech_data import Words
from derivations import compile_model, compile_readout
from sim.training.config import make_config
from sim.training.run_folder import make_trainer
from sim.training.train import train_network

PRESETS = ("fsdd", "fsdd-best", "fsdd-speakers", "fsdd-lif")
CASES: dict[str, dict[str, Any]] = {preset: {"preset": preset} for preset in PRESETS}
"""Each preset and its frozen control, which belongs beside every figure: with many features the
hidden layer is a reservoir, and training it may gain nothing. Of few speakers the one who chose is
learned, too."""
CASES |= {
    f"{preset}, hidden weights frozen": {"preset": preset, "freeze": "hidden"} for preset in PRESETS
}
CASES |= {
    f"{case}, validation learned too": {**options, "validation": 0}
    for case, options in CASES.items() if options["preset"] == "fsdd-speakers"
}  # fmt: skip


def train_ours(words: Words, case: str, fold: str, seed: int) -> Score:
    """Train a preset on the training part; the validation part is held out unless the case says so.

    Args:
        words: The recordings.
        case: A key of `CASES`.
        fold: Speaker left out, or empty.
        seed: Of weights, order and random changes.
    """
    config = make_config(fold=fold, seed=seed, **{"validation": 300, **CASES[case]})
    root = words.recordings.paths[0].parents[2]
    trainer = make_trainer(
        config, root=root, compile_model=compile_model, compile_readout=compile_readout
    )
    state = trainer.start()
    trainer.compile(state)
    train_network(trainer, state)
    seconds = [row["seconds"] for row in state.rows if row["epoch"] > 0]
    metrics = trainer.evaluate(state, trainer.test)
    return Score(
        validation=trainer.evaluate(state).accuracy if config.dataset.validates else math.nan,
        test=metrics.accuracy, seconds=sum(seconds),
        epoch_seconds=sum(seconds) / len(seconds), picojoules=metrics.energy.spiking_pj,
        settings=f"{'-'.join(map(str, trainer.sizes))} {trainer.model.name}, "
        f"{len(seconds)} epochs",
    )  # fmt: skip
