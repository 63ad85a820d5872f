"""What a certificate says beside its conditions: smoothness, gradients, the trial's end."""

from collections.abc import Mapping

import sympy as sp

from spiketheory.certification.boundary import Boundary
from spiketheory.certification.certificate import PROVED, REFUTED, Condition
from spiketheory.errors import SpiketheoryError
from spiketheory.language.model import NeuronModel
from spiketheory.language.notation import write_plain
from spiketheory.language.symbols import WEIGHT, constant_symbol, distance_symbol, pick_name
from spiketheory.symbolic.derivation import Derivation, Pseudospike


def second_weight(model: NeuronModel) -> sp.Symbol:
    """The weight of a second input at the same time, called apart from the model's names."""
    return constant_symbol(pick_name("v", model.symbols))


def apply_inputs(model: NeuronModel, *weights: sp.Symbol) -> tuple[sp.Expr, ...]:
    """The state after inputs, one after the other."""
    state: tuple[sp.Expr, ...] = model.state
    for weight in weights:
        before = dict(zip(model.state, state, strict=True))
        state = tuple(e.subs(WEIGHT, weight).subs(before, simultaneous=True) for e in model.jump)
    return state


def describe_gradients(boundary: Boundary, conditions: Mapping[str, Condition]) -> str:
    """Whether derivatives of spike times stay bounded as a spike is approached."""
    model = boundary.model
    V = model.spike.variable
    speed = sp.factor(-boundary.arriving.velocity[0])
    if conditions["C1"].status == REFUTED and not model.spike.is_blowup:
        return (
            f"Derivatives of a spike time by the state are divided by the speed {speed} with which "
            f"{V} crosses {boundary.threshold}. It vanishes where the threshold is grazed: a "
            "distance d from the graze, the derivatives diverge like 1/sqrt(d)."
        )
    lemmas = {e.lemma for e in conditions["C1"].evidence}
    if conditions["C1"].status == PROVED and lemmas & {"L1e", "L1t"}:
        where = "in states that are visited" if "L1t" in lemmas else "only where no trial comes"
        return (
            f"Derivatives of a spike time by the state are divided by the speed {speed} with which "
            f"{V} crosses {boundary.threshold}. It may be 0, {where}: they have no bound."
        )
    if conditions["C1"].status == PROVED:
        return (
            f"At the spike {boundary.arriving.name} falls at the speed {speed}, which is nowhere "
            "zero: derivatives of a spike time by the state just before it are bounded. They grow "
            "without bound only as a spike time itself goes to infinity, along an unstable "
            "equilibrium."
        )
    return ""


def describe_ending(model: NeuronModel) -> str:
    """What happens to spikes at the end of a trial."""
    from spiketheory.symbolic.derive import derive

    try:
        derivation = derive(model)
    except SpiketheoryError:
        return (
            "The model has no derivation here and so no pseudospikes: a spike that reaches T is "
            "gone."
        )
    pseudospike = derivation.pseudospike
    if pseudospike is None:
        return f"No pseudospikes: {derivation.without_pseudospikes}."
    return prove_ending(derivation, pseudospike)


def prove_ending(derivation: Derivation, pseudospike: Pseudospike) -> str:
    """That pseudospikes continue spikes through T, are finite, and have gradients."""
    from spiketheory.verification.cases import build_cases
    from spiketheory.verification.symbolic import claim_pseudospike, holds, is_asked, make_settings

    settings = [
        s for s in make_settings(derivation, build_cases(derivation))
        if is_asked("pseudospike continuity", s)
    ]  # fmt: skip
    joined = bool(settings) and all(holds(c, s) for s in settings for c in claim_pseudospike(s))
    how = "proved by identities" if joined else "checked in 50 digits by `derive`"
    first = (
        "A spike that leaves the trial goes on as a pseudospike: its delay is 0 at a spike and one "
        f"period just after one, so times are continuous at T ({how}). The delay never exceeds the "
        f"period, which is finite ({write_plain(pseudospike.period)}"
        f"{'' if pseudospike.free else '; the drive is a softplus and so positive'})."
    )
    slope = find_slope(derivation, pseudospike)
    if slope is not None:
        first += (
            f" Its derivative by {derivation.model.spike.variable} at T, {write_plain(slope)}, is "
            "negative everywhere: silent neurons have a gradient."
        )
    return first


def find_slope(derivation: Derivation, pseudospike: Pseudospike) -> sp.Expr | None:
    """Derivative of a pseudospike's delay by V = x/y, if it is surely negative."""
    if not derivation.chart.projective:
        return None
    x, y = derivation.chart.projective[:2]
    slope = sp.simplify(pseudospike.delay.diff(x).subs(y, 1))
    signs = {c.symbol: constant_symbol(c.symbol.name, positive=True) for c in derivation.constants}
    positive = (
        (-slope)
        .xreplace(signs)
        .subs({a: distance_symbol("a", is_open=True) for a in slope.xreplace(signs).atoms(sp.log)})
    )
    return slope if sp.factor(positive).is_positive or positive.is_positive else None
