import re
from functools import lru_cache

import pytest
import sympy as sp
from models import change_derivation, lower_once, make_model, make_quadratic

from derivations import list_models, read_neuron_model
from spiketheory.generation.generate import generate
from spiketheory.generation.kernel_ir import (
    KernelBranch,
    build_branches,
    build_function,
    count_operations,
    eliminate_common,
    rewrite_stably,
)
from spiketheory.generation.lower import describe_branches, lower, rename_symbols
from spiketheory.language.functions import softplus
from spiketheory.language.parse import parse_model
from spiketheory.language.symbols import state_symbol
from spiketheory.symbolic.derivation import Branch
from spiketheory.symbolic.derive import derive, evaluate

x, y = state_symbol("x"), state_symbol("y")


def lower_built_in(name):
    return lower_once(read_neuron_model(name))


@pytest.fixture(params=list_models())
def ir(request):
    return lower_built_in(request.param)


def get_function(ir, name):
    return next(f for f in ir.functions if f.name == name)


def test_kernel_functions_that_were_not_verified_become_no_code():
    with pytest.raises(TypeError) as info:
        generate(lower_built_in("theta"))
    assert str(info.value) == (
        "Expected a VerifiedKernel but got KernelIR; call verify(lower(...)) first, since only "
        "checked mathematics becomes code."
    )


def test_every_function_has_one_result_name_per_result(ir):
    for function in ir.functions:
        for branch in function.branches:
            assert len(branch.results) == len(function.results), function.name


def test_every_function_uses_only_its_arguments_and_its_own_variables(ir):
    for function in ir.functions:
        for branch in function.branches:
            known = set(function.arguments)
            assert {s.name for s in branch.condition.free_symbols} <= known
            for call in branch.calls:
                assert {s.name for s in call.function.free_symbols} <= known, function.name
                known |= {s.name for s in call.targets}
            for symbol, value in branch.assignments:
                assert {s.name for s in value.free_symbols} <= known, function.name
                known.add(symbol.name)
            for result in branch.results:
                assert {s.name for s in result.free_symbols} <= known, function.name


def test_arguments_and_results_have_different_names_within_a_function(ir):
    for function in ir.functions:
        assert len(set(function.arguments)) == len(function.arguments), function.name


def test_few_functions_return_a_number_and_all_others_a_tuple(ir):
    numbers = {"initial_state_vjp", "initial_value"}
    numbers |= set() if ir.texts else {"will_spike", "time_to_spike"}
    if not ir.derivation.is_integrated and ir.derivation.closed.time_to_peak:
        numbers |= {"time_to_peak", "excess"}
    if ir.derivation.frame is not None:
        numbers |= {"frame_quiet", "frame_spike"}
        numbers |= {"frame_crosses"} if ir.derivation.frame.crosses != sp.false else set()
    assert {f.name for f in ir.functions if f.scalar} == numbers


def test_every_model_has_the_functions_that_the_simulator_and_the_gradients_call(ir):
    names = {f.name for f in ir.functions}
    names |= set(re.findall(r"^def (\w+)\(", "\n".join(ir.texts), flags=re.MULTILINE))
    assert names >= {
        *("parameters_valid", "constants", "initial_bounds", "initial_state", "initial_value"),
        *("enter_chart", "leave_chart", "velocity", "propagator", "flow", "jump", "fire"),
        *("time_to_spike", "will_spike", "initial_state_vjp", "flow_vjp", "jump_vjp", "fire_vjp"),
        *("constants_vjp", "initial_state_constants_vjp", "jump_constants_vjp"),
        *("flow_constants_vjp", "fire_constants_vjp"),
        *("enter_chart_vjp", "leave_chart_vjp", "reset", "reset_vjp", "reset_constants_vjp"),
        *("enter_chart_constants_vjp", "leave_chart_constants_vjp"),
    }
    pseudo = {"pseudospike", "pseudospike_vjp", "pseudospike_constants_vjp"}
    assert names & pseudo == (pseudo if ir.derivation.pseudospike else set())
    assert ("heights" in names) == (ir.derivation.descent is not None)


def test_a_model_without_parameters_has_no_derivatives_by_them():
    ir = lower(derive(make_quadratic("dv/dt = v**2 + 1", {})))
    assert get_function(ir, "constants_vjp").results == ()


