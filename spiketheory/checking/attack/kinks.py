"""Where derivatives of spike times jump: swaps, ties of inputs, kinks of the field."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import mpmath
import numpy as np
from mpmath import mpf

from spiketheory.checking.attack.bench import Bench, Suspect, clip
from spiketheory.checking.attack.continuity import (
    MOST_LINES,
    WEIGHTS,
    Lines,
    Place,
    add_input,
    draw_lines,
    locate,
    run_grid,
)
from spiketheory.checking.attack.contradiction import Contradiction, take_trial
from spiketheory.checking.attack.equations import Array, bind_arrays
from spiketheory.checking.attack.ladder import Ladder
from spiketheory.checking.attack.sides import list_surfaces
from spiketheory.checking.attack.swarm import Trials, join

KINK = 0.01
"""A difference of one-sided slopes that counts, in units of 1 + |slope|."""
POINTS, SECTIONS = 25, 17
LEVELS = 6
SHORTEST = 3e-6
SLOPE = 0.3
DISTANCES = (1e-3, 1e-4)
MOST_SUSPECTS = 12
RUNGS = (1.0, 1e-2, 1e-4, 1e-7)
"""In units of how well floats know the place: two lines meet at the kink up to a square of it."""
EXACT_RUNGS = (1e-5, 1e-8, 1e-12)
"""The same where the kink is at another event, whose time is known; in units of the time."""
DIGITS = 36
MARGIN = 1e-3
KEEPS = 0.2
BRIEF = 1.5
"""Length of trials that begin on a kink: where they stay there, its sides soon differ hugely."""


def find_slopes(spikes: Array, duration: Array, h: Array) -> tuple[Array, Array]:
    """Differences of slopes, and slopes, at the inner points of grids of spike times.

    Args:
        spikes: Shape (most, points, N).
        duration: Ends of the trials; spikes there are none.
        h: Distance of points, shape (N,).

    Returns:
        The largest relative difference over all spikes, and the slope there, (points - 2, N).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes = np.diff(spikes, axis=1) / h
        change = np.abs(np.diff(slopes, axis=1)) / (1 + np.abs(slopes[:, :-1]))
    there = spikes < duration
    inner = there[:, :-2] & there[:, 1:-1] & there[:, 2:]
    change = np.where(inner, change, 0.0)
    which = change.argmax(axis=0)
    size = np.take_along_axis(change, which[None], 0)[0]
    slope = np.take_along_axis(slopes[:, :-1], which[None], 0)[0]
    return size, slope


def find_on_lines(bench: Bench, n: int) -> Iterator[Suspect]:
    """Kinks of spike times along lines on which one number moves, kinks of the field among them."""
    parts = [draw_lines(bench, n), aim_at_kinks(bench, n)]
    for lines in parts:
        if lines is not None:
            yield from zoom(bench, lines)


def zoom(bench: Bench, lines: Lines) -> Iterator[Suspect]:
    """Cut lines down around where slopes differ most; slopes of smooth functions come together."""
    before: Array | None = None
    points = POINTS
    for _ in range(LEVELS):
        if not lines.trials.count:
            return
        grid = np.linspace(lines.low, lines.high, points)
        h = (lines.high - lines.low) / (points - 1)
        spikes, sound = run_grid(bench, lines, grid)
        size, _ = find_slopes(spikes, lines.trials.duration, h)
        size = np.where(sound[:-2] & sound[1:-1] & sound[2:], size, 0.0)
        best, lanes = size.argmax(axis=0), np.arange(lines.low.size)
        size = size[best, lanes]
        low, high = grid[best, lanes], grid[best + 2, lanes]
        wide = np.maximum(np.maximum(np.abs(low), np.abs(high)), 0.1)
        narrow = h <= SHORTEST * wide
        stays = size > KINK if before is None else (size > KINK) & (size > SLOPE * before)
        for j in np.flatnonzero(narrow & stays)[:MOST_SUSPECTS]:
            yield Suspect(
                trial=take_trial(lines.trials, j), place=locate(lines.trials, lines.places[j], j),
                low=float(low[j]), high=float(high[j]), size=float(size[j]), what="a number moved",
            )  # fmt: skip
        keep = np.flatnonzero(~narrow & stays)
        keep = keep[np.argsort(-size[keep], kind="stable")][:MOST_LINES]
        lines = replace(lines, low=low, high=high).take(keep)
        before, points = size[keep], SECTIONS


