"""Where spike times jump: swaps, ties of inputs, and numbers that are moved along a line."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from spiketheory.checking.attack.bench import Bench, Suspect, clip, measure, shorten
from spiketheory.checking.attack.contradiction import FIELDS, PlainTrial, list_lanes, take_trial
from spiketheory.checking.attack.equations import Array
from spiketheory.checking.attack.swarm import Trials, join, pad

JUMP = 1e-3
NEAR = 1e-7
LEVELS = (1e-4, 1e-7, 1e-10)
"""Distances of an input from a spike, in units of the model's time."""
SETTLES = 0.3
POINTS = 16
SECTIONS = 33
SLOPE = 0.3
"""What becomes smaller than this of itself, where a section is cut into 32, is a slope."""
MOST_LEVELS = 10
MOST_LINES = 12
CHANCES = {"weights": 3.0, "initial": 2.0, "times": 1.0, "parameters": 1.0}
NARROW = 1e-11
MOST_SUSPECTS = 24
WEIGHTS = 6
SLACK = 0.25
Place = tuple[str, int]


def add_input(trials: Trials, times: Array, weights: Array) -> Trials:
    """The same with one more input, as the last row."""
    more = pad(trials, trials.times.shape[0] + 1)
    times_, weights_ = more.times.copy(), more.weights.copy()
    times_[-1], weights_[-1] = times, weights
    return replace(more, times=times_, weights=weights_)


def find_swaps(bench: Bench, n: int) -> Iterator[Suspect]:
    """Inputs of either sign just before and just after a spike, strong ones among them."""
    drawer, rng = bench.drawer, bench.rng
    base = drawer.draw(n)
    runs = bench.run(base)
    lanes = np.flatnonzero((runs.count > 0) & runs.admitted)
    if not lanes.size:
        return
    lanes = np.tile(lanes, WEIGHTS)
    usable = np.minimum(runs.count[lanes], runs.spikes.shape[0])
    which = np.where(rng.random(lanes.size) < 0.6, 0, (rng.random(lanes.size) * usable).astype(int))
    at = runs.spikes[which, lanes]
    trials = base.take(lanes)
    weights = drawer.draw_weights(trials.parameters)
    good = np.isfinite(weights) & (at > 1e-6 * drawer.time)
    trials, at, weights = trials.take(good), at[good], weights[good]
    if not trials.count:
        return
    T = at + drawer.time * rng.choice([1.0, 4.0], at.size)
    trials = add_input(replace(trials, duration=T), at, weights)
    yield from compare(bench, trials, ("times", trials.times.shape[0] - 1), at, "input at a spike")


def find_ties(bench: Bench, n: int) -> Iterator[Suspect]:
    """Two inputs that exchange their order."""
    drawer, rng = bench.drawer, bench.rng
    base = drawer.draw(n)
    at = base.duration * rng.random(base.count) * 0.6
    first, second = (drawer.draw_weights(base.parameters) for _ in range(2))
    opposite = -first * np.where(rng.random(base.count) < 0.5, 1, 1 + rng.normal(size=base.count))
    allowed = bench.limits.admit_weights(base.parameters, opposite) & np.isfinite(first)
    second = np.where(allowed & (rng.random(base.count) < 0.5), opposite, second)
    good = np.isfinite(first) & np.isfinite(second)
    trials = add_input(add_input(base, at, first), at, second).take(good)
    if trials.count:
        place = ("times", trials.times.shape[0] - 1)
        yield from compare(bench, trials, place, at[good], "two inputs at once")


