"""The cost of maxima near the threshold, and its slopes, against differences in 50 digits."""

import numpy as np
import pytest
from temporal import draw
from temporal.margins import find_pressed
from temporal_bridge import (
    build_network,
    build_readout,
    build_trials,
    choose_common,
    list_slopes,
    without_delays_to_readout,
)

from derivations import compile_model
from sim.temporal.batch import run_temporal
from sim.temporal.logit_losses import make_cross_entropy
from sim.temporal.reading import check_margin
from sim.temporal.stack import read_temporal
from spiketheory.errors import InputError

MARGIN = 0.7, 0.5
"""So wide that many maxima cost something."""
CASES = [
    ("lif", {}),
    ("lif", {"n_layers": 2, "recurrent": True, "delays": "some", "parameters": "general"}),
    ("lif_alpha", {"n_layers": 2, "recurrent": True, "delays": True}),
]


@pytest.mark.parametrize(("model", "kind"), CASES)
def test_maxima_near_the_threshold_cost_what_they_should_and_so_do_their_slopes(model, kind):
    network, trial = draw(3, model, size=4, n_spikes=30, **kind)
    network = without_delays_to_readout(network)
    outcome, gradients = run_temporal(
        read_temporal(build_network(network, trial)), build_trials(network, trial),
        np.array([trial.label]), build_readout(network.readout, trial.duration),
        make_cross_entropy(), parameters=True, input_times=True, margin=MARGIN,
    )  # fmt: skip
    own = list_slopes(network, trial, gradients)
    paths = choose_common(network, trial, 2)
    paths += [max((p for p in own if p[0] == name), key=lambda p: abs(own[p]))
              for name in sorted({p[0] for p in own})]  # fmt: skip
    cost, slopes = find_pressed(network, trial, dict.fromkeys(paths), *MARGIN)
    assert cost > 0.2
    assert abs(outcome.margin[0] - float(cost)) <= 1e-12 * cost
    largest = max(map(abs, own.values()))
    for path, slope in slopes.items():
        assert abs(own[path] - float(slope)) <= 1e-12 * largest, path


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("theta", "whose spikes are at infinity"),
        ("qif", "whose spikes are at infinity"),
        ("nlif", "rises or falls all the way between two inputs"),
        ("lif_delta", "moves with an input"),
        ("adex", "has no closed form"),
    ],
)
def test_models_without_such_maxima_say_why(model, why):
    with pytest.raises(InputError, match=why):
        check_margin(compile_model(model, backend="numpy"), MARGIN)


@pytest.mark.parametrize("margin", [(1.0, 0.0), (-1.0, 0.1), (1.0, float("nan"))])
def test_a_margin_without_width_or_of_negative_weight_is_refused(margin):
    with pytest.raises(InputError, match="Expected a margin of weight >= 0 and width > 0"):
        check_margin(compile_model("lif", backend="numpy"), margin)
