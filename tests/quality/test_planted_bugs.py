"""Verification can fail: every bug planted in a derivation is found, by the check it belongs to."""

from dataclasses import replace

import pytest
import sympy as sp
from models import (
    change_derivation,
    derive_once,
    lower_once,
    verify_derivation,
    verify_functions,
)

import derivations
from spiketheory.errors import VerificationError
from spiketheory.generation import generate
from spiketheory.language.symbols import DURATION, PSEUDO_INPUT, WEIGHT
from spiketheory.symbolic.derivation import Branch
from spiketheory.verification.cases import build_cases
from spiketheory.verification.symbolic import SYMBOLIC, Setting, holds


def derive_built_in(name):
    return derive_once(derivations.read_neuron_model(name))


def spoil_function(model, kernel, spoil):
    """The functions of a built-in model, of which one is spoilt in every branch."""
    ir = lower_once(derivations.read_neuron_model(model))
    functions = tuple(
        replace(f, branches=tuple(map(spoil, f.branches))) if f.name == kernel else f
        for f in ir.functions
    )
    assert functions != ir.functions
    return replace(ir, functions=functions)


def in_chart(**changes):
    return lambda d: replace(d, chart=replace(d.chart, **{k: f(d) for k, f in changes.items()}))


def in_initial(**changes):
    return lambda d: replace(d, initial=replace(d.initial, **{k: f(d) for k, f in changes.items()}))


def in_pseudospike(**changes):
    return lambda d: replace(
        d, pseudospike=replace(d.pseudospike, **{k: f(d) for k, f in changes.items()})
    )


def in_derivation(**changes):
    return lambda d: change_derivation(d, **{k: f(d) for k, f in changes.items()})


def constant(d, name):
    return next(c.symbol for c in d.constants if c.symbol.name == name)


def define(name, value):
    """Replace the definition of a derived constant."""

    def change(d):
        return replace(
            d,
            constants=tuple(
                replace(c, value=value(d)) if c.symbol.name == name else c for c in d.constants
            ),
        )

    return change


def propagate(*values):
    """Replace values of the propagator's branches; None keeps one."""

    def change(d):
        branches = []
        for branch, new in zip(d.propagator.branches, values, strict=True):
            branches.append(branch if new is None else new(branch))
        return replace(d, propagator=replace(d.propagator, branches=tuple(branches)))

    return change


def with_values(change):
    return lambda branch: replace(branch, values=change(*branch.values))


def with_condition(condition):
    return lambda branch: replace(branch, condition=condition)


def x(d):
    return d.chart.coordinates[0]


def y(d):
    return d.chart.coordinates[1]


def wait(d, index=0):
    return d.closed.time_to_spike[index].values[0]


def set_wait(index, change):
    """Replace one value of the time to spike."""

    def mutate(d):
        branches = list(d.closed.time_to_spike)
        branches[index] = Branch(condition=branches[index].condition, values=(change(d),))
        return change_derivation(d, time_to_spike=tuple(branches))

    return mutate


def reorder(*order):
    return in_derivation(time_to_spike=lambda d: tuple(d.closed.time_to_spike[i] for i in order))


