"""Connections that are described, not listed: a rule, a seed, and distributions of what they have.

They are laid out when an engine asks (`sim.network.rows`, or as a sparse matrix), each time the
same ones: whom a neuron hears is drawn from a key and its number, what a connection has from a key
and its two ends (`sim.network.random_kernels`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.network.connections import Connections
from sim.network.distribution import KINDS, Distribution
from sim.network.random_kernels import make_key
from sim.network.row_kernels import Desk, Rule
from sim.network.row_layout import (
    FLOAT32,
    FLOAT64,
    MOST_CLASSES,
    MOST_TICKS,
    ONE,
    Layout,
    Part,
    cut_evenly,
    find_unit,
    lay_out,
    link_kernels,
    list_entries,
    reopen,
    sort_entries,
)
from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError, check_choice, check_finite

RULES = ("in_degree", "out_degree", "probability", "total")
PRECISIONS = ("float32", "float64")
SHORTEST, LONGEST = 1e-200, 1e200
"""Between these must be the longest delay that may be drawn."""


# Long: half of it says what it takes.
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Drawn(Connections):
    """Connections between two groups by a rule, none twice; stands in the place of weights.

    Attributes:
        rule: ``in_degree``: every neuron hears ``number`` different ones; ``out_degree``: every
            neuron or channel is heard by so many; ``total``: so many pairs, all equally likely;
            ``probability``: every pair with this probability.
        number: See ``rule``.
        shape: Numbers of those that hear and are heard, (n_post, n_pre).
        weight: One for all, or what each is drawn from.
        delay: One for all, or what each is drawn from [time].
        seed: Seed.
        stream: Tells apart what is drawn with one seed, such as the projections of a network.
        self_connections: Whether neuron i may hear neuron i; for groups of equal size.
        precision: ``float32`` or ``float64``: how weights that are drawn are kept. Engines compute
            in double precision with either.
    """

    rule: str
    number: float
    shape: tuple[int, int]
    weight: float | Distribution = 1.0
    delay: float | Distribution = 0.0
    seed: int = 0
    stream: int = 0
    self_connections: bool = True
    precision: str = "float64"

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, RULES)
        check_choice("precision of weights", self.precision, PRECISIONS)
        n_post, n_pre = self.shape
        if not (0 < n_post < 2**31 and 0 < n_pre < 2**31):
            raise InputError(
                f"Expected 1 to {2**31 - 1} neurons on either side of drawn connections but got "
                f"{n_pre} -> {n_post}; split the population."
            )
        if not self.self_connections and n_post != n_pre:
            raise InputError(
                "Expected self_connections=False from a population to itself but got "
                f"{n_pre} -> {n_post} neurons; leave it out."
            )
        for name in ("weight", "delay"):
            value = getattr(self, name)
            if not isinstance(value, Distribution):
                check_finite(name, np.array(value, np.float64))
                object.__setattr__(self, name, float(value))
        if isinstance(self.weight, Distribution) and self.weight.resolution:
            raise InputError(
                f"Expected no resolution of weights but got {self.weight.resolution:g}; it is for "
                "delays."
            )
        self.check_delays()
        self.check_number()

    def check_delays(self) -> None:
        """Raise `InputError` if delays are negative, or beyond what their steps can count."""
        given = self.delay
        least = given.least if isinstance(given, Distribution) else given
        if least < 0:
            raise InputError(
                f"Expected delays >= 0 of drawn connections but got {least:g} as the least; raise "
                "it, or give the distribution at_least."
            )
        most = self.longest_delay
        if isinstance(given, Distribution) and not (most == 0 or SHORTEST <= most <= LONGEST):
            raise InputError(
                f"Expected delays from {SHORTEST:g} to {LONGEST:g} as the longest that are drawn "
                f"but got {most:g}; give times in another unit."
            )

    def check_number(self) -> None:
        """Raise `InputError` if there are fewer to connect than the rule asks for."""
        if self.rule == "probability":
            if not 0 <= self.number <= 1:
                raise InputError(
                    f"Expected a probability from 0 to 1 but got {self.number}; correct it."
                )
            return
        most = {"in_degree": self.room, "out_degree": self.room_out, "total": self.n_pairs}
        whole = isinstance(self.number, int | np.integer) and not isinstance(self.number, bool)
        if not whole or not 0 <= self.number <= most[self.rule]:
            raise InputError(
                f"Expected a whole number from 0 to {most[self.rule]} for the rule {self.rule} of "
                f"{self.shape[1]} -> {self.shape[0]} neurons but got {self.number!r}; lower it or "
                "add neurons."
            )

    @property
    def room(self) -> int:
        """How many a neuron may hear."""
        return self.shape[1] - (not self.self_connections)

    @property
    def room_out(self) -> int:
        """By how many one may be heard."""
        return self.shape[0] - (not self.self_connections)

    @property
    def n_pairs(self) -> int:
        """How many connections there may be at most."""
        return self.shape[0] * self.room

    @property
    def n_expected(self) -> float:
        """How many connections there are, with ``probability`` on average."""
        per_row = {"in_degree": self.shape[0], "out_degree": self.shape[1], "total": 1}
        return float(self.number) * per_row.get(self.rule, self.n_pairs)

    @cached_property
    def n_connections(self) -> int:
        """How many there are; with ``probability`` they are drawn to be counted."""
        if self.rule != "probability":
            return round(self.n_expected)
        bounds = cut_evenly(self.shape[0])
        starts = np.zeros((1, 1, self.shape[1] + 1), np.int32)
        part, total = self.make_part(0.0), 0
        for block in range(len(bounds) - 1):
            starts[:] = 0
            part.count(bounds[block : block + 2], starts)
            total += int(starts.sum(dtype=np.int64))
        return total

    @property
    def largest_weight(self) -> float:
        """No weight is larger, of either sign."""
        given = self.weight
        return given.largest if isinstance(given, Distribution) else abs(given)

    @property
    def shortest_delay(self) -> float:
        """No delay is shorter [time]."""
        return self.delay.least if isinstance(self.delay, Distribution) else self.delay

    @property
    def longest_delay(self) -> float:
        """No delay is longer [time]."""
        return self.delay.most if isinstance(self.delay, Distribution) else self.delay

    def make_key(self, purpose: str) -> np.ndarray:
        """Key of what is drawn for a purpose: connections, counts, weights or delays."""
        return make_key(self.seed, self.stream, purpose)

    def make_part(self, ticks: float) -> "DrawnPart":
        """Set out on the way into rows; with 0 ticks delays stay times."""
        return DrawnPart(self, ticks)

    def list_all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Sources, targets, weights and delays of all connections, by target, then source."""
        part, bounds = self.make_part(0.0), cut_evenly(self.shape[0])
        arrays, (layout,) = lay_out([part], [bounds], step=1.0, delay_type=np.float64, places=False)
        sources, targets = list_entries(layout)
        order = sort_entries(sources, targets, self.shape)
        weights = (
            np.full(len(order), part.weight) if part.kind == ONE else arrays.weights[part.kind]
        )
        delays = arrays.delays
        if not part.unit:
            delays = np.repeat(np.tile(part.delays, len(layout.blocks)), layout.sizes.reshape(-1))
        return sources[order], targets[order], weights[order].astype(np.float64), delays[order]