def test_a_derivation_that_is_integrated_is_lowered_to_text_for_what_depends_on_the_flow():
    ir = lower_built_in("izhikevich")
    assert not {"flow", "fire", "time_to_spike"} & {f.name for f in ir.functions}
    assert [text for text in ir.texts if text.startswith("def fire_vjp(")]
    assert lower_built_in("lif").texts == ()


def test_numbers_of_the_flow_are_computed_by_one_call_and_only_where_they_are_needed():
    ir = lower_built_in("qif")
    (call,) = get_function(ir, "flow").branches[0].calls
    assert type(call.function).__name__ == "decay_matrix"
    (call,) = get_function(ir, "fire_vjp").branches[0].calls
    assert type(call.function).__name__ == "decay_matrix_slope"
    (call,) = get_function(ir, "fire_constants_vjp").branches[0].calls
    assert type(call.function).__name__ == "decay_matrix_tangent"
    assert get_function(ir, "fire").branches[0].calls == ()  # (-1, 0), whatever the flow was


def test_domains_are_checked_as_they_were_written():
    ir = lower_built_in("theta")
    assert [str(r) for r in get_function(ir, "parameters_valid").branches[0].results] == [
        "tau > 0",
        "I0 > 1/4",
    ]


def test_a_parameter_that_only_a_condition_needs_is_handed_over():
    d = derive(make_quadratic())
    c_m = d.model.symbols["C_m"]
    first, *rest = d.closed.time_to_spike
    changed = Branch(condition=sp.And(first.condition, c_m > 1), values=first.values)
    ir = lower(change_derivation(d, time_to_spike=(changed, *rest)))
    assert "C_m" in get_function(ir, "time_to_spike").arguments


@pytest.mark.parametrize("name", ["t0", "l_x", "g_time", "g_delay", "x", "a", "turns", "V0"])
def test_a_parameter_may_have_the_name_of_anything_that_the_compiler_makes_up(name):
    model = make_quadratic(
        f"dV/dt = V**2/{name} + 1", {name: {"default": 2.0, "domain": f"{name} > 0"}}, state="V"
    )
    for function in lower(derive(model)).functions:
        made = [s.name for b in function.branches for s, _ in b.assignments]
        if function.name != "constants":
            assert not set(made) & set(function.arguments)
        assert len(set(function.arguments)) == len(function.arguments)


def test_a_common_subexpression_is_computed_once():
    branch = eliminate_common(sp.true, [sp.cos(x * y), sp.sin(x * y)])
    ((symbol, value),) = branch.assignments
    assert (symbol.name, value) == ("t0", x * y)
    assert branch.results == (sp.cos(symbol), sp.sin(symbol))


def test_elimination_does_not_change_the_results():
    values = [(x + y) ** 2 / (x + y + 1), sp.exp(x + y) - x, x]
    branch = eliminate_common(sp.true, values)
    back = list(branch.results)
    for symbol, value in reversed(branch.assignments):
        back = [b.subs(symbol, value) for b in back]
    assert [sp.simplify(b - v) for b, v in zip(back, values, strict=True)] == [0, 0, 0]


def test_new_variables_avoid_the_names_that_are_taken():
    branch = eliminate_common(sp.true, [sp.cos(x * y), sp.sin(x * y)], taken={"t0", "t1"})
    assert [s.name for s, _ in branch.assignments] == ["t2"]


def test_each_branch_is_lowered_by_itself():
    branches = (
        Branch(condition=x > 0, values=(sp.cos(x * y) + sp.sin(x * y),)),
        Branch(condition=sp.true, values=(y,)),
    )
    function = build_branches("f", "Summary.", (), (x, y), ["r"], branches, scalar=True)
    assert [len(b.assignments) for b in function.branches] == [1, 0]
    assert function.operations == {"add": 1, "multiply": 1, "cos": 1, "sin": 1}


def test_softplus_is_not_computed_as_the_logarithm_of_an_exponential():
    assert rewrite_stably(sp.sqrt(sp.log(1 + sp.exp(x / y)))) == sp.sqrt(softplus(x / y))
    assert softplus(x).diff(x) == sp.exp(x - softplus(x))
    assert sp.simplify(softplus(x).diff(x).replace(softplus, unfold) - 1 / (1 + sp.exp(-x))) == 0


def unfold(z):
    return sp.log(1 + sp.exp(z))


