"""The loss along a line: what jumps is told from what is steep."""

import numpy as np
import pytest
from test_temporal_train import make_trainer

from sim.report.slope import follow_line, look_into
from sim.report.slope_figure import plot_lines


def follow(function, low=0.0, high=1.0):
    known = {low: function(low), high: function(high)}

    def look(place):
        known[place] = function(place)
        return known[place]

    return look_into(look, known)


def test_a_step_jumps():
    found = follow(lambda x: 2.0 * (x > 0.3) + 0.1 * x)
    assert (found.jumps, found.change) == (1, 2.1)
    assert found.slope == pytest.approx(0.1, rel=0.05)  # rounding, at 1e-13 of the line


def test_a_steep_place_does_not_jump_and_has_its_slope():
    found = follow(lambda x: np.arctan(1e8 * (x - 0.3)))
    assert found.jumps == 0
    assert 1e7 < found.slope < 1.1e8


def test_the_line_of_lif_jumps_and_that_of_theta_does_not(tmp_path):
    lines = []
    for model in ("lif", "theta"):
        trainer = make_trainer(model, hidden=(12,))
        state = trainer.start()
        lines.append(
            follow_line(trainer, state, steps=120, samples=4, reach=0.6, seed=0)
        )  # fmt: skip
    lif, theta = lines
    assert lif.n_jumps > 0
    assert theta.n_jumps == 0
    middle = trainer.run(*trainer.read_state(state), trainer.watched.events.take(np.arange(4)),
                         trainer.watched.labels[:4])  # fmt: skip
    assert theta.losses[60] == pytest.approx(middle.loss.mean(), abs=1e-15)
    plot_lines(lines, tmp_path / "line.svg")
    assert "no jump" in (tmp_path / "line.svg").read_text("utf-8")
