"""The checks of derivations without a closed form: generated code against direct integration.

The very functions that code generation prints run in floating point, so a reference to 32 digits
(`spiketheory.reference.integrate`) is more than enough; it integrates the model's own equations.
"""

import importlib.util
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.generation.generate import list_imports, print_function
from spiketheory.generation.kernel_ir import KernelIR
from spiketheory.language.symbols import WEIGHT
from spiketheory.reference.integrate import Reference
from spiketheory.reference.neuron import Held
from spiketheory.symbolic.derivation import Check, Derivation
from spiketheory.verification.cases import MPMATH, fail
from spiketheory.verification.places import SEED, Vector, compile_domains
from spiketheory.verification.tally import Tally, show

TOLERANCE = mpf(10) ** -11
SPREAD = 0.1
LONGEST = mpf(30)
PATIENCE = mpf(1000)
"""How far to look for a spike if none comes within `LONGEST`, as in units of milliseconds."""
DIGITS = 32
STEP = mpf(10) ** -9
ROUNDING = mpf(2) ** -52
MARGIN = 100
"""So many times what a rounding error of the state changes in the reference may be an error."""
STATES = 3
HELD_PARTS = (mpf("0.4"), mpf(1))
"""How much of a refractory period passes."""
MANY = 3
"""Gradients of models with more variables are compared at the default parameters alone."""
ATTEMPTS = 100
PUSHES = (4, -4, 20, -20, 100, -100, 1000, -1000)
"""Inputs to try if none of the states leads to a spike."""
LARGEST = mpf(10) ** 300
"""A state beyond this has no place among floats."""
GENTLE = 2
"""After so many of them a late spike is better than stronger inputs."""


@dataclass(frozen=True)
class Setting:
    """One set of parameters: the generated functions, and the reference."""

    derivation: Derivation
    module: ModuleType
    parameters: dict[sp.Symbol, mpf]
    reference: Reference

    @property
    def numbers(self) -> tuple[float, ...]:
        """The constants of the generated functions."""
        return tuple(float(v) for v in self.parameters.values())

    def run(self, name: str, *arguments: float, after: Sequence[float] = ()) -> Vector:
        """Call a generated function, with the constants between ``arguments`` and ``after``."""
        result = getattr(self.module, name)(*map(float, arguments), *self.numbers, *after)
        return [mpf(v) for v in (result if isinstance(result, tuple) else (result,))]

    def to_chart(self, state: Sequence[mpf]) -> Vector:
        """Stored coordinates of a state."""
        return self.evaluate(self.derivation.chart.from_state, self.derivation.model.state, state)

    def to_state(self, coordinates: Sequence[mpf]) -> Vector:
        """The state of stored coordinates."""
        chart = self.derivation.chart
        return self.evaluate(chart.to_state, chart.coordinates, coordinates)

    def evaluate(
        self, expressions: Sequence[sp.Expr], symbols: Sequence[sp.Symbol], at: Sequence[mpf]
    ) -> Vector:
        """Evaluate expressions of a state or of coordinates."""
        compiled = sp.lambdify(
            [*symbols, *self.parameters], list(expressions), [MPMATH, "mpmath"], dummify=True
        )
        return [mpf(v) for v in compiled(*at, *self.parameters.values())]

    @property
    def place(self) -> str:
        """The parameters in words."""
        return ", ".join(f"{p} = {mpmath.nstr(v, 6)}" for p, v in self.parameters.items())


# Long: the tallies with their words.
def check_integrals(ir: KernelIR) -> Iterator[Check]:
    """Compare the generated integrator with the reference.

    Raises:
        VerificationError: If a number differs by more than `TOLERANCE`.
    """
    derivation = ir.derivation
    draw = random.Random(SEED)
    flow = Tally(
        "flow against direct integration",
        "correct the equations of the charts",
        "states",
        digits=DIGITS,
    )
    spike = Tally(
        "spike time against direct integration",
        "correct chart and surface",
        "spikes",
        digits=DIGITS,
    )
    reset = Tally("state after a spike", "correct the reset", "states", digits=DIGITS)
    slope = Tally(
        "gradient of the spike time",
        "correct the variational equations",
        "gradients",
        digits=DIGITS,
    )
    later = Tally(
        "gradient through a spike", "correct the variational equations", "gradients", digits=DIGITS
    )
    held = Tally("held flow", "correct the refractory period", "states", digits=DIGITS)
    with tempfile.TemporaryDirectory(prefix="spiketheory-") as folder:
        module = load_functions(ir, Path(folder))
        for number, setting in enumerate(list_settings(derivation, module, draw)):
            states = list_states(setting, draw)
            longest = find_longest(setting, states)
            for state in states:
                compare_spike(setting, state, longest, flow, spike, reset)
            if number == 0 or len(states[-1]) <= MANY:  # differences take most of the time
                compare_gradients(setting, states[-1], longest, slope, later)
            if derivation.refractory is not None:
                compare_held_flow(setting, states[-1], held)
    if not spike.compared:
        raise fail(
            "spike time against direct integration",
            f"a state of {derivation.model.name} that leads to a spike",
            f"none, with inputs up to {max(PUSHES)}",
            "give it defaults at which an input can make it spike",
        )
    for tally in (flow, spike, reset, slope, later, held):
        yield from tally.report()