THETA = {
    "the chart's center is off": (
        "chart round trip",
        in_chart(to_state=lambda d: (d.chart.to_state[0] + 1,)),
    ),
    "center and its inverse are off together": (
        "chart field",
        in_chart(
            to_state=lambda d: (d.chart.to_state[0] - 1,),
            from_state=lambda d: (
                d.chart.from_state[0] + constant(d, "inverse_b"),
                d.chart.from_state[1],
            ),
        ),
    ),
    "the field turns the other way": (
        "chart field",
        in_chart(field=lambda d: tuple(-f for f in d.chart.field)),
    ),
    "the field is half as fast": (
        "chart field",
        in_chart(field=lambda d: tuple(f / 2 for f in d.chart.field)),
    ),
    "omega is twice too large": (
        "chart field",
        define("omega", lambda d: 2 * d.constants[1].value),
    ),
    "the flow has a wrong sign": (
        "flow residual",
        in_derivation(flow=lambda d: (d.closed.flow[0], d.closed.flow[1].subs(x(d), -x(d)))),
    ),
    "cosine and sine are exchanged": (
        "flow residual",
        propagate(with_values(lambda c, s, n: (s, c, n))),
    ),
    "the propagator runs backwards": (
        "flow residual",
        propagate(with_values(lambda c, s, n: (c, -s, n))),
    ),
    "the flow starts late": (
        "flow at zero duration",
        propagate(
            with_values(
                lambda c, s, n: (c.subs(DURATION, DURATION + 1), s.subs(DURATION, DURATION + 1), n)
            )
        ),
    ),
    "an input has the wrong gain": (
        "input jump",
        in_derivation(jump=lambda d: (x(d) + WEIGHT * y(d), y(d))),
    ),
    "an input moves y": (
        "input jump",
        in_derivation(jump=lambda d: (d.jump[0], d.jump[1] + WEIGHT)),
    ),
    "an input acts twice": (
        "input jump",
        in_derivation(jump=lambda d: (d.jump[0].subs(WEIGHT, 2 * WEIGHT), d.jump[1])),
    ),
    "the reset leaves the neuron at +oo": (
        "reset",
        in_derivation(reset=lambda d: (sp.Integer(1), sp.Integer(0))),
    ),
    "the reset is inside": (
        "reset",
        in_derivation(reset=lambda d: (sp.Integer(-1), sp.Integer(1))),
    ),
    "the surface rises at the spike": (
        "spike surface",
        in_chart(surface=lambda d: -d.chart.surface),
    ),
    "the time to spike is too long": (
        "time to spike",
        set_wait(0, lambda d: wait(d) * 2),
    ),
    "the time to spike has its arguments exchanged": (
        "time to spike",
        set_wait(0, lambda d: sp.atan2(x(d), y(d)) / constant(d, "omega")),
    ),
    "the time to spike is that of the second spike": (
        "pseudo input",
        set_wait(0, lambda d: wait(d) + constant(d, "Theta")),
    ),
    "the gradient has the wrong sign": (
        "spike time gradient",
        in_derivation(
            time_to_spike_gradient=lambda d: tuple(-g for g in d.closed.time_to_spike_gradient)
        ),
    ),
    "the gradient lacks omega": (
        "spike time gradient",
        in_derivation(
            time_to_spike_gradient=lambda d: tuple(
                g * constant(d, "omega") for g in d.closed.time_to_spike_gradient
            )
        ),
    ),
    "the prediction forgets that neurons turn": (
        "spike prediction",
        in_derivation(will_spike=lambda d: d.closed.flow[1] < 0),
    ),
    "the prediction counts half turns as turns": (
        "spike prediction",
        propagate(with_values(lambda c, s, n: (c, s, 2 * n))),
    ),
    "the phase runs backwards": (
        "initial coordinate",
        in_initial(value=lambda d: sp.atan2(y(d), x(d)) / constant(d, "omega")),
    ),
    "the phase is read back with an offset": (
        "initial bounds",
        in_initial(value=lambda d: d.initial.value + sp.Rational(1, 10)),
    ),
    "the phase may exceed the period": (
        "initial bounds",
        in_initial(upper=lambda d: 2 * constant(d, "Theta")),
    ),
    "the default phase is that of a neuron that just spiked": (
        "initial coordinate",
        in_initial(default=lambda d: constant(d, "Theta") / 3),
    ),
    "bounds are exchanged": (
        "initial bounds",
        in_initial(lower=lambda d: d.initial.upper, upper=lambda d: d.initial.lower),
    ),
    "the pseudospike is one period late": (
        "pseudospike continuity",
        in_pseudospike(delay=lambda d: d.pseudospike.delay + d.pseudospike.period),
    ),
    "the pseudo rate is its complement": (
        "pseudospike continuity",
        in_pseudospike(rate=lambda d: 1 - d.pseudospike.rate),
    ),
    "the pseudo rate is squared": (
        "pseudospike continuity",
        in_pseudospike(rate=lambda d: d.pseudospike.rate**2),
    ),
    "the pseudo period is doubled": (
        "pseudospike continuity",
        in_pseudospike(period=lambda d: 2 * d.pseudospike.period),
    ),
    "the pseudo input kills the delay's range": (
        "pseudo input",
        in_pseudospike(delay=lambda d: d.pseudospike.delay * (1 + PSEUDO_INPUT)),
    ),
    "the pseudo input enters twice": (
        "pseudo input",
        in_pseudospike(
            delay=lambda d: d.pseudospike.delay.subs(PSEUDO_INPUT, 2 * PSEUDO_INPUT),
            rate=lambda d: d.pseudospike.rate.subs(PSEUDO_INPUT, 2 * PSEUDO_INPUT),
        ),
    ),
    "the pseudo input has the wrong sign": (
        "pseudo input",
        in_pseudospike(
            delay=lambda d: d.pseudospike.delay.subs(PSEUDO_INPUT, -PSEUDO_INPUT),
            rate=lambda d: d.pseudospike.rate.subs(PSEUDO_INPUT, -PSEUDO_INPUT),
        ),
    ),
    "the rate ignores the pseudo input": (
        "pseudo input",
        in_pseudospike(rate=lambda d: d.pseudospike.rate.subs(PSEUDO_INPUT, 0)),
    ),
    "the pseudo input is ignored": (
        "pseudo input",
        in_pseudospike(
            delay=lambda d: d.pseudospike.delay.subs(PSEUDO_INPUT, 0),
            rate=lambda d: d.pseudospike.rate.subs(PSEUDO_INPUT, 0),
        ),
    ),
}

