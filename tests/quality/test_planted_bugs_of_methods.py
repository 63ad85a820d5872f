"""Verification can fail for every method: linear, Bessel, glued and integrated models."""

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
from spiketheory.language.functions import (
    decay_matrix,
    decay_wait,
    first_zero,
    lambert_w,
    time_to_spike,
)
from spiketheory.language.symbols import DURATION, WEIGHT
from spiketheory.symbolic.derivation import Branch


def derive_built_in(name):
    return derive_once(derivations.read_neuron_model(name))


def change(**changes):
    """Replace fields of the derivation by functions of it."""
    return lambda d: change_derivation(d, **{k: f(d) for k, f in changes.items()})


def part(name, **changes):
    """Replace fields of a part of the derivation by functions of the derivation."""
    return lambda d: change_derivation(
        d,
        **{
            name: replace(
                getattr(d if hasattr(d, name) else d.solution, name),
                **{k: f(d) for k, f in changes.items()},
            )
        },
    )


def propagate(name, rewrite):
    """Rewrite one number of the propagator."""

    def plant(d):
        place = [s.name for s in d.propagator.symbols].index(name)
        branches = tuple(
            replace(b, values=(*b.values[:place], rewrite(b.values[place]), *b.values[place + 1 :]))
            for b in d.propagator.branches
        )
        return replace(d, propagator=replace(d.propagator, branches=branches))

    return plant


def define(name, rewrite):
    """Rewrite the definition of a derived constant, given all of them by name."""

    def plant(d):
        values = {c.symbol.name: c.value for c in d.constants}
        constants = tuple(
            replace(c, value=rewrite(values)) if c.symbol.name == name else c for c in d.constants
        )
        return replace(d, constants=constants)

    return plant


def spike(choose, rewrite):
    """Rewrite the values of those branches of the time to spike that ``choose`` picks."""

    def plant(d):
        branches = tuple(
            Branch(condition=b.condition, values=(rewrite(b.values[0]),)) if choose(b) else b
            for b in d.closed.time_to_spike
        )
        assert branches != d.closed.time_to_spike
        return change_derivation(d, time_to_spike=branches)

    return plant


def has(function):
    return lambda branch: branch.values[0].has(function)


def drop_branch(choose):
    return change(time_to_spike=lambda d: tuple(b for b in d.closed.time_to_spike if not choose(b)))


def symbol(d, name):
    return d.model.symbols[name]


def is_tie(branch):
    return bool(branch.condition.atoms(sp.Eq))


def tied(number, rewrite):
    """Rewrite the number-th finite branch that holds for tied time constants."""

    def plant(d):
        chosen = [b for b in d.closed.time_to_spike if is_tie(b) and b.values[0] != sp.oo][number]
        return spike(lambda b: b is chosen, rewrite)(d)

    return plant


def take_other_root(wait):
    """The other sign of the square root."""
    return wait.replace(lambda e: e.is_Pow and e.exp == sp.S.Half, lambda e: -e)