def load_functions(ir: KernelIR, folder: Path) -> ModuleType:
    """Import the generated functions from a file."""
    texts = [*ir.texts, *(print_function(f) for f in ir.functions if f.name.startswith("held_"))]
    path = folder / "functions.py"
    text = "\n\n\n".join([list_imports("\n".join(texts)), *texts])
    path.write_text(text + "\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"verified_{ir.derivation.model.digest}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def list_settings(
    derivation: Derivation, module: ModuleType, draw: random.Random
) -> Iterator[Setting]:
    """The default parameters, and others not far away."""
    model = derivation.model
    defaults = {p.symbol: mpf(p.default) for p in model.parameters}
    yield Setting(derivation, module, defaults, Reference(model, defaults, digits=DIGITS))
    admissible = compile_domains(derivation)
    for _ in range(ATTEMPTS):
        drawn = {
            p: mpf(float(v * (1 + draw.uniform(-SPREAD, SPREAD)))) for p, v in defaults.items()
        }
        if admissible(drawn):
            yield Setting(derivation, module, drawn, Reference(model, drawn, digits=DIGITS))
            return


def list_states(setting: Setting, draw: random.Random) -> list[Vector]:
    """States at rest, as after a reset and between, each pushed by an input that may be strong."""
    model = setting.derivation.model
    rest = setting.evaluate(model.rest, (), ())
    after = [
        b if r == -sp.oo else a
        for r, a, b in zip(
            model.reset, setting.evaluate(
                [sp.S.Zero if r == -sp.oo else r for r in model.reset], model.state, rest
            ), rest, strict=True,
        )
    ]  # fmt: skip
    states = []
    for k in range(STATES):
        middle = [a + (b - a) * k / (STATES - 1) for a, b in zip(after, rest, strict=True)]
        states.append(push(setting, middle, sp.Rational(draw.uniform(0, 1 + k))))
    for number, strength in enumerate(PUSHES):
        longest = LONGEST if number < GENTLE else PATIENCE
        if any(spikes_within(setting, state, longest) for state in states):
            break
        states.append(push(setting, rest, sp.Integer(strength)))
    return states


def push(setting: Setting, state: Vector, weight: sp.Expr) -> Vector:
    """A state after an input, as floats; the input is halved until it alone is no spike."""
    model = setting.derivation.model
    index = model.state.index(model.spike.variable)
    while True:
        jump = [e.xreplace({WEIGHT: weight}) for e in model.jump]
        moved = [mpf(float(v)) for v in setting.evaluate(jump, model.state, state)]
        if model.spike.is_blowup or moved[index] < setting.reference.target:
            return moved
        weight /= 2


def find_longest(setting: Setting, states: Sequence[Vector]) -> mpf:
    """How far to look ahead: `LONGEST`, or to the first spike if none comes sooner."""
    first = min(find_wait(setting, setting.to_chart(state), PATIENCE) for state in states)
    return first * mpf("1.01") if LONGEST < first <= PATIENCE else LONGEST


def spikes_within(setting: Setting, state: Vector, longest: mpf) -> bool:
    """Whether a state leads to a spike that the reference can follow."""
    return bool(find_wait(setting, setting.to_chart(state), longest) <= longest)


def find_wait(setting: Setting, coordinates: Vector, longest: mpf) -> mpf:
    """The time to the spike; oo if it is longer than ``longest``, which is not integrated."""
    if not setting.run("will_spike", *coordinates, longest)[0]:
        return mpmath.inf
    return setting.run("time_to_spike", *coordinates)[0]


def compare_spike(
    setting: Setting, state: Vector, longest: mpf, flow: Tally, spike: Tally, reset: Tally
) -> None:
    """Compare time to spike, what `will_spike` says, the state on the way, and after the spike."""
    coordinates = setting.to_chart(state)
    wait = find_wait(setting, coordinates, longest)
    where = f"({show(state)}) at {setting.place}"
    part = min(wait, longest) / 3
    there, early = setting.reference.follow(state, part)
    if any(abs(v) > LARGEST for v in there):
        return
    spike.demand(early is None, f"no spike within {show([part])} from {where}", "one")
    reached = setting.to_state(setting.run("flow", *coordinates, part))
    compare(flow, f"the state after {show([part])} from {where}", reached, there,
            lambda: setting.reference.follow(nudge(state), part)[0], scale=1)  # fmt: skip
    (spikes,) = setting.run("will_spike", *coordinates, part)
    spike.demand(not spikes, f"no spike predicted within {show([part])}", "one")
    ahead = wait if wait <= longest else longest - part
    arrived, rest = setting.reference.arrive(there, ahead)
    if wait > longest:
        spike.demand(rest is None, f"no spike from {where} within {show([longest])}", "one")
        return
    spike.demand(rest is not None, f"a spike after {show([wait])} from {where}", "none")

    def find_nudged() -> Vector:
        _, moved = setting.reference.arrive(nudge(there), ahead)
        return [part + (moved or part)]

    compare(spike, f"the time to spike from {where}", [wait], [part + (rest or 0)], find_nudged)
    (spikes,) = setting.run("will_spike", *coordinates, wait * mpf("1.001"))
    spike.demand(bool(spikes), f"a spike predicted within {show([wait])} from {where}", "none")
    fired = setting.run("fire", *coordinates, wait)
    compare(
        reset, f"the state after the spike from {where}", fired, expected_after(setting, arrived),
        lambda: expected_after(setting, setting.reference.arrive(nudge(there), ahead)[0]), scale=1,
    )  # fmt: skip


def nudge(state: Sequence[mpf]) -> Vector:
    """A state changed by rounding errors."""
    return [v * (1 + ROUNDING) for v in state]


def compare(
    tally: Tally, what: str, got: Vector, want: Vector, nudged: Callable[[], Vector], *,
    scale: int = 0,
) -> None:  # fmt: skip
    """Compare, with a tolerance that follows from the condition of what is compared.

    Args:
        tally: The check.
        what: What is compared.
        got: From the generated functions.
        want: From the reference.
        nudged: The same from a state changed by rounding errors; asked for if it matters.
        scale: See `Tally.compare`.
    """
    size = max([mpf(scale), *map(abs, want)]) or mpf(1)
    tolerance = TOLERANCE
    if max(abs(g - w) for g, w in zip(got, want, strict=True)) > tolerance * size:
        change = max(abs(n - w) for n, w in zip(nudged(), want, strict=True)) / size
        tolerance = max(tolerance, MARGIN * change)
    tally.compare(what, got, want, scale=scale, tolerance=tolerance)


def compare_held_flow(setting: Setting, state: Vector, tally: Tally) -> None:
    """Compare the flow of the refractory period and its derivatives with direct integration."""
    model, chart = setting.derivation.model, setting.derivation.chart
    reference = Held(model, setting.parameters, DIGITS)
    if reference.reference is None:
        return
    # Before the reset, so that nothing is infinite; all states are alike to the held flow.
    start = setting.to_chart(state)
    free = [(i, chart.coordinates.index(s)) for i, s in enumerate(model.state)
            if not reference.is_held[i]]  # fmt: skip
    where = f"({show(state)}) at {setting.place}"
    for part in HELD_PARTS:
        duration = reference.time * part
        ends = reference.follow(state, duration)
        reached = setting.run("held_flow", *start, duration)
        tally.compare(f"the held state after {show([duration])} from {where}",
                      [reached[c] for _, c in free], [ends[i] for i, _ in free], scale=1,
                      tolerance=TOLERANCE)  # fmt: skip
        for i, c in free:
            covector = [1.0 if k == c else 0.0 for k in range(len(start))]
            got = setting.run("held_flow_vjp", *start, duration, after=covector)
            want = []
            for j, _ in free:
                pair = []
                for sign in (1, -1):
                    moved = list(state)
                    moved[j] += sign * STEP
                    pair.append(reference.follow(moved, duration)[i])
                want.append((pair[0] - pair[1]) / (2 * STEP))
            tally.compare(f"the derivative of the held flow from {where}",
                          [got[d] for _, d in free], want, scale=1,
                          tolerance=TOLERANCE)  # fmt: skip


def expected_after(setting: Setting, arrived: Vector) -> Vector:
    """Stored coordinates after a spike at a state; the potential itself does not matter."""
    model, chart = setting.derivation.model, setting.derivation.chart
    if chart.projective:
        kept = [v for s, v in zip(model.state, arrived, strict=True) if s != model.spike.variable]
        others = [r for s, r in zip(model.state, model.reset, strict=True)
                  if s != model.spike.variable]  # fmt: skip
        names = [s for s in model.state if s != model.spike.variable]
        return [mpf(-1), mpf(0), *setting.evaluate(others, names, kept)]
    return setting.evaluate(model.reset, model.state, arrived)


def compare_gradients(
    setting: Setting, state: Vector, longest: mpf, slope: Tally, later: Tally
) -> None:
    """Compare the gradient of the spike time with differences of the reference's."""
    coordinates = setting.to_chart(state)
    (wait,) = setting.run("time_to_spike", *coordinates)
    if wait > longest:
        return
    size = len(coordinates)
    nothing = [0.0] * size
    got = setting.run("fire_vjp", *coordinates, wait, after=[*nothing, 1.0])
    found = differentiate(setting, state, wait)
    if found is None:
        return
    waits, ends = found
    want = pull_to_chart(setting, coordinates, waits)

    def find_nudged() -> Vector:
        other = differentiate(setting, nudge(state), wait)
        return pull_to_chart(setting, coordinates, other[0]) if other else want

    compare(slope, f"the gradient of the spike time from {show(state)}", got, want, find_nudged)
    arrived, _ = setting.reference.arrive(state, 2 * wait)
    compare_later(setting, coordinates, wait, (arrived, waits, ends), later)


def differentiate(setting: Setting, state: Vector, wait: mpf) -> tuple[Vector, list[Vector]] | None:
    """Differences of the reference's spike time, and of its state then, by each variable."""
    waits, ends = [], []
    for i in range(len(state)):
        pair = []
        for sign in (1, -1):
            moved = list(state)
            moved[i] += sign * STEP
            pair.append(setting.reference.arrive(moved, 2 * wait))
        (above, up), (below, down) = pair
        if up is None or down is None:
            return None
        waits.append((up - down) / (2 * STEP))
        ends.append([(a - b) / (2 * STEP) for a, b in zip(above, below, strict=True)])
    return waits, ends


def pull_to_chart(setting: Setting, coordinates: Vector, slopes: Vector) -> Vector:
    """Derivatives by the stored coordinates, from those by the state."""
    chart = setting.derivation.chart
    jacobian = sp.Matrix(chart.to_state).jacobian(chart.coordinates)
    flat = setting.evaluate(list(jacobian), chart.coordinates, coordinates)
    size = len(coordinates)
    return [sum(s * flat[i * size + j] for i, s in enumerate(slopes)) for j in range(size)]


def compare_later(
    setting: Setting, coordinates: Vector, wait: mpf,
    found: tuple[Vector, Vector, list[Vector]], later: Tally,
) -> None:  # fmt: skip
    """Compare the derivative of the other variables after the spike, at a fixed time.

    Args:
        setting: The setting.
        coordinates: Where to start.
        wait: The time to the spike.
        found: The state at the spike, and derivatives of its time and of the state then.
        later: What counts the comparisons.
    """
    arrived, waits, ends = found
    model, chart = setting.derivation.model, setting.derivation.chart
    kept = [i for i, s in enumerate(model.state) if s != model.spike.variable]
    if not kept:
        return
    i = kept[0]
    place = chart.coordinates.index(model.state[i])
    covector = [1.0 if c == place else 0.0 for c in range(len(coordinates))]
    got = setting.run("fire_vjp", *coordinates, wait, after=[*covector, 0.0])
    fired = setting.run("fire", *coordinates, wait)
    (leaving,) = setting.evaluate([chart.field[place]], chart.coordinates, fired)
    # V is on the threshold, or infinite where no reset depends on it.
    slopes = setting.evaluate(
        [model.reset[i].diff(model.state[j]) for j in kept], model.state, arrived
    )
    want = [
        sum((s * end[j] for s, j in zip(slopes, kept, strict=True)), mpf(0)) - leaving * w
        for end, w in zip(ends, waits, strict=True)
    ]
    later.compare("the derivative of the state after a spike", got,
                  pull_to_chart(setting, coordinates, want), scale=1,
                  tolerance=TOLERANCE)  # fmt: skip
