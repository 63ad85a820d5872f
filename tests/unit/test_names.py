"""A model may use every name that Python allows: none means something else in generated code.

Names that mean something in equations are refused (`spiketheory.language.symbols`); all others work
like any other, in every method and on every target.
"""

import builtins
import keyword
import math
from functools import lru_cache

import mpmath
import numpy as np
import pytest
import sympy as sp
from models import derive_once, make_model, verify_derivation

from spiketheory.generation.generate import generate
from spiketheory.generation.interface import INTERFACE
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.generation.lower import lower
from spiketheory.language.functions import LIBRARY
from spiketheory.language.printers import CODE_NAMES, name_in_code
from spiketheory.language.symbols import find_name_fault
from spiketheory.runtime.special_mpmath import FUNCTIONS
from spiketheory.symbolic.derive import derive
from spiketheory.verification.cases import MPMATH

OURS = {
    *CODE_NAMES, *LIBRARY, *FUNCTIONS, *MPMATH, *INTERFACE,
    *("mpf", "mpc", "inf", "nan", "numpy", "math", "array", "place", "over", "neuron", "row"),
    *("step", "like", "branch_1", "branch_2", "t0", "t1", "x0", "l_V", "g_time", "g_k", "elapsed"),
    *("V0", "u", "x", "y", "a", "b", "beta", "omega", "turns", "E", "I", "S", "N", "Q", "O"),
    *("gamma", "zeta", "LambertW", "Lambda", "own_float", "P_V_V", "P_V_0"),
    *("print", "exec", "self", "taylor"),
}  # fmt: skip
"""Names of the generated code, of its namespaces and of what it is printed by."""
THEIRS = {*dir(builtins), *keyword.softkwlist, *dir(math), *dir(mpmath), *sp.__all__}


FIRST = {
    *CODE_NAMES, "array", "branch_1", "inf", "l_V", "mpf", "over", "place", "t0", "taylor", "x0",
}  # fmt: skip
"""Those that the generated functions themselves use; the others run by hand."""


def free(names):
    return sorted(n for n in names if find_name_fault(n) is None)


def split(names, size):
    return [names[i : i + size] for i in range(0, len(names), size)]


def mark(names, size):
    """Rings of names that one model uses at a time, of which only the first run in the gate.

    Each is ``size`` names that it gives to its state variables, and as many to its parameters;
    every name is once a state variable and once a parameter.
    """
    first, others = free(FIRST & {*names}), free({*names} - FIRST)
    return [
        *(pytest.param(ring, id=ring[0]) for ring in link(first, size)),
        *(pytest.param(ring, id=ring[0], marks=pytest.mark.slow) for ring in link(others, size)),
    ]


def link(names, size):
    """Every ``size`` names, and as many after them; the last are followed by the first."""
    return [(names * 2)[i : i + 2 * size] for i in range(0, len(names), size)]


def make_linear(names, state="V", rate="k"):
    """A neuron with many parameters that enter alike; each is 1/n."""
    total = " + ".join(names)
    return make_model(
        f"d{state}/dt = -{rate}*{state} + 1.5*({total})",
        spike=f"{state} = 1",
        reset=f"{state} = 0",
        input=f"{state} += w",
        rest={state: 0},
        parameters={n: {"default": 1 / len(names)} for n in names}
        | {rate: {"default": 1.0, "domain": f"{rate} > 0"}},
    )


@lru_cache(maxsize=256)
def run(model, *state):
    """The time to spike that the generated module gives, scalar and for arrays."""
    ir = lower(derive_once(model))
    space = {}
    exec(compile(generate(VerifiedKernel(ir=ir, checks=())), "<module>", "exec"), space)
    constants = space["constants"](*(p.default for p in model.parameters))
    many = space.get("time_to_spike_array")
    wait = float(space["time_to_spike"](*state, *constants))
    if many is not None:
        both = many(*(np.array([s, s]) for s in state), *constants)
        assert np.allclose(both[0] if isinstance(both, tuple) else both, wait)
    return wait