@pytest.mark.parametrize(
    ("expression", "counts"),
    [
        (x, {}),
        (-x, {}),
        (sp.Rational(1, 2), {}),
        (x + y + 1, {"add": 2}),
        (x - y, {"add": 1}),
        (2 * x * y, {"multiply": 2}),
        (x / 2, {"divide": 1}),
        (1 / x, {"divide": 1}),
        (x / (2 * y), {"multiply": 1, "divide": 1}),
        (x**2, {"multiply": 1}),
        (1 / (x**2 + y**2), {"add": 1, "multiply": 2, "divide": 1}),
        (x**3, {"power": 1}),
        (sp.sqrt(x), {"sqrt": 1}),
        (1 / sp.sqrt(x), {"divide": 1, "sqrt": 1}),
        (sp.atan2(y, x) / sp.pi, {"divide": 1, "atan2": 1}),
        (sp.Or(x > 1, y < x * y), {"multiply": 1, "compare": 2, "logic": 1}),
    ],
)
def test_operations_are_counted_as_they_are_written(expression, counts):
    branch = KernelBranch(condition=sp.true, assignments=(), results=(expression,))
    assert count_operations(branch) == counts


def test_the_flow_of_theta_takes_four_multiplications_and_two_additions():
    ir = lower_built_in("theta")
    assert get_function(ir, "flow").operations == {"add": 2, "multiply": 4}


def test_the_longest_branch_gives_the_operation_count():
    function = build_function("f", "Summary.", (), (x,), ["r"], (x + 1,))
    assert function.operations == {"add": 1}
    assert function.branches[0].condition == sp.true


PORTS = """
[model]
name = "two_ports"
equations = "dV/dt = (2 - V)/tau"
spike = "V = 1"
reset = "V = 0"
rest = {V = 0}
[model.inputs]
exc = "V += a*w"
shunt = "V *= 1 - b*w"
[parameters]
tau = {default = 1.0, domain = "tau > 0"}
a = 1.0
b = 1.0
"""


@lru_cache
def lower_ports():
    return lower(derive(parse_model(PORTS)))


def compute(function, **values):
    """The results of a kernel function, by name; the first branch whose condition holds."""
    at = {name: sp.Rational(v) for name, v in values.items()}
    assert set(at) == set(function.arguments)
    for branch in function.branches:
        known = {state_symbol(n): v for n, v in at.items()}
        known |= {s: known[state_symbol(s.name)] for s in list_symbols(branch) if s.name in at}
        if branch.condition.subs(known) != sp.true:
            continue
        for symbol, value in branch.assignments:
            known[symbol] = value.subs(known)
        return dict(zip(function.results, [r.subs(known) for r in branch.results], strict=True))
    raise AssertionError("no branch holds")


def list_symbols(branch):
    expressions = [branch.condition, *branch.results, *(v for _, v in branch.assignments)]
    return set().union(*(e.free_symbols for e in expressions))


def at_port(name, port, **more):
    """At V = 1/2, w = 1/5, tau = 4, a = 3, b = 2."""
    function = get_function(lower_ports(), name)
    values = {"V": "1/2", "w": "1/5", "tau": 4, "a": 3, "b": 2, "port": port, **more}
    return compute(function, **{n: values[n] for n in function.arguments})


def test_an_input_acts_by_its_port():
    """V += a*w, and V *= 1 - b*w."""
    assert at_port("jump_at", 0) == {"V": sp.Rational(11, 10)}
    assert at_port("jump_at", 1) == {"V": sp.Rational(3, 10)}
    assert "port = 1: shunt" in get_function(lower_ports(), "jump_at").details


def test_derivatives_by_way_of_an_input_are_those_of_its_port():
    """With F = (2 - V)/tau: d_time is l times DJ F(V) - F(J V)."""
    assert at_port("jump_at_vjp", 0, l_V=7) == {
        "d_V": 7, "d_w": 7 * 3, "d_time": 7 * sp.Rational(3, 5) / 4,
    }  # fmt: skip
    assert at_port("jump_at_vjp", 1, l_V=7) == {
        "d_V": 7 * sp.Rational(3, 5), "d_w": -7, "d_time": -7 * sp.Rational(4, 5) / 4,
    }  # fmt: skip
    by_constants = [at_port("jump_at_constants_vjp", k, l_V=7) for k in (0, 1)]
    assert {n: v for n, v in by_constants[0].items() if v} == {"d_a": sp.Rational(7, 5)}
    assert {n: v for n, v in by_constants[1].items() if v} == {"d_b": -sp.Rational(7, 10)}


def test_of_a_model_with_one_port_nothing_depends_on_ports():
    names = {f.name for f in lower_built_in("lif").functions}
    assert not names & {"jump_at", "jump_at_vjp", "jump_at_constants_vjp"}
    assert not any("port" in f.arguments for f in lower_built_in("lif").functions)


