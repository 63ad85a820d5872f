"""An independent simulator of feedforward theta and qif_delta networks in 50-digit arithmetic.

Shares nothing with the package: no homogeneous coordinates, no generated code, no backward pass.
A neuron is its membrane potential: with u = V - 1/2 the equation tau V' = V(V - 1) + I0 reads
tau u' = u^2 + q, q = I0 - 1/4, and is solved by the textbook's branches,

- q > 0: u = b tan(a), the angle a grows at the rate b / tau, b = sqrt(q), and spikes at pi/2;
- q < 0: u = -k tanh(k t / tau + c) between the fixed points -k and k = sqrt(-q), else
  u = k coth(c - k t / tau), which spikes at t = c tau / k if c > 0;
- q = 0: 1/u falls at the rate 1 / tau and reaches 0 at the spike.

Each branch keeps the quantity that grows linearly in time (`Position`), so that -oo after a spike
is an ordinary number. Gradients are central differences. Layers that a perturbed parameter cannot
reach are not simulated again.
"""

from dataclasses import dataclass, field, replace

import mpmath as mp

m = mp.mp.clone()
m.dps = 50
STEP = m.mpf("1e-20")
INFINITELY_CLOSE = m.mpf("1e-40")
"""An angle this close to a spike is at the spike, before or after: no input moves it."""


def exact(values):
    """Floats to 50-digit numbers, exactly; lists and arrays stay nested."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, list | tuple):
        return [exact(v) for v in values]
    return m.mpf(values)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A network and one sample, in 50-digit numbers.

    Attributes:
        model: ``theta`` (initial values are phases) or ``qif_delta`` (membrane potentials).
        weights: Per layer nested lists [pre][post].
        initial: Initial values, layer after layer.
        inputs: Time of each input's spike; inf for none.
    """

    model: str
    tau: object
    I0: object
    duration: object
    weights: list
    initial: list
    inputs: list

    @property
    def sizes(self):
        return [len(w[0]) for w in self.weights]


@dataclass(frozen=True)
class Parabola:
    """tau u' = u^2 + q."""

    tau: object
    q: object

    def enter(self, u):
        """Position of potential u = V - 1/2: a pair (branch, number linear in time)."""
        if self.q > 0:
            return "tan", m.atan(u / m.sqrt(self.q))
        if self.q == 0:
            return ("rest", u) if u == 0 else ("inverse", -1 / u)
        k = m.sqrt(-self.q)
        if abs(u) == k:
            return "rest", u
        if abs(u) < k:
            return "tanh", -m.atanh(u / k)
        return "coth", -m.atanh(k / u)

    def leave(self, position):
        """Potential u of a position."""
        branch, a = position
        if branch == "tan":
            return m.sqrt(self.q) * m.tan(a)
        if branch == "rest":
            return a
        if branch == "inverse":
            return -1 / a
        k = m.sqrt(-self.q)
        return -k * m.tanh(a) if branch == "tanh" else -k * m.coth(a)

    @property
    def rate(self):
        """Growth of the linear number per time."""
        return (m.sqrt(abs(self.q)) if self.q != 0 else 1) / self.tau

    @property
    def reset(self):
        """Position of u = -oo."""
        if self.q > 0:
            return "tan", -m.pi / 2
        return ("inverse" if self.q == 0 else "coth"), m.mpf(0)

    def advance(self, position, dt):
        branch, a = position
        return position if branch == "rest" else (branch, a + self.rate * dt)

    def wait(self, position):
        """Time to the next spike; inf if there is none."""
        branch, a = position
        if branch == "tan":
            return (m.pi / 2 - a) / self.rate
        if branch in ("inverse", "coth") and a < 0:
            return -a / self.rate
        return m.inf

    def kick(self, position, w):
        """Position after V += w; at u = -oo nothing happens (H(0, w) = 0)."""
        branch, a = position
        if branch == "tan":
            if abs(m.cos(a)) < INFINITELY_CLOSE:
                return position
            # a phase that a central difference pushed outside (-pi/2, pi/2) keeps its turn
            turns = m.floor(a / m.pi + m.mpf(1) / 2)
            return branch, self.enter(self.leave(position) + w)[1] + turns * m.pi
        if branch in ("inverse", "coth") and abs(a) < INFINITELY_CLOSE:
            return position
        return self.enter(self.leave(position) + w)


def run_neuron(parabola, position, events, duration):
    """Spike times and final position of one neuron; events are (time, weight), sorted.

    Spikes at the time of an input come before it; one at the duration belongs to the trial.
    """
    now, spikes = m.mpf(0), []
    for time, w in [*events, (duration, None)]:
        while now + (wait := parabola.wait(position)) <= time:
            now += wait
            position = parabola.reset
            spikes.append(now)
        position = parabola.advance(position, time - now)
        now = time
        if w is not None:
            position = parabola.kick(position, w)
    return spikes, position


@dataclass
class Layer:
    """Spikes [neuron][k], positions at T, pseudo inputs and pseudo rates of a layer."""

    spikes: list = field(default_factory=list)
    ends: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    rates: list = field(default_factory=list)


def make_parabola(trial):
    return Parabola(trial.tau, trial.I0 - m.mpf(1) / 4)