@pytest.mark.parametrize("names", split(free(OURS - {"V", "k"}), 10), ids=lambda names: names[0])
def test_every_name_of_ours_works_as_a_parameter(names):
    assert math.isclose(run(make_linear(names), 0.0), math.log(3), rel_tol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("names", split(free(THEIRS - OURS), 10), ids=lambda names: names[0])
def test_every_name_of_the_libraries_works_as_a_parameter(names):
    assert math.isclose(run(make_linear(names), 0.0), math.log(3), rel_tol=1e-12)


VERIFIED = ("mpf", "inf", "log1p", "exp_dd", "heights", "np_")


def test_a_model_with_such_parameters_verifies():
    verify_derivation(derive(make_linear(VERIFIED)))


@pytest.mark.parametrize("names", mark(OURS, 1))
def test_every_name_of_ours_works_as_a_state_variable_and_as_a_rate(names):
    state, rate = names
    model = make_linear(["q" if "q" not in names else "r"], state=state, rate=rate)
    assert math.isclose(run(model, 0.0), math.log(3), rel_tol=1e-12)


METHODS = {
    "linear": ("d{0}/dt = -{0}/{2} + {1}\nd{1}/dt = -{3}*{1}/2", "{0} = 1", "{0} = 0"),
    "riccati": ("d{0}/dt = {0}**2/{1} + 1", "{0} -> oo", "{0} = -oo"),
    "taylor": ("d{0}/dt = exp({0})/{2} + {1}\nd{1}/dt = -{3}*{0}*{1}", "{0} = 1", "{0} = 0"),
}
"""Equations of state variables, then of as many parameters, by every way to code."""


def make_by_method(method, names):
    equations, spike, reset = (part.format(*names) for part in METHODS[method])
    state, parameters = names[: len(names) // 2], names[len(names) // 2 :]
    return make_model(
        equations, spike=spike, reset=reset, input=f"{state[0]} += w", rest=dict.fromkeys(state, 0),
        parameters={p: {"default": 1.0, "domain": f"{p} > 0"} for p in parameters},
    )  # fmt: skip


def check_names(method, names):
    plain = make_by_method(method, ("V", "z", "mu", "nu") if len(names) == 4 else ("V", "mu"))
    place = [0.25, 1.0][: len(plain.state)]
    model = make_by_method(method, names)
    assert run(model, *chart(model, place)) == run(plain, *chart(plain, place))


@pytest.mark.parametrize("method", ["linear", "taylor"])
@pytest.mark.parametrize("names", mark(OURS, 2))
def test_names_work_in_every_method(method, names):
    check_names(method, names)


@pytest.mark.parametrize("names", mark(OURS, 1))
def test_names_work_in_quadratic_models(names):
    check_names("riccati", names)


def chart(model, state):
    """Stored coordinates of a state at the default parameters."""
    derivation = derive_once(model)
    values = dict(zip(model.state, state, strict=True))
    values |= {p.symbol: p.default for p in model.parameters}
    values |= {c: v.xreplace(values) for c, v in derivation.constant_values.items()}
    return [float(e.xreplace(values)) for e in derivation.chart.from_state]


def test_names_in_code_differ_where_names_do():
    names = [f"{n}{'_' * k}" for n in (*CODE_NAMES, "V", "branch_1") for k in range(4)]
    assert len({name_in_code(n) for n in names}) == len(names)
    assert name_in_code("V") == "V"


def test_equal_names_of_propagators_are_told_apart():
    model = make_model(
        "dV/dt = -V + V_I + I_0\ndI_0/dt = -I_0\ndV_I/dt = -V_I/2 + 1",
        rest={"V": 0, "I_0": 0, "V_I": 0},
    )
    symbols = derive(model).propagator.symbols
    assert len({s.name for s in symbols}) == len(symbols)
