"""The cost of maxima of V near the threshold, of lif and lif_alpha, and its slopes.

With h the height of a maximum above the threshold and w the width it is (1 - |h|/w)^2 if |h| < w.
Maxima are those between two events, events at which V stops rising, and of each spike the maximum
that V would have reached without it and without further inputs.
"""

from contextlib import contextmanager
from itertools import pairwise

from gmpy2 import mpfr

from temporal import layers
from temporal.answers import STEP, Runs, find_slope
from temporal.arithmetic import exact, solve, span, to_mpf, working
from temporal.given import Numbers
from temporal.linear import Cascade
from temporal.readouts import find_loss


class Watched(Cascade):
    """A neuron that writes down the heights of its maxima."""

    def __init__(self, *given):
        super().__init__(*given)
        self.heights, self.now, self.slope = [], 0, None

    def advance(self, duration):
        self.now += duration
        if not duration:
            return
        start = self.chain((self.V, self.I, self.J))
        if self.slope is not None and self.slope > 0 and start[1] <= 0:
            self.heights.append(start[0])
        self.heights += self.find_maxima(start, span(duration))
        super().advance(duration)
        self.slope = self.chain((self.V, self.I, self.J))[1]

    def find_maxima(self, start, duration):
        """Heights of the maxima within a duration."""
        places = [(mpfr(0), start), (duration, self.at(duration))]
        if self.is_alpha:
            places = self.add_zeros(places, 3, 4)
        found = []
        for (low, left), (high, right) in pairwise(places):
            if left[1] > 0 and right[1] < 0:
                top = solve(lambda t: (-self.at(t)[1], -self.at(t)[2]), low, high)
                found.append(self.at(top)[0])
        return found

    def fire(self):
        start, later = self.chain((self.V, self.I, self.J)), self.tau_m
        while self.at(later)[1] >= 0:
            later *= 2
        self.heights += self.find_maxima(start, later)
        self.slope = None
        super().fire()


@contextmanager
def watching():
    """Neurons are watched, and listed."""
    made, before = [], dict(layers.NEURONS)

    def make(*given):
        made.append(Watched(*given))
        return made[-1]

    layers.NEURONS.update(lif=make, lif_alpha=make)
    try:
        yield made
    finally:
        layers.NEURONS.update(before)


class PressedRuns(Runs):
    """Runs whose loss has the cost of maxima in it."""

    def __init__(self, numbers, weight, width):
        self.weight, self.width, self.cost = exact(weight), exact(width), None
        super().__init__(numbers)

    def run(self, first, only):
        with watching() as made:
            spikes = super().run(0, None)
            for neuron in made:
                neuron.advance(self.numbers.end - neuron.now)
        near = [1 - abs(h) / self.width for neuron in made for h in neuron.heights]
        self.cost = self.weight * sum(n * n for n in near if n > 0)
        return spikes

    def find_moved(self, path, step):
        spikes, loss = super().find_moved(path, step)
        return spikes, loss + self.cost


def find_pressed(network, trial, paths, weight, width):
    """The cost, and the slopes of loss and cost by path."""
    with working():
        runs = PressedRuns(Numbers(network, trial), weight, width)
        cost = runs.cost
        loss = find_loss(runs.find_logits(runs.base), runs.numbers.label) + cost
        slopes = {path: find_slope(runs, path, mpfr(STEP), loss)[0] for path in paths}
        return to_mpf(cost), {p: None if v is None else to_mpf(v) for p, v in slopes.items()}
