"""Where the 50-digit checks look: parameters, states, and the kernel functions in mpmath.

The functions evaluated here are the very kernel functions that code generation prints, taken from
`spiketheory.lower` and run branch by branch in arbitrary precision.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.derivation import Derivation
from spiketheory.lower import KernelBranch, KernelFunction, Lowering
from spiketheory.model import conjuncts
from spiketheory.verify_cases import Case, fail

Vector = list[mpf]
SEED = 20250109
CORNERS = ("1e8", "-1e8", "1e4", "-1e4")
EDGE = mpf(10) ** -6


def compile_kernels(derivation: Derivation) -> dict[str, Callable[..., Vector]]:
    """Lower a derivation and make every kernel function callable with mpmath numbers."""
    functions = Lowering(derivation).lower().functions
    return {function.name: compile_kernel(function) for function in functions}


def compile_kernel(function: KernelFunction) -> Callable[..., Vector]:
    """Make one kernel function callable; the first branch whose condition holds counts."""
    branches = [
        (
            sp.lambdify(list(function.arguments), branch.condition, "mpmath"),
            compile_body(function, branch),
        )
        for branch in function.branches
    ]

    def call(*arguments: mpf) -> Vector:
        for condition, body in branches:
            if condition(*arguments):
                return [value if isinstance(value, bool) else +value for value in body(*arguments)]
        raise AssertionError(f"no branch of {function.name} holds")

    return call


def compile_body(function: KernelFunction, branch: KernelBranch) -> Callable[..., Any]:
    """Run a branch's assignments, then its results."""

    def keep_assignments(*_: Any) -> tuple[Any, Any]:
        return branch.assignments, branch.results

    modules = [{"softplus": lambda z: mpmath.log1p(mpmath.exp(z))}, "mpmath"]
    results = [convert_number(value) for value in branch.results]
    branch = KernelBranch(
        condition=branch.condition, assignments=branch.assignments, results=tuple(results)
    )
    return sp.lambdify(list(function.arguments), results, modules, cse=keep_assignments)


def convert_number(value: sp.Basic) -> sp.Basic:
    """Integers would print as Python integers, which divide in double precision."""
    return sp.Float(value, 60) if isinstance(value, sp.Integer) else value
