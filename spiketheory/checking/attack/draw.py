"""What an attack draws: parameters, states, weights, times; many beside edges of the region."""

from collections.abc import Sequence

import numpy as np

from spiketheory.checking.attack.equations import Array, Equations
from spiketheory.checking.attack.limits import Bound, Limits
from spiketheory.checking.attack.swarm import DONE, Swarm, Trials

Generator = np.random.Generator
PASSES = 4
SHORT, LONG = 4.0, 10.0
"""Lengths of trials, in units of the time in which the model lives."""


class Drawer:
    """Draws trials of one model that keep to its domains and assumptions.

    Args:
        equations: The model.
        limits: What is admissible.
        rng: Where chance comes from.
    """

    def __init__(self, equations: Equations, limits: Limits, rng: Generator) -> None:
        self.equations, self.limits, self.rng = equations, limits, rng
        model = equations.model
        self.rows = {s.name: i for i, s in enumerate(model.state)}
        self.columns = {p.name: j for j, p in enumerate(model.parameters)}
        self.defaults = np.array([p.default for p in model.parameters], float)
        self.at_rest = self.get_rest(self.defaults[:, None])[:, 0]
        self.sizes = self.measure_sizes()
        self.weight, self.time = 1.0, 1.0
        self.measure_scales()

    def get_rest(self, p: Array) -> Array:
        """The state at rest, by lane."""
        values = self.equations.rest(*p)
        return np.array([np.broadcast_to(v, p.shape[1:]) for v in values], float)

    def measure_sizes(self) -> Array:
        """A size of each variable."""
        e, p = self.equations, self.defaults[:, None]
        rest = self.at_rest[:, None]
        with np.errstate(all="ignore"):
            after = np.array([np.broadcast_to(v, (1,)) for v in e.reset(*rest, *p)], float)[:, 0]
            height = 0.0 if e.is_blowup else float(np.ravel(e.height(*rest, *p)[0])[0])
        sizes = np.maximum(1.0, np.abs(after - self.at_rest))
        sizes = np.maximum(sizes, np.abs(self.at_rest) / 8)
        if not e.is_blowup:
            gap = height + self.at_rest[e.voltage] - after[e.voltage]
            sizes[e.voltage] = max(abs(gap), abs(height), 1e-3)
        return np.where(np.isfinite(sizes), sizes, 1.0)

    def measure_scales(self) -> None:
        """The unit of time, and the size of weights that matters."""
        powers = 2.0 ** np.arange(-6, 13)
        sizes = np.concatenate([[0.0], powers, -powers])
        n = sizes.size
        p = np.repeat(self.defaults[:, None], n, axis=1)
        kept = self.limits.admit_weights(p, sizes) | (sizes == 0)
        taus = [v for name, v in zip(self.columns, self.defaults, strict=True)
                if name.startswith("tau") and v > 0]  # fmt: skip
        span = min(taus, default=1.0)
        trials = Trials(
            parameters=p[:, kept], initial=self.get_rest(p[:, kept]),
            times=np.zeros((1, kept.sum())), weights=sizes[None, kept],
            duration=np.full(int(kept.sum()), 30 * span),
        )  # fmt: skip
        runs = Swarm(self.equations, self.limits).run(trials, most=12)
        T = 30 * span
        first, own = np.minimum(runs.spikes[0], T), np.abs(sizes[kept])
        heard = (runs.status == DONE) | (runs.count > 0)
        moved = heard & (np.abs(first - first[0]) > 0.2 * np.minimum(first[0], T))
        self.weight = float(np.clip(own[moved].min(), 1 / 8, 1e3)) if moved.any() else 1.0
        spikes = np.minimum(runs.spikes, T)[:, own <= 2 * self.weight]
        gaps = np.diff(np.concatenate([np.zeros((1, spikes.shape[1])), spikes]), axis=0)
        gaps = gaps[(gaps > 1e-6 * span) & (spikes < T)]
        self.time = float(np.clip(np.median(gaps), span / 8, T)) if gaps.size else span

    def draw_parameters(self, n: int) -> Array:
        """Parameters: a half default, others anywhere in the domain, many next to its edges."""
        rng, p = self.rng, np.repeat(self.defaults[:, None], n, axis=1)
        if not p.size:
            return p
        changed = (rng.random(p.shape) < 0.5) & (rng.random(n) < 0.5)
        wide = np.where(rng.random(p.shape) < 0.7, p * 2.0 ** rng.normal(size=p.shape),
                        p + rng.normal(size=p.shape))  # fmt: skip
        p = np.where(changed, wide, p)
        for bound in self.limits.of_parameters:
            names = [name for name in bound.solved if name in self.columns]
            if not names:
                continue
            name = names[int(rng.integers(len(names)))]
            edge, sign = self.get_edge(bound, name, self.empty(n), p, np.zeros(n))
            near = np.flatnonzero(rng.random(n) < 0.15)
            beside = self.draw_beside(near.size, bound.is_open)
            p[self.columns[name], near] = edge[near] + sign * beside
        p = self.repair(self.limits.of_parameters, self.empty(n), p, np.zeros(n), "p")[1]
        fine = self.limits.admit_parameters(p)
        p[:, ~fine] = self.defaults[:, None]
        return p

    def empty(self, n: int) -> Array:
        """States that do not matter."""
        return np.zeros((len(self.rows), n))

    def draw_beside(self, n: int, is_open: bool) -> Array:
        """Small distances from an edge; 0 too if the edge belongs to the region."""
        small = 10.0 ** -self.rng.uniform(1, 9, n)
        return small if is_open else np.where(self.rng.random(n) < 0.5, 0.0, small)

    def get_edge(
        self, bound: Bound, name: str, state: Array, p: Array, weights: Array
    ) -> tuple[Array, int]:
        """Where a bound ends for one symbol, by lane; and on which side the region is."""
        function, sign = bound.solved[name]
        with np.errstate(all="ignore"):
            edge = function(*state, *p, weights)[0]
        return np.broadcast_to(np.asarray(edge, float), weights.shape), sign

    def repair(
        self, bounds: Sequence[Bound], state: Array, p: Array, weights: Array, kind: str
    ) -> tuple[Array, Array, Array]:
        """Bring what violates bounds back into the region, by reflection at their edges."""
        state, p, weights = state.copy(), p.copy(), weights.copy()
        for _ in range(PASSES):
            for bound in bounds:
                with np.errstate(all="ignore"):
                    value = bound.excess(*state, *p, weights)[0]
                bad = ~((value > 0) if bound.is_open else (value >= 0))
                bad = np.flatnonzero(np.broadcast_to(bad, weights.shape))
                names = [name for name in bound.solved if self.is_kind(name, kind)]
                if not bad.size or not names:
                    continue
                name = names[int(self.rng.integers(len(names)))]
                edge, sign = self.get_edge(bound, name, state, p, weights)
                row = self.get_row(name, state, p, weights)
                away = np.abs(row[bad] - edge[bad]) * self.rng.random(bad.size)
                away = np.where(away > 0, away, self.draw_beside(bad.size, bound.is_open))
                row[bad] = edge[bad] + sign * away
        return state, p, weights

    def is_kind(self, name: str, kind: str) -> bool:
        """Whether a symbol is a state (s), a parameter (p) or the weight (w)."""
        known = "s" if name in self.rows else "p" if name in self.columns else "w"
        return known == kind

    def get_row(self, name: str, state: Array, p: Array, weights: Array) -> Array:
        """The values of a symbol, to be changed in place."""
        if name in self.rows:
            return state[self.rows[name]]
        return p[self.columns[name]] if name in self.columns else weights

    def draw_states(self, p: Array) -> Array:
        """States before the surface: at rest, anywhere, beside edges and the surface."""
        e, rng, n = self.equations, self.rng, p.shape[1]
        rest = self.get_rest(p)
        sizes = self.sizes[:, None]
        wide = rest + 2 * sizes * rng.normal(size=rest.shape)
        far = sizes * rng.choice([-1, 1], rest.shape) * 10.0 ** rng.uniform(0, 2, rest.shape)
        choice = rng.random(rest.shape)
        state = np.where(choice < 0.35, rest, np.where(choice < 0.8, wide, far))
        state = np.where(choice > 0.95, 0.0, state)
        for bound in self.limits.of_state:
            names = [name for name in bound.solved if name in self.rows]
            if names:
                name = names[int(rng.integers(len(names)))]
                edge, sign = self.get_edge(bound, name, state, p, np.zeros(n))
                near = np.flatnonzero(rng.random(n) < 0.25)
                beside = self.draw_beside(near.size, bound.is_open)
                state[self.rows[name], near] = edge[near] + sign * beside
        state = self.repair(self.limits.of_state, state, p, np.zeros(n), "s")[0]
        if not e.is_blowup:
            self.put_below(state, p)
        return state

    def put_below(self, state: Array, p: Array) -> None:
        """Move potentials below the threshold, many of them next to it."""
        rng, V, n = self.rng, self.equations.voltage, state.shape[1]
        with np.errstate(all="ignore"):
            height = np.broadcast_to(self.equations.height(*state, *p)[0], (n,)).copy()
        theta = height + state[V]
        near = (rng.random(n) < 0.25) | ~(height > 0)
        close = self.sizes[V] * 10.0 ** -rng.uniform(0, 8, n)
        moved = np.where(rng.random(n) < 0.5, close, self.sizes[V] * rng.uniform(0, 1.5, n))
        state[V] = np.where(near, theta - moved, state[V])

    def draw_weights(self, p: Array) -> Array:
        """Weights of either sign, strong ones among them."""
        rng, n = self.rng, p.shape[1]
        strong = 10.0 ** rng.uniform(-1.5, 2.5, n) * rng.choice([-1, 1], n)
        weights = self.weight * np.where(rng.random(n) < 0.5, strong, 3 * rng.normal(size=n))
        for bound in self.limits.of_weight:
            if "w" in bound.solved:
                edge, sign = self.get_edge(bound, "w", self.empty(n), p, weights)
                near = np.flatnonzero(rng.random(n) < 0.15)
                weights[near] = edge[near] + sign * self.draw_beside(near.size, bound.is_open)
        weights = self.repair(self.limits.of_weight, self.empty(n), p, weights, "w")[2]
        return np.where(self.limits.admit_weights(p, weights), weights, np.nan)

    def draw(self, n: int, inputs: int = 3, *, length: float | None = None) -> Trials:
        """Trials with inputs at random times; some have fewer inputs."""
        rng = self.rng
        p = self.draw_parameters(n)
        state = self.draw_states(p)
        T = self.time * (rng.choice([SHORT, LONG], n) if length is None else length)
        times = np.sort(rng.random((inputs, n)), axis=0) * T
        weights = np.stack([self.draw_weights(p) for _ in range(inputs)])
        missing = (rng.random((inputs, n)) < 0.2) | np.isnan(weights)
        times[missing], weights[missing] = np.inf, 0.0
        trials = Trials(
            parameters=p, initial=state, times=times, weights=weights,
            duration=np.broadcast_to(T, (n,)).astype(float),
        )  # fmt: skip
        return trials.take(np.flatnonzero(self.is_admitted(trials)))

    def is_admitted(self, trials: Trials) -> Array:
        """Lanes that keep to domains and assumptions at their start, exactly."""
        fine = self.limits.admit_parameters(trials.parameters)
        fine &= self.limits.admit_states(trials.initial, trials.parameters, slack=0.0)
        for times, weights in zip(trials.times, trials.weights, strict=True):
            fine &= self.limits.admit_weights(trials.parameters, weights) | ~np.isfinite(times)
        e = self.equations
        if not e.is_blowup:
            with np.errstate(all="ignore"):
                height = e.height(*trials.initial, *trials.parameters)[0]
            fine &= np.broadcast_to(height > 0, fine.shape)
        return fine