LIF = {
    "a coupling has the wrong sign": ("flow residual", propagate("P_V_I", lambda v: -v)),
    "a coupling lacks its rate": ("flow residual", propagate("P_V_I", lambda v: 2 * v)),
    "V decays with the current's time constant": (
        "flow residual",
        lambda d: propagate("P_V_V", lambda v: sp.exp(-DURATION / symbol(d, "tau_s")))(d),
    ),
    "the current of the flow is twice as large": (
        "flow residual",
        change(flow=lambda d: (d.closed.flow[0], d.closed.flow[1] * 2)),
    ),
    "an input adds to V": (
        "input jump",
        change(jump=lambda d: (d.jump[0] + WEIGHT, d.jump[1])),
    ),
    "the reset also clears the current": ("reset", change(reset=lambda d: (0 * d.reset[0],) * 2)),
    "the threshold is half as high": (
        "spike surface",
        part("chart", surface=lambda d: d.chart.surface - symbol(d, "V_th") / 2),
    ),
    "the quadratic takes the later root": ("first spike", tied(0, take_other_root)),
    "the quadratic lacks a factor of two": ("time to spike", tied(0, lambda v: 2 * v)),
    "the quadratic of the other ratio is late": ("time to spike", tied(1, lambda v: 2 * v)),
    "the Lambert function has the wrong sign": (
        "time to spike",
        spike(has(lambert_w), lambda v: v.replace(lambert_w, lambda z: -lambert_w(z))),
    ),
    "the root is twice as late": ("first spike", spike(has(first_zero), lambda v: 2 * v)),
    "the root is searched for too briefly": (
        "(first spike|spike time against direct integration|gradient)",
        spike(
            has(first_zero),
            lambda v: v.replace(first_zero, lambda r, h, a: first_zero(r, h / 10**5, a)),
        ),
    ),
    "the gradient has the wrong sign": (
        "spike time gradient",
        change(time_to_spike_gradient=lambda d: tuple(-g for g in d.closed.time_to_spike_gradient)),
    ),
    "every spike is predicted": (
        "spike prediction",
        change(will_spike=lambda d: time_to_spike() < 10**6 + d.propagator.symbols[-1]),
    ),
    "an untrained neuron is not at rest": (
        "initial coordinate",
        part("initial", default=lambda d: sp.Rational(1, 2)),
    ),
    "the initial potential may lie above the threshold": (
        "initial bounds",
        part("initial", upper=lambda d: symbol(d, "V_th") / 2, lower=lambda d: symbol(d, "V_th")),
    ),
}
LIF_ALPHA = {
    "the wrong sign of a coupling two steps away": (
        "flow residual",
        propagate("P_V_J", lambda v: -v),
    ),
    "the descent leaves out a function": (
        "first spike",
        part("descent", heights=lambda d: (d.descent.heights[0], d.descent.heights[-1])),
    ),
    "the descent begins with another threshold": (
        "first spike",
        part(
            "descent",
            heights=lambda d: tuple(
                h.subs(symbol(d, "V_th"), symbol(d, "V_th") / 2) for h in d.descent.heights
            ),
        ),
    ),
    "the gradient has the wrong sign": (
        "gradient of the spike time",
        change(time_to_spike_gradient=lambda d: tuple(-g for g in d.closed.time_to_spike_gradient)),
    ),
}
LIF_DELTA = {
    "the drive has the wrong sign": ("flow residual", propagate("P_V_0", lambda v: -v)),
    "a neuron beyond the threshold waits": (
        "gradient through a spike",
        drop_branch(lambda b: b.values[0] == 0),
    ),
    "nothing is said of a neuron that is not driven to the threshold": (
        "branches",
        drop_branch(lambda b: b.values[0] == sp.oo),
    ),
}
NLIF = {
    "the charge that is left counts twice": ("flow residual", propagate("P_V_I", lambda v: 2 * v)),
    "the logarithm has the wrong sign": (
        "time to spike",
        spike(lambda b: b.values[0] not in (0, sp.oo), lambda v: -v),
    ),
}


def change_numbers(**changes):
    return part("numbers", **changes)


def rewrite_forms(rewrite):
    """Rewrite the closed forms of the flow."""
    return change_numbers(closed_forms=lambda d: tuple(map(rewrite, d.numbers.closed_forms)))


def raise_order(form):
    return replace(form, **{
        name: shift_order(getattr(form, name)) for name in ("solutions",)
    }, constants={k: shift_order(v) for k, v in form.constants.items()},
        values=shift_order(form.values))  # fmt: skip


def shift_order(value):
    """Bessel functions of an order that is too large by one."""
    if isinstance(value, tuple):
        return tuple(map(shift_order, value))
    for kind in (sp.besselj, sp.besseli):
        value = value.replace(kind, lambda n, z, kind=kind: kind(n + 1, z))
    return value