def start_position(trial, parabola, value):
    """Position of an initial phase (theta: the period is pi tau / b) or potential."""
    if trial.model == "theta":
        return "tan", value * parabola.rate - m.pi / 2
    return parabola.enter(value - m.mpf(1) / 2)


def run_pseudo(trial, parabola, end, kick):
    """Delay of the first pseudospike, period and rate (docs/mathematics.md, 4)."""
    if trial.model == "theta":
        angle = parabola.kick(end, kick)[1]
        period = m.pi / parabola.rate
        phase = (angle + m.pi / 2) / parabola.rate
        return period - phase, period, phase / period
    half_width = m.sqrt(m.log1p(m.exp(parabola.q)))
    period = trial.tau * m.pi / half_width
    if end == parabola.reset:
        angle = -m.pi / 2
    else:
        angle = m.atan((parabola.leave(end) + kick) / half_width)
    delay = trial.tau * (m.pi / 2 - angle) / half_width
    return delay, period, 1 - delay / period


def run_layers(trial, known=(), index=None, neuron=None):
    """Run the network.

    Args:
        trial: What to run.
        known: Layers of a run that differs only from layer ``index`` on.
        index: First layer to run.
        neuron: If given, only this neuron of layer ``index`` differs.
    """
    parabola = make_parabola(trial)
    first = index or 0
    layers = list(known[:first])
    for depth in range(first, len(trial.weights)):
        if depth == 0:
            pre = [[t] if t <= trial.duration else [] for t in trial.inputs]
            pre_rates = [m.mpf(0)] * len(trial.inputs)
        else:
            pre, pre_rates = layers[depth - 1].spikes, layers[depth - 1].rates
        senders = sorted((t, j) for j, train in enumerate(pre) for t in train)
        layer = Layer()
        offset = sum(trial.sizes[:depth])
        for i in range(trial.sizes[depth]):
            if depth == first and neuron is not None and i != neuron:
                old = known[depth]
                spikes, end, kick, rate = old.spikes[i], old.ends[i], old.inputs[i], old.rates[i]
            else:
                w = trial.weights[depth]
                start = start_position(trial, parabola, trial.initial[offset + i])
                events = [(t, w[j][i]) for t, j in senders]
                spikes, end = run_neuron(parabola, start, events, trial.duration)
                kick = sum((r * w[j][i] for j, r in enumerate(pre_rates)), m.mpf(0))
                rate = run_pseudo(trial, parabola, end, kick)[2]
            layer.spikes.append(spikes)
            layer.ends.append(end)
            layer.inputs.append(kick)
            layer.rates.append(rate)
        layers.append(layer)
    return layers


def read_outputs(trial, layers, n_required):
    """Times [output][k] of the first required spikes, pseudospikes included."""
    parabola = make_parabola(trial)
    rows = []
    for spikes, end, kick in zip(
        layers[-1].spikes, layers[-1].ends, layers[-1].inputs, strict=True
    ):
        delay, period, _ = run_pseudo(trial, parabola, end, kick)
        missing = max(0, n_required - len(spikes))
        rows.append(
            spikes[:n_required] + [trial.duration + delay + k * period for k in range(missing)]
        )
    return rows


def first_spike_loss(rows, label, gamma, duration):
    """Cross entropy of softmax(-t) plus gamma (exp(t_label / T) - 1), docs/mathematics.md, 5."""
    late = rows[label][0]
    total = m.fsum(m.exp(-row[0]) for row in rows)
    return m.log(total) + late + m.mpf(gamma) * (m.exp(late / duration) - 1)


def target_time_loss(rows, wanted):
    """Half the squared distance to the targets [output][k]; inf targets count nothing."""
    return m.fsum(
        (t - m.mpf(w)) ** 2 / 2
        for row, targets in zip(rows, wanted, strict=True)
        for t, w in zip(row, targets, strict=True)
        if w != m.inf
    )


def compute_gradients(trial, loss, n_required, step=STEP):
    """Central differences of ``loss(rows)``.

    Returns:
        Weights (per layer, nested [pre][post]), initial values and input times (0 where an input
        is silent or after T).
    """
    base = run_layers(trial)

    def slope(change, index, neuron):
        up, down = (
            loss(
                read_outputs(
                    moved := change(sign * step), run_layers(moved, base, index, neuron), n_required
                )
            )
            for sign in (1, -1)
        )
        return (up - down) / (2 * step)

    def move_weight(depth, j, i):
        def change(h):
            weights = [[list(row) for row in w] if k == depth else w
                       for k, w in enumerate(trial.weights)]  # fmt: skip
            weights[depth][j][i] += h
            return replace(trial, weights=weights)

        return change

    def move_item(name, k):
        def change(h):
            values = list(getattr(trial, name))
            values[k] += h
            return replace(trial, **{name: values})

        return change

    weights = [
        [
            [slope(move_weight(depth, j, i), depth, i) for i in range(len(row))]
            for j, row in enumerate(w)
        ]
        for depth, w in enumerate(trial.weights)
    ]
    places = [(depth, i) for depth, n in enumerate(trial.sizes) for i in range(n)]
    initial = [slope(move_item("initial", k), depth, i) for k, (depth, i) in enumerate(places)]
    inputs = [
        slope(move_item("inputs", k), 0, None) if t <= trial.duration else m.mpf(0)
        for k, t in enumerate(trial.inputs)
    ]
    return weights, initial, inputs