def compare(
    bench: Bench, trials: Trials, place: Place, center: Array, what: str
) -> Iterator[Suspect]:
    """Suspects among lanes in which a time passes another event's at ``center``."""
    unit = bench.drawer.time

    def run_sides(lanes: Array, distance: float) -> tuple[Array, Array, Array]:
        chosen = trials.take(lanes)
        moved = [chosen.move(place, center[lanes] + s * distance * unit) for s in (-1, 1)]
        runs = bench.run(join(moved))
        half = lanes.size
        spikes = clip(runs, np.tile(chosen.duration, 2))
        left, right = spikes[:, :half], spikes[:, half:]
        sound = runs.is_sound[:half] & runs.is_sound[half:]
        return np.where(sound, measure(left, right), 0.0), left, right

    everything = np.arange(trials.count)
    sizes = run_sides(everything, NEAR)[0]
    lanes = np.flatnonzero(sizes > JUMP)
    lanes = lanes[np.argsort(-sizes[lanes], kind="stable")][: 4 * MOST_SUSPECTS]
    if not lanes.size:
        return
    levels = [run_sides(lanes, d) for d in LEVELS]
    a, b, c = (level[0] for level in levels)
    stays = (c > JUMP) & (np.abs(b - c) <= SETTLES * np.abs(a - b) + 1e-5)
    for j in np.flatnonzero(stays)[:MOST_SUSPECTS]:
        lane = lanes[j]
        trial = take_trial(trials, lane)
        trial = shorten(trial, [levels[-1][i][:, j] for i in (1, 2)], SLACK * unit)
        row = len(trial.times) - 1
        low, high = (float(center[lane] + s * LEVELS[-1] * unit) for s in (-1, 1))
        yield Suspect(trial=trial, place=(place[0], row), low=low, high=high, size=float(c[j]),
                      what=what)  # fmt: skip