QIF = {
    "the order of the Bessel functions is off by one": (
        "flow residual",
        rewrite_forms(raise_order),
    ),
    "the order is the inverse ratio of the time constants": (
        "flow residual",
        define("nu", lambda values: 1 / values["nu"]),
    ),
    "the evaluator gets another order than the proof": (
        "(first spike|flow against direct integration)",
        change_numbers(
            call=lambda d: d.numbers.call.replace(
                decay_matrix, lambda n, i, t: decay_matrix(2 * n, i, t)
            )
        ),
    ),
    "the elementary solution has the wrong sign of the current": (
        "flow residual",
        rewrite_forms(lambda f: replace(f, values=(f.values[0], -f.values[1], *f.values[2:]))),
    ),
    "potential and scale are exchanged in the wait": (
        "first spike",
        spike(has(decay_wait), lambda v: v.replace(
            decay_wait, lambda n, x, y, i: decay_wait(n, y, x, i))),
    ),
    "the wait ignores the current": (
        "first spike",
        spike(has(decay_wait), lambda v: v.replace(
            decay_wait, lambda n, x, y, i: decay_wait(n, x, y, 0 * i + 1))),
    ),
    "the wait is measured in synaptic time constants": (
        "first spike",
        lambda d: spike(has(decay_wait), lambda v: v * d.constants[-1].symbol)(d),
    ),
    "the elementary wait is that of the other branch": (
        "time to spike",
        rewrite_forms(lambda f: replace(f, wait=None if f.wait is None else 2 * f.wait)),
    ),
    "the current decays twice as fast": (
        "flow residual",
        propagate("decay_I", lambda v: v**2),
    ),
    "an input shears the potential": (
        "input jump",
        change(jump=lambda d: (d.jump[0] + WEIGHT * d.chart.coordinates[1], *d.jump[1:])),
    ),
    "the reset leaves the neuron at +oo": (
        "reset",
        change(reset=lambda d: (-d.reset[0], *d.reset[1:])),
    ),
    "the derivatives by the current are in the wrong order": (
        "gradient",
        change_numbers(slopes=lambda d: (d.numbers.slopes[0][::-1], *d.numbers.slopes[1:])),
    ),
    "the pseudo rate is its complement": (
        "pseudospike continuity",
        part("pseudospike", rate=lambda d: 1 - d.pseudospike.rate),
    ),
}  # fmt: skip
RAPID_THETA = {
    "onset and recovery are exchanged": (
        "chart field",
        lambda d: exchange(d, ("omega_on", "omega_off"), ("b_on", "b_off")),
    ),
    "onset and recovery turn at each other's speed": (
        "chart field",
        lambda d: exchange(d, ("omega_on", "omega_off")),
    ),
    "the half-widths are exchanged": (
        "chart field",
        lambda d: exchange(d, ("b_on", "b_off")),
    ),
    "the glue point is the recovery's distance from the spike": (
        "(flow|spike time) against direct integration",
        define("t_glue", lambda values: values["t_glue"] * 2),
    ),
    "the period is two onsets": (
        "reset",
        define("Theta", lambda values: 2 * values["t_glue"]),
    ),
    "an input acts twice": (
        "input jump",
        change(jump=lambda d: tuple(e.subs(WEIGHT, 2 * WEIGHT) for e in d.jump)),
    ),
    "the phase runs backwards": (
        "gradient of the initial state|initial bounds",
        part("initial", value=lambda d: d.chart.coordinates[0]),
    ),
    "the pseudo input has the wrong sign": (
        "pseudo",
        part("pseudospike", delay=lambda d: d.pseudospike.delay * 2),
    ),
}


def exchange(d, *pairs):
    """Exchange the definitions of pairs of constants."""
    values = {c.symbol.name: c.value for c in d.constants}
    other = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    constants = tuple(
        replace(c, value=values[other.get(c.symbol.name, c.symbol.name)]) for c in d.constants
    )
    return replace(d, constants=constants)


def taylor(**changes):
    return part("system", **changes)


def near(**changes):
    return lambda d: taylor(
        near=lambda d: replace(d.integrated.near, **{k: f(d) for k, f in changes.items()})
    )(d)


def far(**changes):
    return lambda d: taylor(
        far=lambda d: replace(d.integrated.far, **{k: f(d) for k, f in changes.items()})
    )(d)


def flip(values, place):
    return tuple(-v if i == place else v for i, v in enumerate(values))