def aim_at_kinks(bench: Bench, n: int) -> Lines | None:
    """Lines of initial states across the kinks of the field."""
    model, rng = bench.model, bench.rng
    surfaces = [s for s in list_surfaces(model.derivatives) if s.free_symbols & set(model.state)]
    if not surfaces:
        return None
    base = bench.drawer.draw(n, length=BRIEF)
    arguments = [*model.state, *(p.symbol for p in model.parameters)]
    parts = []
    for surface in surfaces:
        function = bind_arrays(arguments, [surface])
        for row, symbol in enumerate(model.state):
            if surface.has(symbol):
                found = place_on(bench, base, row, function)
                if found is not None:
                    parts.append(found)
    if not parts:
        return None
    size = 10.0 ** rng.uniform(-2, 0, sum(p.low.size for p in parts))
    low = np.concatenate([p.low for p in parts])
    return Lines(
        trials=join([p.trials for p in parts]), places=tuple(q for p in parts for q in p.places),
        low=low - size, high=low + 0.9 * size,
    )  # fmt: skip


def place_on(bench: Bench, base: Trials, row: int, function: object) -> Lines | None:
    """Trials whose initial state is on a kink by one variable, where that can be."""
    size = bench.drawer.sizes[row]
    values = np.linspace(-8 * size, 8 * size, 129)
    heights = []
    for value in values:
        state = base.initial.copy()
        state[row] = value
        with np.errstate(all="ignore"):
            found = function(*state, *base.parameters)[0]  # type: ignore[operator]
        heights.append(np.broadcast_to(np.asarray(found, float), base.duration.shape))
    table = np.array(heights)
    turns = np.sign(table[:-1]) * np.sign(table[1:]) <= 0
    lanes = np.flatnonzero(turns.any(axis=0))
    if not lanes.size:
        return None
    at = turns[:, lanes].argmax(axis=0)
    first, last = table[at, lanes], table[at + 1, lanes]
    share = np.where(first == last, 0.0, first / np.where(first == last, 1, first - last))
    root = values[at] + (values[at + 1] - values[at]) * share
    trials = base.take(lanes).move(("initial", row), root)
    kept = np.flatnonzero(bench.drawer.is_admitted(trials))
    if not kept.size:
        return None
    return Lines(trials=trials.take(kept), places=(("initial", row),) * kept.size,
                 low=root[kept], high=root[kept])  # fmt: skip