def list_places(trials: Trials) -> list[Place]:
    """Every kind of number that may be moved."""
    return [
        *(("weights", k) for k in range(trials.weights.shape[0])),
        *(("initial", i) for i in range(trials.initial.shape[0])),
        *(("times", k) for k in range(trials.times.shape[0])),
        *(("parameters", j) for j in range(trials.parameters.shape[0])),
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lines:
    """Trials in each of which one number moves along a line.

    Attributes:
        trials: The trials.
        places: The number that moves, by lane.
        low: One end.
        high: The other.
    """

    trials: Trials
    places: tuple[Place, ...]
    low: Array
    high: Array

    def take(self, lanes: Array) -> "Lines":
        """Some of the lines."""
        return Lines(trials=self.trials.take(lanes), places=tuple(self.places[j] for j in lanes),
                     low=self.low[lanes], high=self.high[lanes])  # fmt: skip

    def put(self, grid: Array) -> Trials:
        """The trials at values of the numbers, shape (points, N), one point after another."""
        points, n = grid.shape
        repeated = self.trials.take(np.tile(np.arange(n), points))
        changed = {name: getattr(repeated, name).copy() for name in FIELDS}
        for place in set(self.places):
            lanes = np.flatnonzero([p == place for p in self.places])
            for k in range(points):
                changed[place[0]][place[1], k * n + lanes] = grid[k, lanes]
        return replace(repeated, **changed)


def draw_lines(bench: Bench, n: int) -> Lines | None:
    """Trials, and in each of them a number and the two ends of the line along which it moves."""
    drawer, rng = bench.drawer, bench.rng
    base = drawer.draw(n)
    places = list_places(base)
    chance = np.array([CHANCES[p[0]] for p in places])
    chosen = rng.choice(len(places), base.count, p=chance / chance.sum())
    parts, kinds, lows, highs = [], [], [], []
    for number in sorted(set(chosen.tolist())):
        place = places[number]
        trials = base.take(np.flatnonzero(chosen == number))
        if place[0] in ("weights", "times"):
            trials = trials.take(np.isfinite(trials.times[place[1]]))
        if trials.count:
            low, high = draw_ends(bench, trials, place)
            parts.append(trials)
            kinds += [place] * trials.count
            lows.append(low)
            highs.append(high)
    if not parts:
        return None
    return Lines(trials=join(parts), places=tuple(kinds), low=np.concatenate(lows),
                 high=np.concatenate(highs))  # fmt: skip


def draw_ends(bench: Bench, trials: Trials, place: Place) -> tuple[Array, Array]:
    """Ends of a line around, or from, what the number is."""
    drawer, rng, n = bench.drawer, bench.rng, trials.count
    here = trials.read(place)
    if place[0] == "times":
        return np.zeros(n), trials.duration.copy()
    if place[0] == "weights":
        other = np.nan_to_num(drawer.draw_weights(trials.parameters), nan=0.0)
        return np.minimum(here, other), np.maximum(here, other)
    if place[0] == "initial":
        size = drawer.sizes[place[1]] * 10.0 ** rng.uniform(-2, 1, n)
        low, high = here - size, here + size
        if place[1] == bench.equations.voltage and not bench.equations.is_blowup:
            height = bench.equations.height(*trials.initial, *trials.parameters)[0]
            high = np.minimum(high, here + (1 - 1e-9) * np.broadcast_to(height, here.shape))
        return low, high
    size = np.maximum(np.abs(here), 0.1) * 10.0 ** rng.uniform(-2, 0, n)
    return here - size, here + size


def find_on_lines(bench: Bench, n: int) -> Iterator[Suspect]:
    """Numbers that are moved along a line on which spikes appear, vanish or jump.

    Lines are cut into smaller and smaller sections towards the largest difference; one that
    shrinks with its section is a slope.
    """
    lines, points = draw_lines(bench, n), POINTS
    before: Array | None = None
    unit = bench.drawer.time
    for level in range(MOST_LEVELS):
        if lines is None or not lines.trials.count:
            return
        grid = np.linspace(lines.low, lines.high, points)
        spikes, sound = run_grid(bench, lines, grid)
        both = sound[:-1] & sound[1:]
        sizes = np.where(both, np.abs(np.diff(spikes, axis=1)).max(axis=0), 0.0)
        best, lanes = sizes.argmax(axis=0), np.arange(lines.low.size)
        size = sizes[best, lanes]
        ends = [np.stack([spikes[:, best[j] + s, j] for j in lanes], axis=1) for s in (0, 1)]
        lines = replace(lines, low=grid[best, lanes], high=grid[best + 1, lanes])
        wide = np.maximum(np.abs(lines.low), np.abs(lines.high))
        narrow = lines.high - lines.low <= NARROW * np.maximum(wide, 1e-2)
        for j in list_lanes(narrow & (size > JUMP)):
            trial = shorten(take_trial(lines.trials, j), [e[:, j] for e in ends], SLACK * unit)
            place = locate(lines.trials, lines.places[j], j)
            yield Suspect(
                trial=trial, place=place, low=float(lines.low[j]), high=float(lines.high[j]),
                size=float(size[j]), what="a number moved",
            )  # fmt: skip
        stays = size > (JUMP if before is None or level < 2 else SLOPE * before)
        keep = np.flatnonzero(~narrow & stays & (size > JUMP))
        keep = keep[np.argsort(-size[keep], kind="stable")][:MOST_LINES]
        late = np.max(
            [np.where(e < lines.trials.duration, e, 0.0).max(axis=0) for e in ends], axis=0
        )
        T = np.minimum(lines.trials.duration, late + SLACK * unit)
        trials = replace(lines.trials, duration=T)
        lines, before, points = replace(lines, trials=trials).take(keep), size[keep], SECTIONS


def run_grid(bench: Bench, lines: Lines, grid: Array) -> tuple[Array, Array]:
    """Clipped spike times at values of a number, shape (most, points, N), and what is sound."""
    repeated = lines.put(grid)
    admitted = bench.drawer.is_admitted(repeated)
    runs = bench.run(repeated)
    spikes = clip(runs, repeated.duration).reshape(-1, *grid.shape)
    return spikes, (runs.is_sound & admitted).reshape(grid.shape)


def locate(trials: Trials, place: Place, lane: int) -> Place:
    """The place in the plain trial, which leaves out inputs that never come."""
    if place[0] not in ("times", "weights"):
        return place
    comes = np.isfinite(trials.times[:, lane])
    return place[0], int(comes[: place[1]].sum())


def describe_place(bench: Bench, place: Place, trial: PlainTrial) -> str:
    """The moved number in words."""
    name, row = place
    if name == "initial":
        return f"the initial {bench.model.state[row].name}"
    if name == "parameters":
        return f"the parameter {bench.model.parameters[row].name}"
    return f"the {'time' if name == 'times' else 'weight'} of input {row + 1} of {len(trial.times)}"