def test_branches_are_described_by_their_conditions():
    value = (x + 1,)
    assert describe_branches([Branch(condition=x > 0, values=value)]) == ("x + 1",)
    two = [Branch(condition=x > 0, values=value), Branch(condition=sp.true, values=(y,))]
    assert describe_branches(two) == ("x + 1 if x > 0", "y otherwise")


def make_cubic(name, other):
    return derive(make_model(
        f"dV/dt = 1 - V**3 + {name} + {other}\nd{name}/dt = -{name}**3", free=other
    )).integrated  # fmt: skip


def test_variables_that_code_calls_otherwise_are_renamed_where_text_is_printed():
    """Apart from what is there: a variable float beside a parameter own_float."""
    plain, taken = make_cubic("z", "own_float"), make_cubic("float", "own_float")
    assert rename_symbols(plain) is plain
    renamed = rename_symbols(taken)
    (new,) = {s.name for s in renamed.symbols} - {s.name for s in taken.symbols}
    assert {s.name for s in taken.symbols} - {s.name for s in renamed.symbols} == {"float"}
    assert new not in {"own_float", "float"}
    names = {state_symbol("float"): state_symbol(new)}
    for before, after in ((taken.near, renamed.near), (taken, renamed)):
        assert tuple(s.xreplace(names) for s in before.coordinates) == after.coordinates
    assert tuple(e.xreplace(names) for e in taken.near.field) == renamed.near.field
    assert tuple(e.xreplace(names) for e in taken.reset) == renamed.reset
    assert renamed.far is taken.far is None


HELD = """
[model]
name = "held"
equations = "dV/dt = (2 - V)/tau"
spike = "V = 1"
reset = "V = 0"
refractory = {time = "3*t_ref + 1", hold = ["V"]}
input = "V += w"
rest = {V = 0}
[parameters]
tau = {default = 1.0, domain = "tau > 0"}
t_ref = {default = 1.0, domain = "t_ref > 0"}
"""


def test_a_refractory_period_has_functions_and_its_parameter_is_handed_over():
    """V is held and takes no input; the period lasts 3*t_ref + 1."""
    ir = lower(derive(parse_model(HELD)))
    here = {"V": "1/2", "w": "1/5", "tau": 4, "t_ref": 6, "dt": 3, "l_V": 7, "l_left": 5}

    def at(name):
        function = get_function(ir, name)
        return compute(function, **{n: here[n] for n in function.arguments})

    assert at("refractory_time") == {"duration": 19}
    assert at("refractory_time_constants_vjp") == {"d_tau": 0, "d_t_ref": 15}
    assert at("held_jump") == at("held_flow") == {"V": sp.Rational(1, 2)}
    assert at("held_jump_vjp") == {"d_V": 7, "d_w": 0, "d_time": 0}
    assert at("jump") == {"V": sp.Rational(7, 10)}


def lower_named(spiking, current):
    """Two variables that flow, reset and inputs mix."""
    texts = {"spike": f"{spiking} = 1", "input": f"{spiking} += w*{current}; {current} += w"}
    reset = f"{spiking} = {current}/8 - 1; {current} = {current}/2 + a*{spiking}"
    equations = f"d{spiking}/dt = {current} - a*{spiking}\nd{current}/dt = -{current}/2"
    return lower(derive(make_model(equations, reset=reset, positive="a", **texts)))


def test_the_order_of_the_variables_names_changes_no_function():
    """Substitutions are simultaneous: one after the other they would depend on it."""
    first, second = lower_named("V", "I"), lower_named("A", "B")
    known = 0
    for one, other in zip(first.functions, second.functions, strict=True):
        assert one.name == other.name
        asked = ("parameters_valid", "time_to_spike", "will_spike", "frame_quiet")
        if one.name in (*asked, "frame_spike", "frame_fire"):
            continue
        given = [sp.Rational(k + 2, 2 * k + 3) for k in range(len(one.arguments))]
        found, again = (
            [evaluate(v, {}) for v in results.values()]
            for results in (
                compute(f, **dict(zip(f.arguments, given, strict=True))) for f in (one, other)
            )
        )
        if all(v.is_finite for v in found):
            known += 1
            assert all(abs(sp.N(v - u, 20)) < 1e-12 for v, u in zip(found, again, strict=True))
    assert known >= 20
    assert {"fire", "fire_vjp"} <= {f.name for f in first.functions}