FLOW = "flow against direct integration"
SPIKE = "spike time against direct integration"
EIF = {
    "a term of the far chart's field has the wrong sign": (
        f"({FLOW}|{SPIKE})",
        far(
            field=lambda d: (
                d.integrated.far.field[0].subs(symbol(d, "I"), -symbol(d, "I")),
                d.integrated.far.field[1],
            )
        ),
    ),
    "the far chart forgets the current": (
        SPIKE,
        far(
            field=lambda d: (
                d.integrated.far.field[0].subs(symbol(d, "I"), 0),
                *d.integrated.far.field[1:],
            )
        ),
    ),
    "the spike comes early in the far chart": (
        SPIKE,
        far(surface=lambda d: d.integrated.far.surface - sp.Rational(1, 1000)),
    ),
    "the way into the far chart is off": (
        f"({FLOW}|{SPIKE})",
        taylor(
            far_from_near=lambda d: (
                2 * d.integrated.far_from_near[0],
                *d.integrated.far_from_near[1:],
            )
        ),
    ),
    "the near chart decays too fast": (
        FLOW,
        near(field=lambda d: (d.integrated.near.field[0], 2 * d.integrated.near.field[1])),
    ),
    "an input adds to V": (
        "input jump",
        change(jump=lambda d: (d.jump[0] + WEIGHT, d.jump[1])),
    ),
    "an untrained neuron is not at rest": (
        "initial coordinate",
        part("initial", default=lambda d: sp.Rational(1, 2)),
    ),
    "the documented field has the wrong sign": (
        "chart field",
        part("chart", field=lambda d: flip(d.chart.field, 1)),
    ),
}
ADEX = {
    "the reset forgets u": (
        "state after a spike",
        taylor(reset=lambda d: (d.integrated.reset[0], d.integrated.reset[1] - symbol(d, "b"))),
    ),
    "the reset goes to rest": (
        "state after a spike",
        taylor(reset=lambda d: (d.integrated.reset[0] + 1, d.integrated.reset[1])),
    ),
    "the peak is at infinity": (
        SPIKE,
        far(surface=lambda d: d.integrated.far.coordinates[0]),
    ),
}
IZHIKEVICH = {
    "the recovery is twice as fast": (
        FLOW,
        near(field=lambda d: (d.integrated.near.field[0], 2 * d.integrated.near.field[1])),
    ),
    "the reset forgets u": (
        "state after a spike",
        taylor(reset=lambda d: (d.integrated.reset[0], symbol(d, "u"))),
    ),
    "the peak is lower": (
        SPIKE,
        near(surface=lambda d: d.integrated.near.surface - 1),
    ),
    "a spike that comes late is not looked for": (
        SPIKE,
        taylor(horizon=lambda d: sp.Rational(1, 10)),
    ),
}
MODELS = {
    "lif": LIF, "lif_alpha": LIF_ALPHA, "lif_delta": LIF_DELTA, "nlif": NLIF, "qif": QIF,
    "rapid_theta": RAPID_THETA, "eif": EIF, "adex": ADEX, "izhikevich": IZHIKEVICH,
}  # fmt: skip
BUGS = [
    pytest.param(model, check, plant, id=f"{model}: {name}")
    for model, bugs in MODELS.items()
    for name, (check, plant) in bugs.items()
]


@pytest.mark.parametrize(("model", "check", "plant"), BUGS)
def test_a_planted_bug_is_found_by_the_check_it_belongs_to(model, check, plant):
    wrong = plant(derive_built_in(model))
    assert wrong != derive_built_in(model)
    with pytest.raises(
        VerificationError, match=f"^Check '({check}).*' failed: expected .* but got "
    ):
        verify_derivation(wrong)


KERNEL_BUGS = {
    "flow_constants_vjp": "gradient by the parameters",
    "fire_constants_vjp": "gradient by the parameters",
    "constants_vjp": "gradient by the parameters",
    "fire_vjp": "gradient of the spike time",
    "jump_vjp": "gradient of a trial",
    "flow_vjp": "gradient of a trial",
    "enter_chart_vjp": "gradient of the chart and the reset",
    "leave_chart_vjp": "gradient of the chart and the reset",
    "enter_chart_constants_vjp": "gradient of the chart and the reset",
    "leave_chart_constants_vjp": "gradient of the chart and the reset",
    "reset_vjp": "gradient of the chart and the reset",
    "reset_constants_vjp": "gradient of the chart and the reset",
    "pseudospike_constants_vjp": "gradient of the chart and the reset",
}


@pytest.mark.parametrize(
    ("model", "kernel", "check"),
    [
        pytest.param(model, kernel, check, id=f"{model}: {kernel}")
        for model, kernels in (
            ("nlif", [k for k in KERNEL_BUGS if not k.startswith("pseudospike")]),
            ("qif", ["flow_constants_vjp", "fire_vjp"]),
            (
                "rapid_theta",
                [
                    "fire_constants_vjp",
                    "jump_vjp",
                    "enter_chart_vjp",
                    "leave_chart_vjp",
                    "enter_chart_constants_vjp",
                    "leave_chart_constants_vjp",
                    "reset_vjp",
                    "reset_constants_vjp",
                    "pseudospike_constants_vjp",
                ],
            ),
        )
        for kernel, check in KERNEL_BUGS.items()
        if kernel in kernels
    ],
)
def test_a_kernel_function_that_was_lowered_wrongly_is_found(model, kernel, check):
    def spoil(branch):
        first, *rest = branch.results
        return replace(branch, results=(-3 * first - 1, *rest))

    ir = lower_once(derivations.read_neuron_model(model))
    functions = tuple(
        replace(f, branches=tuple(map(spoil, f.branches))) if f.name == kernel else f
        for f in ir.functions
    )
    assert functions != ir.functions
    with pytest.raises(VerificationError, match=f"^Check '{check}' failed: expected .* but got "):
        verify_functions(replace(ir, functions=functions))
