"""Inputs at several ports: the functions that are printed against the model, in 50 digits."""

import random
from collections.abc import Iterator, Sequence

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.generation.kernel_ir import KernelIR
from spiketheory.language.symbols import WEIGHT
from spiketheory.symbolic.derivation import Check
from spiketheory.verification.gradients import differentiate_all
from spiketheory.verification.places import (
    SEED,
    Kernels,
    Vector,
    compile_domains,
)
from spiketheory.verification.tally import Tally

SPREAD = 0.1
ATTEMPTS = 100
N_SETTINGS, N_STATES = 2, 4


def check_ports(ir: KernelIR) -> Iterator[Check]:
    """The jump at every port, and its derivatives; nothing where there is one.

    Raises:
        VerificationError: If a number differs.
    """
    if ir.derivation.other_jumps:
        yield from PortCheck(ir).run()


class PortCheck:
    """States and parameters to look at, and what is compared there.

    Args:
        ir: The kernel functions.
    """

    def __init__(self, ir: KernelIR) -> None:
        self.ir, self.model = ir, ir.derivation.model
        self.kernels = Kernels(ir)
        self.draw = random.Random(SEED)
        self.jump = Tally("inputs at ports", "correct the jumps of the derivation", "states")
        self.slopes = Tally("gradient of inputs at ports", "correct the jumps", "gradients")
        symbols = [*self.model.state, WEIGHT, *(p.symbol for p in self.model.parameters)]
        self.jumps = [sp.lambdify(symbols, list(e), "mpmath") for _, e in self.model.jumps]

    def run(self) -> Iterator[Check]:
        """Look everywhere."""
        for parameters in self.list_parameters():
            constants = self.kernels.functions["constants"](*parameters)
            for state in self.list_states(parameters):
                for port in range(len(self.jumps)):
                    self.compare(parameters, constants, state, port)
        yield from self.jump.report()
        yield from self.slopes.report()

    def list_parameters(self) -> Iterator[Vector]:
        """The defaults, and others not far away."""
        defaults = {p.symbol: mpf(p.default) for p in self.model.parameters}
        admissible, found = compile_domains(self.ir.derivation), 1
        yield list(defaults.values())
        for _ in range(ATTEMPTS):
            drawn = {
                s: mpf(float(v * (1 + self.draw.uniform(-SPREAD, SPREAD))))
                for s, v in defaults.items()
            }
            if found < N_SETTINGS and admissible(drawn):
                found += 1
                yield list(drawn.values())

    def list_states(self, parameters: Vector) -> Iterator[Vector]:
        """Rest, and states that inputs at all ports lead to from there, one after the other."""
        symbols = [p.symbol for p in self.model.parameters]
        state = list(sp.lambdify(symbols, list(self.model.rest), "mpmath")(*parameters))
        for number in range(N_STATES):
            yield [mpf(v) for v in state]
            jump = self.jumps[number % len(self.jumps)]
            state = jump(*state, mpf(self.draw.uniform(0, 1)), *parameters)

    def compare(self, parameters: Vector, constants: Vector, state: Vector, port: int) -> None:
        """Compare one input."""
        functions, weight = self.kernels.functions, mpf(self.draw.uniform(0.25, 1))
        start = functions["enter_chart"](*state, *constants)
        after = functions["jump_at"](*start, weight, mpf(port), *constants)
        name = f"an input at {self.model.jumps[port][0]} from {', '.join(map(str, state))}"
        self.jump.compare(
            f"the state after {name}", functions["leave_chart"](*after, *constants),
            [mpf(v) for v in self.jumps[port](*state, weight, *parameters)],
        )  # fmt: skip
        bars = [mpf(k + 2) / (k + 3) * (-1) ** k for k in range(len(start))]
        n, m = len(start), len(start) + 1

        def run(*given: mpf) -> mpf:
            return dot(bars, functions["jump_at"](*given[:m], mpf(port), *given[m:]))

        given = [*start, weight, *constants]
        want = differentiate_all(run, given)
        scale = max(map(abs, [*want, *after]))
        arguments = (*start, weight, mpf(port), *constants, *bars)
        *got, by_time = functions["jump_at_vjp"](*arguments)
        self.slopes.compare(f"derivatives by state and weight of {name}", got, want[:m],
                            scale=scale)  # fmt: skip
        leaving = functions["velocity"](*after, *constants)
        arriving = dot(want[:n], functions["velocity"](*start, *constants))
        size = max([scale, *map(abs, leaving)])
        self.slopes.compare(f"the derivative by the time of {name}", [by_time],
                            [arriving - dot(bars, leaving)], scale=size)  # fmt: skip
        if "jump_at_constants_vjp" in functions:
            varied = next(f for f in self.ir.functions if f.name == "jump_at_constants_vjp").results
            places = [m + self.ir.constants.index(v.removeprefix("d_")) for v in varied]
            self.slopes.compare(f"derivatives by the constants of {name}",
                                functions["jump_at_constants_vjp"](*arguments),
                                [want[k] for k in places], scale=scale)  # fmt: skip


def dot(left: Sequence[mpf], right: Sequence[mpf]) -> mpf:
    """Scalar product."""
    return mpmath.fdot(zip(left, right, strict=True))