class DrawnPart(Part):
    """Connections that a rule draws.

    Args:
        drawn: The rule.
        ticks: How many of them make a unit of time; 0 if delays shall stay times.
    """

    def __init__(self, drawn: Drawn, ticks: float) -> None:
        self.drawn, self.ticks = drawn, ticks
        self.n_sources, self.unit = drawn.shape[1], 0
        self.kind, self.weight = ONE, 0.0
        if isinstance(drawn.weight, Distribution):
            self.kind = FLOAT32 if drawn.precision == "float32" else FLOAT64
        else:
            self.weight = drawn.weight
        self.degrees = find_degrees(drawn)
        self.set_delays(drawn.delay)

    def set_delays(self, delays: float | Distribution) -> None:
        """Find out which different delays there may be."""
        if not isinstance(delays, Distribution) or delays.kind == "choice":
            given = np.array(delays.numbers if isinstance(delays, Distribution) else (delays,))
            self.delays = np.rint(given * self.ticks) if self.ticks else given
            self.longest = float(self.delays.max())
            if len(given) > MOST_CLASSES:
                self.unit = find_unit(self.delays) if self.ticks else 1
                self.delays = self.delays.min(keepdims=True)
            return
        steps = self.list_steps(delays, 1.0)
        shortest, self.longest = (
            link_kernels().round_delay(end, KINDS[delays.kind], steps)
            for end in (delays.least, delays.most)
        )
        self.delays = np.array([shortest])
        unit = delays.step * self.ticks
        self.unit = round(unit) if unit >= 1 and self.longest <= MOST_TICKS else 1

    def list_steps(self, delays: Distribution, unit: float) -> np.ndarray:
        """What `sim.network.row_kernels.round_delay` is given."""
        least = float(delays.least > 0)
        return np.array([delays.step, *delays.step_as_decimal, self.ticks, unit, least])

    @property
    def is_sent(self) -> bool:
        """Whether rows are drawn source by source."""
        return self.drawn.rule == "out_degree"

    def make_rule(self) -> Rule:
        """What the kernels that draw rows are given."""
        drawn = self.drawn
        return Rule(
            key=drawn.make_key("connections"),
            delay_key=drawn.make_key("delays"),
            room=drawn.room_out if self.is_sent else drawn.room,
            p=float(drawn.number) if drawn.rule == "probability" else -1.0,
            degrees=self.degrees,
            skips_own=not drawn.self_connections,
        )

    def make_desk(self) -> Desk:
        """Where a row is drawn; each thread has its own."""
        most = max(self.drawn.shape)
        return Desk(np.empty(most, np.int64), np.zeros(most // 64 + 1, np.int64))

    def split_sources(self) -> np.ndarray:
        """The sources in parts that threads share."""
        return np.linspace(0, self.n_sources, 8 * get_thread_count() + 1).astype(np.int64)

    def count(self, bounds: np.ndarray, starts: np.ndarray) -> None:
        """See `Part`."""
        rule, kernels = self.make_rule(), link_kernels()
        ends = self.split_sources() if self.is_sent else bounds

        def count(task: int) -> None:
            own, desk = ends[task : task + 2], self.make_desk()
            if self.is_sent:
                kernels.count_sent(rule, own, bounds, starts, desk)
            else:
                kernels.count_heard(rule, own, starts[task], desk)

        run_on_threads(count, len(ends) - 1, get_thread_count())

    def fill(self, layout: Layout, step: float) -> None:
        """See `Part`."""
        rule, kernels = self.make_rule(), link_kernels()
        ends = self.split_sources() if self.is_sent else layout.bounds
        places, targets = layout.targets_at, layout.targets

        def fill(task: int) -> None:
            own, desk = ends[task : task + 2], self.make_desk()
            if self.is_sent:
                kernels.fill_sent(rule, own, layout.bounds, layout.starts, desk, places, targets)
            else:
                kernels.fill_heard(rule, own, layout.starts[task], desk, places[task], targets)

        def finish(block: int) -> None:
            reopen(layout, block)
            for place in range(len(self.delays)):
                self.draw_rest(layout, step, block, place)

        run_on_threads(fill, len(ends) - 1, get_thread_count())
        run_on_threads(finish, len(layout.blocks), get_thread_count())
        if layout.places.size:
            order = sort_entries(*list_entries(layout), self.drawn.shape)
            layout.places[layout.targets_at[0, 0] :][order] = np.arange(len(order))

    def draw_rest(self, layout: Layout, step: float, block: int, place: int) -> None:
        """Draw weights and delays of a block's connections of one class."""
        n, at = layout.sizes[block, place], layout.targets_at[block, place]
        rows = layout.bounds[block], layout.starts[block, place], layout.targets[at : at + n]
        weight, delay = self.drawn.weight, self.drawn.delay
        if isinstance(weight, Distribution):
            spread = weight.make_spread(self.drawn.make_key("weights"))
            rounds = self.drawn.precision == "float32"
            for copy, factor in enumerate(self.factors):
                out = layout.weights[layout.weights_at[copy, block, place] :][:n]
                link_kernels().draw_weights(spread, rounds, factor, *rows, out)
        if isinstance(delay, Distribution) and self.unit:
            spread, at = (
                delay.make_spread(self.drawn.make_key("delays")),
                layout.delays_at[block, 0],
            )
            steps = self.list_steps(delay, step)
            link_kernels().draw_delays(spread, steps, *rows, layout.delays[at : at + n])


def find_degrees(drawn: Drawn) -> np.ndarray:
    """How many each row has, or all have; nothing of the kind with ``probability``."""
    if drawn.rule == "probability":
        return np.zeros(1, np.int64)
    if drawn.rule != "total":
        return np.array([drawn.number], np.int64)
    counts = np.zeros(drawn.shape[0], np.int64)
    few = min(drawn.number, drawn.n_pairs - drawn.number)  # else those that there are not
    link_kernels().draw_counts(drawn.make_key("counts"), few, drawn.room, counts)
    return counts if few == drawn.number else drawn.room - counts
