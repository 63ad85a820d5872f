"""Networks that learn in time, in 50 digits, from the textbook: shares nothing with the package.

`temporal.records` says what a network is; `simulate`, `differentiate` and `condition` are in
`temporal.answers`, `draw` in `temporal.drawing`.
"""

from temporal.answers import (
    Gradient,
    Result,
    condition,
    differentiate,
    differentiate_together,
    list_paths,
    simulate,
)
from temporal.drawing import draw
from temporal.records import Layer, Network, Readout, Trial

__all__ = (
    "Gradient",
    "Layer",
    "Network",
    "Readout",
    "Result",
    "Trial",
    "condition",
    "differentiate",
    "differentiate_together",
    "draw",
    "list_paths",
    "simulate",
)