QIF_DELTA = {
    "the drive has the wrong sign": (
        "chart field",
        define("d", lambda d: -d.constants[1].value),
    ),
    "the root is taken of a negative number": (
        "flow residual",
        define("kappa", lambda d: sp.sqrt(constant(d, "beta"))),
    ),
    "the oscillating branch is missing": (
        "flow residual",
        in_derivation(
            propagator=lambda d: replace(d.propagator, branches=d.propagator.branches[1:])
        ),
    ),
    "the decaying branch is missing": (
        "flow residual",
        in_derivation(
            propagator=lambda d: replace(
                d.propagator, branches=(d.propagator.branches[0], d.propagator.branches[2])
            )
        ),
    ),
    "the last branch has a condition": (
        "branches",
        propagate(None, None, lambda b: replace(b, condition=sp.Symbol("beta", real=True) > 5)),
    ),
    "the first branch holds always": (
        "flow residual",
        propagate(with_condition(sp.true), None, None),
    ),
    "tanh is not divided by kappa": (
        "flow residual",
        propagate(
            None,
            lambda b: (
                replace(b, values=(b.values[0], sp.tanh(b.values[1].args[-1].args[0]), b.values[2]))
                if b.values[1].args[-1].func is sp.tanh
                else replace(b, values=(b.values[0], 2 * b.values[1], b.values[2]))
            ),
            None,
        ),
    ),
    "the branch between is off": (
        "flow residual",
        propagate(None, None, with_values(lambda c, s, n: (c, 2 * s, n))),
    ),
    "silence comes before oscillation": ("first spike", reorder(1, 0, 2, 3)),
    "silence is not asked for": ("first spike", reorder(0, 2, 3)),
    "the condition of silence has the wrong sign": (
        "first spike",
        lambda d: change_derivation(
            d,
            time_to_spike=(
                d.closed.time_to_spike[0],
                replace(
                    d.closed.time_to_spike[1],
                    condition=sp.Ge(*d.closed.time_to_spike[1].condition.args),
                ),
                *d.closed.time_to_spike[2:],
            ),
        ),
    ),
    "the condition of silence is off the fixed point": (
        "first spike",
        lambda d: change_derivation(
            d,
            time_to_spike=(
                d.closed.time_to_spike[0],
                replace(d.closed.time_to_spike[1], condition=x(d) <= 0),
                *d.closed.time_to_spike[2:],
            ),
        ),
    ),
    "the last time to spike is doubled": ("time to spike", set_wait(3, lambda d: 2 * wait(d, 3))),
    "a spike comes back in time": ("time to spike", set_wait(2, lambda d: -wait(d, 2))),
    "the neuron never spikes": ("first spike", set_wait(0, lambda d: sp.oo)),
    "the pseudodynamics do not turn": (
        "pseudospike continuity",
        in_pseudospike(delay=lambda d: d.pseudospike.delay / 2),
    ),
    "an untrained neuron is not at rest": (
        "initial coordinate",
        in_initial(default=lambda d: sp.Rational(1, 2)),
    ),
}

