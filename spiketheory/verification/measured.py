"""Check the change of variables where V is measured from a threshold that moves.

Everything else is verified of the model in X = V - theta(z), so what is left is that it is the
model as written, and that the printed functions go into its coordinates and out of them.
"""

import random
from collections.abc import Iterator, Sequence
from functools import partial

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.generation.kernel_ir import KernelIR
from spiketheory.language.symbols import WEIGHT
from spiketheory.symbolic.derivation import Check
from spiketheory.verification.gradients import compare_maps
from spiketheory.verification.places import (
    SEED,
    Kernels,
    Place,
    Vector,
    compile_in_digits,
)
from spiketheory.verification.tally import Tally, resolve

STATES = 4


def check_measured(ir: KernelIR, places: Sequence[Place]) -> Iterator[Check]:
    """Run the checks; nothing where the model is derived as it was written.

    Args:
        ir: The kernel functions.
        places: Parameters to look at.
    """
    derivation = ir.derivation
    if not derivation.is_measured:
        return
    tally = Tally("moving threshold", "correct the change of variables", "states")
    maps = Tally("gradient of the chart and the reset", "correct the chart or the reset")
    kernels, draw = Kernels(ir, as_written=True), random.Random(SEED)
    outer = [Place(kernels, p.parameters, draw) for p in places]
    change = Change(ir)
    for place in outer:
        for _ in range(STATES):
            state = [mpf(draw.gauss(0, 2)) for _ in derivation.shown.state]
            resolve(partial(change.compare, tally, place, state), tally)
            inside = place.run("enter_chart", *state)
            arguments = {"leave_chart": inside, "enter_chart": state, "reset": inside}
            resolve(partial(compare_maps, maps, place, arguments), maps)
    yield from tally.report()
    yield from maps.report()


class Change:
    """The model as written, in 50 digits.

    Args:
        ir: The kernel functions.
    """

    def __init__(self, ir: KernelIR) -> None:
        model, derivation = ir.derivation.shown, ir.derivation
        symbols = (*model.state, *(p.symbol for p in model.parameters))
        self.rate = compile_in_digits(symbols, model.derivatives)
        self.reset = compile_in_digits(symbols, model.reset)
        self.threshold = compile_in_digits(symbols, [model.spike.value])
        self.jumps = [compile_in_digits((*symbols, WEIGHT), jump) for _, jump in model.jumps]
        self.index = model.state.index(model.spike.variable)
        slopes = sp.Matrix(derivation.enter).jacobian(model.state)
        self.slopes = compile_in_digits((*model.state, *ir.constant_symbols), list(slopes))
        self.takes_input = model.takes_input

    def compare(self, tally: Tally, place: Place, state: Vector) -> None:
        """Compare both models at one state."""
        parameters = list(place.parameters.values())
        what = f"from {', '.join(mpmath.nstr(v, 8) for v in state)} at {place.name}"
        inside = place.run("enter_chart", *state)
        tally.compare(f"the state again {what}", place.to_state(inside), state, scale=1)
        flat, rate = self.slopes(*state, *place.constants), self.rate(*state, *parameters)
        n = len(state)
        want = [
            mpmath.fdot(flat[c * n : (c + 1) * n], rate) for c in range(len(inside))
        ]  # fmt: skip
        tally.compare(f"the velocity {what}", place.run("velocity", *inside), want, scale=1)
        weight = mpf(1) / 3
        for port, jump in enumerate(self.jumps if self.takes_input else ()):
            name, at = ("jump", ()) if len(self.jumps) == 1 else ("jump_at", (mpf(port),))
            got = place.run(name, *inside, weight, *at)
            after = jump(*state, *parameters, weight)
            tally.compare(f"an input {what}", got, place.run("enter_chart", *after), scale=1)
        on = list(state)
        (on[self.index],) = self.threshold(*state, *parameters)
        got = place.run("reset", *place.run("enter_chart", *on))
        after = self.reset(*on, *parameters)
        tally.compare(f"the reset {what}", got, place.run("enter_chart", *after), scale=1)