def find_at_swaps(bench: Bench, n: int, *, ties: bool) -> Iterator[Suspect]:
    """Inputs that pass a spike; and inputs that pass each other if ``ties``."""
    drawer = bench.drawer
    base = drawer.draw(n)
    runs = bench.run(base)
    lanes = np.tile(np.flatnonzero((runs.count > 0) & runs.admitted), WEIGHTS // 2)
    if lanes.size:
        at = runs.spikes[0, lanes]
        trials = base.take(lanes)
        yield from look_beside(bench, trials, at)
    if ties:
        at = base.duration * bench.rng.random(base.count) * 0.6
        weights = drawer.draw_weights(base.parameters)
        good = np.isfinite(weights)
        yield from look_beside(bench, add_input(base, at, weights).take(good), at[good])


def look_beside(bench: Bench, trials: Trials, at: Array) -> Iterator[Suspect]:
    """Slopes by the time of a further input just before and behind another event."""
    drawer = bench.drawer
    weights = drawer.draw_weights(trials.parameters)
    good = np.isfinite(weights) & (at > 0.05 * drawer.time)
    trials, at, weights = trials.take(good), at[good], weights[good]
    if not trials.count:
        return
    T = at + 4 * drawer.time
    trials = add_input(replace(trials, duration=T), at, weights)
    row = trials.times.shape[0] - 1
    sizes = []
    for distance in DISTANCES:
        h = np.full(at.size, distance * drawer.time)
        moved = [trials.move(("times", row), at + s * h) for s in (-2, -1, 0, 1, 2)]
        runs = bench.run(join(moved))
        spikes = clip(runs, np.tile(T, 5)).reshape(-1, 5, at.size)
        sound = runs.is_sound.reshape(5, at.size).all(axis=0)
        size, _ = find_slopes(spikes, T, h)
        sizes.append(np.where(sound, size.max(axis=0), 0.0))
    near, nearest = sizes
    stays = (nearest > KINK) & (near > KINK) & (nearest > 0.5 * near)
    order = [j for j in np.argsort(-nearest, kind="stable") if stays[j]]
    for j in order[:MOST_SUSPECTS]:
        trial = take_trial(trials, j)
        beside = DISTANCES[-1] * drawer.time
        yield Suspect(
            trial=trial, place=("times", len(trial.times) - 1), low=float(at[j] - beside),
            high=float(at[j] + beside), size=float(nearest[j]), what="input at another event",
        )  # fmt: skip


def confirm_kink(bench: Bench, suspect: Suspect, *, ties: bool) -> Contradiction | None:
    """A kink whose one-sided slopes stay apart as they are taken closer and closer to it.

    Raises:
        Lost: If a trial cannot be followed.
    """
    place: Place = suspect.place
    ladder = Ladder(bench.get_precise, suspect.trial, place, digits=DIGITS)
    with mpmath.workdps(DIGITS + 8):
        middle = (mpf(suspect.low) + mpf(suspect.high)) / 2
        width = abs(mpf(suspect.high) - mpf(suspect.low))
        event = ladder.find_event(middle)
        center = middle if event is None else event
        found: list[tuple[mpf, mpf]] = []
        for rung in RUNGS if event is None else EXACT_RUNGS:
            h = mpf(rung) * (width if event is None else bench.drawer.time)
            values = [center + s * h for s in (-2, -1, 1, 2)]
            runs = [ladder.run(v) for v in values]
            best = compare_slopes(runs, h, ladder.trial.duration)
            if best is None or best[0] < KINK:
                return None
            found.append(best[1])
            center += best[2] if event is None else 0
            end = float(max(run[best[3]] for run in runs)) + MARGIN * bench.drawer.time
            ladder.trial = replace(ladder.trial, duration=min(end, ladder.trial.duration))
        if not ties and is_tie(suspect, center):
            return None
        changes = [abs(b - a) for a, b in found]
        if abs(changes[-1] - changes[-2]) > KEEPS * changes[-1]:
            return None
    if not all(bench.keeps(states, p) for states, p in ladder.seen):
        return None
    before, after = map(float, found[-1])
    name = {"initial": "the initial state", "parameters": "a parameter"}.get(
        place[0], f"the {place[0][:-1]} of input {place[1] + 1}"
    )
    return Contradiction(
        kind="kink",
        text=f"the derivative of a spike time by {name} is {before:.8g} on one side of "
        f"{mpmath.nstr(center, 12)} and {after:.8g} on the other",
        claim="smooth",
        trial=ladder.trial,
        place=place,
        values=(mpmath.nstr(values[1], 45), mpmath.nstr(values[2], 45)),
        spikes=(tuple(map(float, runs[1])), tuple(map(float, runs[2]))),
        proof=f"in {DIGITS} digits, {float(h):.0e} from the kink",
        facts={"slopes": [before, after]},
    )


def compare_slopes(
    runs: Sequence[Sequence[mpf]], h: mpf, duration: float
) -> tuple[mpf, tuple[mpf, mpf], mpf, int] | None:
    """Relative difference of one-sided slopes, the slopes, where the lines meet, and the spike."""
    count = min(sum(t < duration for t in run) for run in runs)
    best = None
    for k in range(count):
        a, b, c, d = (run[k] for run in runs)
        left, right = (b - a) / h, (d - c) / h
        size = abs(right - left) / (1 + abs(left))
        if best is None or size > best[0]:
            meet = mpf(0)
            if left != right:
                meet = (c - right * h - b - left * h) / (left - right)
            best = (size, (left, right), meet if abs(meet) < h else mpf(0), k)
    return best


def is_tie(suspect: Suspect, center: mpf) -> bool:
    """Whether the kink is where an input's time equals another's."""
    if suspect.place[0] != "times":
        return False
    others = [t for i, t in enumerate(suspect.trial.times) if i != suspect.place[1]]
    return any(abs(t - center) < 1e-6 for t in others)
