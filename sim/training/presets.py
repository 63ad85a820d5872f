"""What a training starts from: defaults of every data set, and the presets."""

from typing import Any

from sim.training.data import IMAGE_SETS

# The digit task of Klos & Memmesheimer (2025): period tau pi / sqrt(I0 - 1/4) = 6, trial T = 2.
PAPER = {
    "model": "theta",
    "parameters": {"tau": 1.909859317102744, "I0": 1.25},
    "duration": 2.0,
    "hidden": (100, 100),
    "encoding": "bins",
    "n_bins": 1,
    "weight_scale": 0.5,
    "gamma": 0.01,
    "epochs": 100,
    "batch": 1000,
    "optimiser": "adabelief",
    "learning_rate": 4e-3,
    "schedule": "exponential",
    "decay_epochs": 100.0,
    "flip": 0.02,
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {
        **PAPER,
        "hidden": (100,),
        "encoding": "latency",
        "last_input": 1.0,
        "threshold": 0.05,
        "weight_scale": 1.0,
        "loss": "first_spike_in_time",
        "sharpness": 40.0,
        "epochs": 40,
        "batch": 50,
        "flip": 0.0,
        "schedule": "cosine",
    },
    **{name: {**PAPER, "epochs": 10} for name in IMAGE_SETS},
    "yinyang": {
        **PAPER,
        "hidden": (100,),
        "encoding": "latency",
        "duration": 4.0,
        "last_input": 2.0,
        "weight_scale": 3.0,
        "loss": "first_spike_in_time",
        "sharpness": 80.0,
        "epochs": 60,
        "batch": 50,
        "flip": 0.0,
        "schedule": "cosine",
    },
}

# Found by search on 10,000 training samples held out (docs/mathematics.md, 5). The unit of time
# decides how sharply first_spike tells times apart: tau and T are six times the paper's in sparse.
SPARSE = {
    **PAPER,
    "parameters": {"tau": 11.459155902616464, "I0": 1.25},
    "duration": 12.0,
    "hidden": (130,),
    "weight_scale": 1.0,
    "epochs": 30,
    "batch": 200,
    "schedule": "cosine",
    "flip": 0.0,
    "shift": 1,
}
BEST = {
    **SPARSE,
    "parameters": {"tau": 5.729577951308232, "I0": 1.25},
    "duration": 6.0,
    "hidden": (600, 300),
    "weight_scale": 2.0,
    "loss": "first_spike_in_time",
    "sharpness": 24.0,
    "epochs": 120,
    "turn": 10.0,
    "zoom": 0.1,
    "precision": "float32",
}

READOUT_DEFAULTS = {"optimiser": "adam", "learning_rate": 0.05, "schedule": "cosine"}
"""Weights are counted in units of their size at the start, see `sim.training.temporal_train`."""

PRESETS: dict[str, dict[str, Any]] = {
    name: {"dataset": "mnist", **values}
    for name, values in (("paper", PAPER), ("best", BEST), ("sparse", SPARSE))
}
