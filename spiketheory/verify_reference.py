"""Direct integration of a model's own equation to 50 digits, which knows no closed form.

Extrapolation of the modified midpoint rule (Gragg, Bulirsch and Stoer) with step control. A
variable that blows up is followed as V where ``|V| <= 1`` and as W = 1/V elsewhere, so that the
spike, W = 0, is a regular point. The last stretch is integrated with the spiking variable in the
place of time, which ends on the spike exactly (M. Henon, Physica D 5, 412, 1982).
"""

from collections.abc import Callable, Mapping, Sequence

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.errors import VerificationError
from spiketheory.model import NeuronModel

Vector = list[mpf]
Field = Callable[[Vector], Vector]

MAX_ROWS = 40
MAX_STEPS = 400
WORKING_DIGITS = 60
ROWS_WANTED = 26
TOLERANCE = mpf(10) ** -54


def extrapolate_step(field: Field, start: Vector, step: mpf) -> tuple[Vector, int]:
    """One step; returns the end and the number of rows it took, 0 if it did not converge."""
    slope = field(start)
    previous: list[Vector] = []
    for row in range(1, MAX_ROWS + 1):
        count = 2 * row
        h = step / count
        old, new = start, [y + h * k for y, k in zip(start, slope, strict=True)]
        for _ in range(count - 1):
            k = field(new)
            old, new = new, [a + 2 * h * b for a, b in zip(old, k, strict=True)]
        current = [new]
        for j, coarse in enumerate(previous):
            small, fine = (row - j - 1) ** 2, current[-1]
            current.append([
                f + (f - c) * small / (row * row - small) for f, c in zip(fine, coarse, strict=True)
            ])  # fmt: skip
        if row > 4:
            change = max(abs(a - b) for a, b in zip(current[-1], current[-2], strict=True))
            size = max(map(abs, current[-1])) + abs(step)
            if change <= TOLERANCE * size:
                return current[-1], row
            if row > 8 and change > size:
                break
        previous = current
    return start, 0


class Reference:
    """A model's equation at one set of parameters.

    Args:
        model: The model.
        parameters: A value for every parameter, by symbol.

    Raises:
        VerificationError: If the spike's threshold depends on the state.
    """

    def __init__(self, model: NeuronModel, parameters: Mapping[sp.Symbol, mpf]) -> None:
        spike, names = model.spike, list(parameters)
        if spike.value.free_symbols - set(names):
            raise VerificationError(
                f"Check 'direct integration' failed: expected a spike at a constant value but got "
                f"{spike.variable} = {spike.value}; extend spiketheory.verify_reference first."
            )
        self.index = model.state.index(spike.variable)
        self.is_blowup = spike.is_blowup
        charts = {False: (model.state, model.derivatives)}
        if self.is_blowup:
            charts[True] = invert(model, sp.Dummy("W", real=True))
        self.fields = {
            chart: bind(state, parameters, derivatives)
            for chart, (state, derivatives) in charts.items()
        }
        value = 0 if self.is_blowup else spike.value
        self.target = bind((), parameters, [value])([])[0]

    def swap(self, vector: Vector) -> Vector:
        """From V to 1/V or back."""
        return [1 / v if i == self.index else v for i, v in enumerate(vector)]

    def is_far(self, vector: Vector, inverted: bool) -> bool:
        """Whether a state is better described by 1/V."""
        if not self.is_blowup:
            return False
        return bool((abs(vector[self.index]) < 1) == inverted)

    def follow(self, state: Vector, duration: mpf) -> tuple[Vector, mpf | None]:
        """Integrate over ``duration`` or up to the spike.

        Returns:
            The state, and None; or the state before the spike's step, and the spike's time.
        """
        with mpmath.workdps(WORKING_DIGITS):
            return self.follow_precisely(state, duration)

    def follow_precisely(self, state: Vector, duration: mpf) -> tuple[Vector, mpf | None]:
        """Integrate as `follow` does, in the working precision that the caller has set."""
        inverted = self.is_far(state, False)
        vector = self.swap(state) if inverted else list(state)
        left, step = duration, mpf(1) / 8
        for _ in range(MAX_STEPS):
            step = min(step, left)
            end, rows = extrapolate_step(self.fields[inverted], vector, step)
            if not rows:
                step /= 2
                continue
            if self.crosses(vector, end, inverted):
                spike = duration - left + self.reach(vector, inverted)
                return (self.swap(vector) if inverted else vector), spike
            vector, left = end, left - step
            if not left:
                return (self.swap(vector) if inverted else vector), None
            if self.is_far(vector, inverted) != inverted:
                vector, inverted = self.swap(vector), not inverted
            step = step * 3 / 2 if rows < ROWS_WANTED else step
        raise stuck(duration)

    def crosses(self, start: Vector, end: Vector, inverted: bool) -> bool:
        """Whether the spike lies between two states."""
        before, after = start[self.index] - self.target, end[self.index] - self.target
        if self.is_blowup:
            return bool(inverted and before > 0 >= after)
        return bool(before < 0 <= after)

    def reach(self, vector: Vector, inverted: bool) -> mpf:
        """Time to the spike from a state near it: integrates over the spiking variable."""
        field, index = self.fields[inverted], self.index

        def by_variable(extended: Vector) -> Vector:
            slopes = field(extended[:-1])
            speed = slopes[index]
            return [*(slope / speed for slope in slopes), 1 / speed]

        extended = [*vector, mpf(0)]
        left = step = self.target - vector[index]
        for _ in range(MAX_STEPS):
            step = step if abs(step) < abs(left) else left
            end, rows = extrapolate_step(by_variable, extended, step)
            if not rows:
                step /= 2
                continue
            extended, left = end, left - step
            if not left:
                return extended[-1]
        raise stuck(left)


def invert(
    model: NeuronModel, inverse: sp.Symbol
) -> tuple[tuple[sp.Symbol, ...], tuple[sp.Expr, ...]]:
    """Write the equations with W = 1/V in the place of the variable V that blows up."""
    variable = model.spike.variable
    state, derivatives = [], []
    for symbol, derivative in zip(model.state, model.derivatives, strict=True):
        factor = -(inverse**2) if symbol == variable else sp.S.One
        state.append(inverse if symbol == variable else symbol)
        derivatives.append(sp.cancel(factor * derivative.subs(variable, 1 / inverse)))
    return tuple(state), tuple(derivatives)


def bind(
    state: Sequence[sp.Symbol], parameters: Mapping[sp.Symbol, mpf], values: Sequence[sp.Expr]
) -> Field:
    """Compile expressions of the state at given parameters."""
    compiled = sp.lambdify([*state, *parameters], list(values), "mpmath", cse=True)
    numbers = tuple(parameters.values())
    return lambda vector: [mpf(v) for v in compiled(*vector, *numbers)]


def stuck(span: mpf) -> VerificationError:
    """Make the error of an integration that does not get to its end."""
    return VerificationError(
        f"Check 'direct integration' failed: expected the model's equation to be integrated over "
        f"{mpmath.nstr(span, 5)} in {MAX_STEPS} steps but got stuck; check that its derivatives "
        "are smooth."
    )