BUGS = [
    pytest.param(model, check, plant, id=f"{model}: {name}")
    for model, bugs in (("theta", THETA), ("qif_delta", QIF_DELTA))
    for name, (check, plant) in bugs.items()
]


@pytest.mark.parametrize(("model", "check", "plant"), BUGS)
def test_a_planted_bug_is_found_by_the_check_it_belongs_to(model, check, plant):
    with pytest.raises(VerificationError, match=f"^Check '{check}' failed: expected .* but got "):
        verify_derivation(plant(derive_built_in(model)))


# Checks that stand behind others must find bugs of their own kind when asked alone.
ALONE = {
    "the flow speeds up": (
        "semigroup",
        propagate(
            with_values(
                lambda c, s, n: (c.subs(DURATION, DURATION**2), s.subs(DURATION, DURATION**2), n)
            )
        ),
    ),
    "inputs act by their square": (
        "simultaneous inputs",
        in_derivation(jump=lambda d: (d.jump[0].subs(WEIGHT, WEIGHT**2), d.jump[1])),
    ),
    "the surface is tilted": (
        "transversality",
        in_chart(surface=lambda d: y(d) - x(d) + 1),
    ),
    "the flow is scaled": (
        "flow at zero duration",
        propagate(with_values(lambda c, s, n: (c, s + 1, n))),
    ),
}


@pytest.mark.parametrize(("check", "plant"), ALONE.values(), ids=ALONE)
def test_a_check_that_stands_behind_others_finds_bugs_alone(check, plant):
    derivation = plant(derive_built_in("theta"))
    claims = {name: claims for name, claims, _ in SYMBOLIC}[check]
    settings = [Setting(derivation, case) for case in build_cases(derivation)]
    assert not all(holds(claim, s) for s in settings for claim in claims(s))


# Bugs of the code generator: the mathematics is right, the kernel functions are not.
KERNEL_BUGS = {
    "leave_chart": "(?:flow|spike time) against direct integration",
    "flow": "first spike",
    "will_spike": "spike prediction",
    "time_to_spike": "first spike",
    "initial_value": "initial bounds",
    "flow_vjp": "gradient of a trial",
    "jump_vjp": "gradient of a trial",
    "fire_vjp": "gradient of the spike time",
    "initial_state_vjp": "gradient of the initial state",
    "pseudospike": "pseudospike values",
    "pseudospike_vjp": "gradient of a pseudospike",
    "fire": "first spike",
}


@pytest.mark.parametrize(("kernel", "check"), KERNEL_BUGS.items(), ids=KERNEL_BUGS)
@pytest.mark.parametrize("model", ["theta", "qif_delta"])
def test_a_kernel_function_that_was_lowered_wrongly_is_found(model, kernel, check):
    def spoil(branch):
        first, *rest = branch.results
        wrong = sp.Not(first) if kernel == "will_spike" else -3 * first - 1
        return replace(branch, results=(wrong, *rest))

    with pytest.raises(VerificationError, match=f"^Check '{check}' failed: expected .* but got "):
        verify_functions(spoil_function(model, kernel, spoil))


@pytest.mark.parametrize("digits", [20, 24])
def test_an_error_that_no_float_shows_is_found(digits):
    def err(branch):
        results = tuple(r * (1 + sp.Rational(1, 10**digits)) for r in branch.results)
        return replace(branch, results=results)

    with pytest.raises(VerificationError, match=r"^Check 'first spike' failed"):
        verify_functions(spoil_function("theta", "time_to_spike", err))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cos_dt * x + sin_dt * y", "cos_dt * x - sin_dt * y"),
        ("np.arctan2(y, x)", "np.arctan2(x, y)"),
        ("1 - t0 / np.pi", "1 + t0 / np.pi"),
        ("I0 - 0.25", "I0 - 0.2500001"),
        (" < 0", " <= 1"),
    ],
)
def test_a_slip_of_the_printer_is_found(monkeypatch, old, new):
    printed, print_right = [], generate.print_function

    def slip(function):
        text = print_right(function)
        printed.append(old in text)
        return text.replace(old, new)

    monkeypatch.setattr(generate, "print_function", slip)
    with pytest.raises(VerificationError):
        verify_functions(lower_once(derivations.read_neuron_model("theta")))
    assert any(printed)
