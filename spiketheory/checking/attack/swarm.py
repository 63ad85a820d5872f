"""Many trials of one neuron at once, in floats, straight from the equations.

Every trial is a lane of arrays. Lanes go on by steps of their own (Dormand and Prince, order 8 with
error control; E. Hairer, S. Norsett, G. Wanner, Solving Ordinary Differential Equations I, II.5). A
step over the surface, or over a dip below it, is cut at the root, by steps from its beginning. An
input at the time of a spike comes first.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from scipy.integrate import DOP853

from spiketheory.checking.attack.chart import Chart
from spiketheory.checking.attack.equations import Array, Equations
from spiketheory.checking.attack.limits import Limits

RUNNING, DONE, FULL, ESCAPED, STUCK, LOST = range(6)
"""How a lane ends: at T, with as many spikes as asked for, at infinity without a spike, with
spikes that follow each other at once, or with numbers or steps that lead nowhere."""

RELATIVE, ABSOLUTE = 1e-10, 1e-12
STAGES = DOP853.n_stages
A, B, E3, E5 = DOP853.A, DOP853.B, DOP853.E3, DOP853.E5
MOST_STEPS = 3000
MOST_AT_ONCE = 64
FAR = 1e12
"""A state beyond it that grows by its own size in no time has left in finite time."""
AT_ONCE = 1e-7
ROUNDS = 60
SHORTEST = 1e-15


@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """Trials of one neuron; N lanes, K inputs each.

    Attributes:
        parameters: Shape (n_parameters, N).
        initial: State at 0, shape (n_state, N); a potential may be -oo.
        times: Times of inputs, shape (K, N); ``inf`` for none.
        weights: Their weights, shape (K, N).
        duration: The trials' ends, shape (N,).
    """

    parameters: Array
    initial: Array
    times: Array
    weights: Array
    duration: Array

    @property
    def count(self) -> int:
        """N."""
        return int(self.duration.shape[0])

    def take(self, lanes: Any) -> "Trials":
        """Some of the lanes, again and again if asked for so."""
        return replace(self, **{f.name: getattr(self, f.name)[..., lanes] for f in fields(self)})

    def move(self, place: "tuple[str, int]", values: Array) -> "Trials":
        """One number of every trial replaced; ``place`` is a field and a row."""
        changed = getattr(self, place[0]).copy()
        changed[place[1]] = values
        return replace(self, **{place[0]: changed})

    def read(self, place: "tuple[str, int]") -> Array:
        """One number of every trial."""
        return getattr(self, place[0])[place[1]]


def join(parts: list[Trials]) -> Trials:
    """Trials side by side; those of fewer inputs get inputs that never come."""
    most = max(p.times.shape[0] for p in parts)
    filled = [pad(p, most) for p in parts]
    names = [f.name for f in fields(Trials)]
    return Trials(**{n: np.concatenate([getattr(p, n) for p in filled], axis=-1) for n in names})


def pad(trials: Trials, most: int) -> Trials:
    """The same with room for more inputs."""
    missing = most - trials.times.shape[0]
    if not missing:
        return trials
    rows = np.full((missing, trials.count), np.inf)
    return replace(
        trials,
        times=np.concatenate([trials.times, rows]),
        weights=np.concatenate([trials.weights, 0 * np.nan_to_num(rows, posinf=0.0)]),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """What happened.

    Attributes:
        spikes: Spike times, shape (most, N); ``inf`` where there is none.
        count: Number of spikes, shape (N,).
        status: How each lane ended, shape (N,).
        admitted: Whether every state kept to the assumptions, shape (N,).
        end: State at the end, shape (n_state, N).
        now: Time at which it ended, shape (N,).
    """

    spikes: Array
    count: Array
    status: Array
    admitted: Array
    end: Array
    now: Array

    @property
    def is_sound(self) -> Array:
        """Lanes that say something of the model."""
        return (self.status == DONE) & self.admitted


class Swarm:
    """Runs trials of one model.

    Args:
        equations: The model.
        limits: What is admissible.
    """

    def __init__(self, equations: Equations, limits: Limits) -> None:
        self.equations, self.limits = equations, limits
        self.steps = 0

    def run(self, trials: Trials, *, most: int = 24, most_steps: int = MOST_STEPS) -> Runs:
        """Run all trials.

        Args:
            trials: The trials.
            most: A lane with so many spikes ends.
            most_steps: A lane that takes more steps is lost.
        """
        order = np.argsort(trials.times, axis=0, kind="stable")
        sorted_trials = replace(
            trials,
            times=np.take_along_axis(trials.times, order, 0),
            weights=np.take_along_axis(trials.weights, order, 0),
        )
        with np.errstate(all="ignore"):
            flight = Flight(self.equations, self.limits, sorted_trials, most)
            for _ in range(most_steps):
                if not flight.go_on():
                    break
                self.steps += len(flight.lanes)
            return flight.close()


class Flight:
    """Trials under way; arrays hold the lanes that still run."""

    def __init__(self, equations: Equations, limits: Limits, trials: Trials, most: int) -> None:
        self.equations, self.limits, self.most = equations, limits, most
        n = trials.count
        K = trials.times.shape[0]
        self.result = Runs(
            spikes=np.full((most, n), np.inf), count=np.zeros(n, int), status=np.full(n, RUNNING),
            admitted=np.ones(n, bool), end=trials.initial.copy(), now=np.zeros(n),
        )  # fmt: skip
        self.lanes = np.arange(n)
        self.parameters = trials.parameters
        self.chart = Chart(equations, trials.parameters, trials.initial.copy())
        self.stops = np.concatenate([
            np.minimum(trials.times, trials.duration), trials.duration[None]
        ])  # fmt: skip
        self.weights = np.where(trials.times < trials.duration, trials.weights, np.nan)
        self.last = K
        self.place = np.zeros(n, int)
        self.now = np.zeros(n)
        self.step = np.full(n, np.inf)
        self.fresh = np.ones(n, bool)
        self.count = np.zeros(n, int)
        self.at_once = np.zeros(n, int)
        self.admit(np.arange(n))
        if not equations.is_blowup:
            outside = ~(self.height(self.chart.coordinates, self.parameters) > 0)
            self.result.admitted[self.lanes[outside]] = False

    def height(self, coordinates: Array, parameters: Array) -> Array:
        """Distance to the surface of coordinates that are states."""
        return self.spread(self.equations.height(*coordinates, *parameters)[0], coordinates)

    @staticmethod
    def spread(value: Any, like: Array) -> Array:
        """A number or an array as an array of lanes."""
        return np.broadcast_to(np.asarray(value, float), like.shape[1:]).copy()

    def admit(self, which: Array) -> None:
        """Note which lanes leave the assumptions."""
        if self.limits.of_state:
            state = self.chart.get_state()[:, which]
            fine = self.limits.admit_states(state, self.parameters[:, which])
            infinite = ~np.isfinite(state[self.equations.voltage])
            self.result.admitted[self.lanes[which[~(fine | infinite)]]] = False

    def go_on(self) -> bool:
        """One step of every lane; whether any lane is left."""
        self.take_inputs()
        self.drop(self.result.status[self.lanes] != RUNNING)
        if not len(self.lanes):
            return False
        chart, x, p = self.chart, self.chart.coordinates, self.parameters
        slope = chart.get_velocity(x, p, chart.kinds)
        fresh = np.flatnonzero(self.fresh)
        if fresh.size:
            size = (0.02 + np.abs(x[:, fresh])) / (np.abs(slope[:, fresh]) + 1e-30)
            self.step[fresh] = np.minimum(self.step[fresh], 0.2 * size.min(axis=0))
            self.fresh[fresh] = False
        left = self.stops[self.place, np.arange(len(self.lanes))] - self.now
        h = np.minimum(self.step, left)
        ends = h >= left
        new, error = take_step(chart, x, p, chart.kinds, slope, h)
        scale = ABSOLUTE + RELATIVE * np.maximum(np.abs(x), np.abs(new))
        size = estimate_error(error, scale, h)
        fine = (size <= 1) & np.isfinite(new).all(axis=0)
        factor = np.where(size > 0, 0.9 * size**-0.125, 5.0)
        factor = np.where(np.isfinite(size), np.clip(factor, 0.2, 5.0), 0.2)
        self.step = h * np.where(fine, factor, np.minimum(factor, 0.9))
        if fine.any():
            self.accept(np.flatnonzero(fine), x, new, slope, h, left, ends)
        self.find_lost(x, slope)
        return True

    def accept(
        self, which: Array, x: Array, new: Array, slope: Array, h: Array, left: Array, ends: Array
    ) -> None:
        """Put accepted steps in place; those that reach the surface are cut there."""
        crossing = self.find_crossings(which, x, new, slope, h)
        cut, places = crossing
        moved = np.ones(len(self.lanes), bool)
        moved[cut] = False
        calm = which[moved[which]]
        self.chart.coordinates[:, calm] = new[:, calm]
        at = np.arange(len(self.lanes))
        stop = self.stops[self.place, at]
        self.now[calm] = np.where(ends[calm], stop[calm], self.now[calm] + h[calm])
        self.at_once[calm] = 0
        self.admit(calm)
        if cut.size:
            self.spike(cut, x, slope, places)
        self.fresh[self.chart.change_charts()] = True

    def find_crossings(
        self, which: Array, x: Array, new: Array, slope: Array, h: Array
    ) -> tuple[Array, Array]:
        """Lanes whose step reaches the surface, and how long until then."""
        chart = self.chart
        on = which[chart.may_spike(which)]
        if not on.size:
            return on, np.zeros(0)
        before, speed = chart.get_height(x[:, on], slope[:, on], self.parameters[:, on])
        kinds = chart.kinds[on]
        late = chart.get_velocity(new[:, on], self.parameters[:, on], kinds)
        after, fall = chart.get_height(new[:, on], late, self.parameters[:, on])
        crosses = after <= 0
        dips = (after > 0) & (speed < 0) & (fall > 0)
        if dips.any():
            reach = np.minimum(-speed, fall) * h[on]
            dips &= np.minimum(before, after) < reach
        ends = h[on].copy()
        if dips.any():
            d = np.flatnonzero(dips)
            bottom, depth = self.find_root(on[d], x, slope, np.zeros(d.size), h[on[d]],
                                           speed[d], fall[d], of_speed=True)  # fmt: skip
            under = depth <= 0
            ends[d[under]], after[d[under]] = bottom[under], depth[under]
            crosses[d[under]] = True
        c = np.flatnonzero(crosses)
        if not c.size:
            return on[c], np.zeros(0)
        places, _ = self.find_root(on[c], x, slope, np.zeros(c.size), ends[c], before[c], after[c])
        return on[c], places

    def find_root(
        self, lanes: Array, x: Array, slope: Array, low: Array, high: Array, first: Array,
        last: Array, *, of_speed: bool = False,
    ) -> tuple[Array, Array]:  # fmt: skip
        """Length of a step to where the height, or its speed, is 0; and the height there.

        Newton's method where it stays in the bracket, else regula falsi and halving in turn.
        """
        chart, p = self.chart, self.parameters[:, lanes]
        kinds, start, k1 = chart.kinds[lanes], x[:, lanes], slope[:, lanes]
        sign = np.sign(first)
        low, high = low.copy(), high.copy()
        f_low, f_high = first.copy(), last.copy()
        guess = low + (high - low) * f_low / np.where(f_low == f_high, 1, f_low - f_high)
        height, best = np.zeros(lanes.size), np.full(lanes.size, np.inf)
        found = guess.copy()
        todo = np.arange(lanes.size)
        for turn in range(ROUNDS):
            inner = np.clip(guess[todo], low[todo], high[todo])
            state, _ = take_step(
                chart, start[:, todo], p[:, todo], kinds[todo], k1[:, todo], inner, precise=False
            )
            speeds = chart.get_velocity(state, p[:, todo], kinds[todo])
            value, rate = chart.get_height(state, speeds, p[:, todo])
            f = rate if of_speed else value
            closer = np.abs(f) < best[todo]
            best[todo[closer]] = np.abs(f)[closer]
            height[todo[closer]], found[todo[closer]] = value[closer], inner[closer]
            left = np.sign(f) == sign[todo]
            low[todo] = np.where(left, inner, low[todo])
            f_low[todo] = np.where(left, f, f_low[todo])
            high[todo] = np.where(left, high[todo], inner)
            f_high[todo] = np.where(left, f_high[todo], f)
            lo, hi = low[todo], high[todo]
            secant = lo + (hi - lo) * f_low[todo] / (f_low[todo] - f_high[todo])
            newton = secant if of_speed else inner - value / rate
            middle = (lo + hi) / 2
            usable = (newton > lo) & (newton < hi) & (turn % 3 < 2)
            guess[todo] = np.where(usable, newton, middle)
            tiny = 1e-9 if of_speed else SHORTEST
            done = (np.abs(newton - inner) <= tiny * (1e-3 + inner)) | (f == 0)
            done |= hi - lo <= tiny * hi
            todo = todo[~done]
            if not todo.size:
                break
        return found, height

    def spike(self, cut: Array, x: Array, slope: Array, places: Array) -> None:
        """Carry lanes to their spikes and over them."""
        e, p = self.equations, self.parameters[:, cut]
        state, _ = take_step(self.chart, x[:, cut], p, self.chart.kinds[cut], slope[:, cut], places,
                             precise=False)  # fmt: skip
        if not e.is_blowup:  # exactly on it
            state[e.voltage] += self.height(state, p)
        self.now[cut] = self.now[cut] + places
        self.at_once[cut] = np.where(places > SHORTEST * self.now[cut], 0, self.at_once[cut])
        self.fire(cut, state)

    def fire(self, cut: Array, state: Array) -> None:
        """Note spikes now and reset; a state on the surface again spikes again."""
        e, index = self.equations, self.equations.voltage
        most = self.most
        while cut.size:
            p = self.parameters[:, cut]
            if e.is_blowup:
                state[index] = 0.0
            ids = self.lanes[cut]
            self.result.spikes[np.minimum(self.count[cut], most - 1), ids] = self.now[cut]
            self.count[cut] += 1
            new = np.empty_like(state)
            for i, value in enumerate(e.reset(*state, *p)):
                new[i] = value
            if e.from_infinity:
                new[index] = -np.inf
            self.chart.put_state(cut, new)
            self.fresh[cut] = True
            self.at_once[cut] += 1
            self.admit(cut)
            status = self.result.status
            status[ids[self.at_once[cut] > MOST_AT_ONCE]] = STUCK
            status[ids[self.count[cut] >= most]] = FULL
            again = np.zeros(cut.size, bool)
            if not e.is_blowup:
                again = (self.height(new, p) <= 0) & (status[ids] == RUNNING)
            cut, state = cut[again], new[:, again]

    def take_inputs(self) -> None:
        """Let inputs act whose time has come; end lanes that are at T."""
        e = self.equations
        while True:
            at = np.arange(len(self.lanes))
            due = (self.now >= self.stops[self.place, at]) & (
                self.result.status[self.lanes] == RUNNING
            )
            over = due & (self.place >= self.last)
            self.result.status[self.lanes[over]] = DONE
            due &= ~over
            if not due.any():
                return
            d = np.flatnonzero(due)
            weights = self.weights[self.place[d], d]
            self.place[d] += 1
            comes = ~np.isnan(weights)
            d, weights = d[comes], weights[comes]
            if not d.size:
                continue
            state, p = self.chart.get_state()[:, d], self.parameters[:, d]
            fine = self.limits.admit_inputs(state, p, weights)
            self.result.admitted[self.lanes[d[~fine]]] = False
            finite = np.where(np.isfinite(state), state, -1e300)
            new = np.empty_like(state)
            for i, value in enumerate(e.jump(*finite, *p, weights)):
                new[i] = value
            V = new[e.voltage]
            new[e.voltage] = np.where(V < -1e290, -np.inf, V)
            self.chart.put_state(d, new)
            self.fresh[d] = True
            self.admit(d)
            if not e.is_blowup:
                beyond = self.height(new, p) <= 0
                self.fire(d[beyond], new[:, beyond])

    def find_lost(self, x: Array, slope: Array) -> None:
        """Lanes that have left for infinity, or whose steps have become too small."""
        status = self.result.status
        size = np.abs(self.chart.coordinates)
        gone = (size > FAR) & (np.abs(slope) * AT_ONCE > np.abs(x))
        status[self.lanes[gone.any(axis=0)]] = ESCAPED
        stuck = self.step <= 1e-15 * (1e-6 + self.now)
        also = stuck & (size.max(axis=0) < 1e6) & (status[self.lanes] == RUNNING)
        status[self.lanes[also]] = LOST

    def drop(self, ended: Array) -> None:
        """Write down lanes that have ended and leave them out."""
        if not ended.any():
            return
        ids = self.lanes[ended]
        state = self.chart.get_state()
        self.result.end[:, ids] = state[:, ended]
        self.result.now[ids] = self.now[ended]
        self.result.count[ids] = self.count[ended]
        kept = ~ended
        for name in ("lanes", "place", "now", "step", "fresh", "count", "at_once"):
            setattr(self, name, getattr(self, name)[kept])
        for name in ("parameters", "stops", "weights"):
            setattr(self, name, getattr(self, name)[:, kept])
        self.chart = self.chart.keep(kept, self.parameters)

    def close(self) -> Runs:
        """The result; lanes that still run are lost."""
        status = self.result.status
        status[self.lanes[status[self.lanes] == RUNNING]] = LOST
        self.drop(np.ones(len(self.lanes), bool))
        return self.result


def take_step(
    chart: Chart, x: Array, p: Array, kinds: Array, slope: Array, h: Array, *, precise: bool = True
) -> tuple[Array, Array]:
    """One step of every lane, and the stages' weighted sums for its error."""
    stages = np.empty((STAGES + 1, *x.shape))
    stages[0] = slope
    flat = stages.reshape(STAGES + 1, -1)
    for s in range(1, STAGES):
        moved = (A[s, :s] @ flat[:s]).reshape(x.shape)
        stages[s] = chart.get_velocity(x + h * moved, p, kinds)
    new = x + h * (B @ flat[:STAGES]).reshape(x.shape)
    if not precise:
        return new, new
    stages[STAGES] = chart.get_velocity(new, p, kinds)
    errors = np.stack([(E @ flat).reshape(x.shape) for E in (E3, E5)])
    return new, errors


def estimate_error(errors: Array, scale: Array, h: Array) -> Array:
    """Size of the error of each lane in units of what is tolerated."""
    third, fifth = (np.abs(e / scale).max(axis=0) for e in errors)
    bottom = np.sqrt(fifth**2 + 0.01 * third**2)
    return np.where(bottom > 0, np.abs(h) * fifth**2 / np.where(bottom > 0, bottom, 1), 0.0)
