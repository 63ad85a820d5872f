"""What must be proved of a model: one function, without any search (docs/certificates.md).

An obligation is discharged if all claims of one of its ways are proved. What has no way cannot be
discharged; its text says why.

A closed end of a parameter's domain may be looked at apart (a *face*): there the model is another
one, which perhaps cannot spike at all, while on the rest the claims need not hold up to that end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sympy as sp
from sympy.core.relational import Relational

from spiketheory.certification import at_the_spike, well_posed
from spiketheory.certification.boundary import Boundary, Unsupported, find_boundary
from spiketheory.certification.certificate import NAMES
from spiketheory.certification.claims import Claim, GrowthProblem, Obligation, Way
from spiketheory.certification.refractory import list_refractory
from spiketheory.certification.region import Range, Region, build_region, isolate
from spiketheory.errors import ModelError
from spiketheory.language.model import NeuronModel, format_expression, make_relation
from spiketheory.language.symbols import WEIGHT
from spiketheory.symbolic.derive import falls_after_reset

Edge = tuple[str, str]
"""A parameter, and the end of its domain that is looked at apart: ``low`` or ``high``."""


@dataclass(frozen=True, kw_only=True)
class Duties:
    """Everything that must be proved of a model.

    Attributes:
        model: The model.
        region: What is admissible.
        boundary: The model on its spike surface; None if no chart covers it.
        obligations: What must be proved.
    """

    model: NeuronModel
    region: Region
    boundary: Boundary | None
    obligations: tuple[Obligation, ...]


def list_obligations(
    model: NeuronModel, assumptions: Sequence[sp.Basic], split: Sequence[Edge] = ()
) -> Duties:
    """The proof obligations of a model under assumptions.

    Args:
        model: The model, with assumptions of its own.
        assumptions: More relations of weights, states and parameters.
        split: Closed ends of domains that are looked at apart.

    Returns:
        The obligations: if all of a condition's are discharged it holds.
    """
    region = build_region(model, assumptions)
    inner = replace(region, ranges=open_edges(model, region, split))
    found = [*well_posed.list_definedness(model, region),
             *well_posed.list_smoothness(model, region)]  # fmt: skip
    boundary: Boundary | None = None
    try:
        boundary = find_boundary(model)
    except Unsupported as err:
        found.append(Obligation(key="H2", condition="H", text=str(err)))
    if model.is_crossing and not (model.lands_on_threshold and not falls_after_reset(model)):
        return Duties(model=model, region=region, boundary=boundary,
                      obligations=tuple(list_crossing(model)))  # fmt: skip
    if boundary is not None:
        found += list_regular(model, boundary, inner)
        found += list_ports(model, inner)
        for edge in split:
            found += list_face(model, boundary, region, edge)
    found += list_refractory(model, region)
    found += list_notes(model, region)
    return Duties(model=model, region=region, boundary=boundary, obligations=tuple(found))


def list_regular(model: NeuronModel, boundary: Boundary, region: Region) -> Iterator[Obligation]:
    """C1 to C6 where the neuron may spike."""
    yield from at_the_spike.list_crossing(boundary, region)
    yield from at_the_spike.list_jump(boundary, region)
    yield from at_the_spike.list_neutral(boundary, region)
    yield from at_the_spike.list_order(boundary, region)
    yield from at_the_spike.list_gap(boundary, region)
    problem = GrowthProblem(boundary=boundary, model=model, region=region)
    yield Obligation(key="L5.growth", condition="C5", ways=(Way(lemma="L5, L6", growth=problem),))
    yield from at_the_spike.list_swap(boundary, region)
    yield from well_posed.list_kinks(model, region)


def list_ports(model: NeuronModel, region: Region) -> Iterator[Obligation]:
    """What is asked of inputs, at each port but the first, and of inputs at two ports.

    The theorems speak of all jumps J_w; where there are several ports, w stands for a port and a
    weight (docs/certificates.md, 1).
    """
    refused = []
    for number, (name, _) in enumerate(model.jumps[1:], start=1):
        try:
            boundary = find_boundary(model.at_port(number))
        except Unsupported as err:
            refused.append(f"at the port {name}: {err}")
            continue
        for obligation in (
            *at_the_spike.list_crossing(boundary, region),
            *at_the_spike.list_jump(boundary, region),
            *at_the_spike.list_neutral(boundary, region),
            *at_the_spike.list_order(boundary, region),
            *at_the_spike.list_swap(boundary, region),
        ):
            yield name_port(obligation, name)
    if refused:
        yield Obligation(key="H2", condition="H", text=" ".join(refused))
    yield from at_the_spike.list_pairs(model, region)


def name_port(obligation: Obligation, name: str) -> Obligation:
    """An obligation that says of which port it speaks."""
    ways = tuple(
        replace(way, claims=tuple(replace(c, text=f"at {name}, {c.text}") for c in way.claims))
        for way in obligation.ways
    )
    text = obligation.text and f"{obligation.text} (inputs at the port {name})"
    return replace(obligation, key=f"{obligation.key}@{name}", ways=ways, text=text)


def list_crossing(model: NeuronModel) -> Iterator[Obligation]:
    """What no lemma discharges: a neuron whose spikes are upward crossings.

    The lemmas are about states below the threshold. Such a neuron is on it or above it, too, and
    may graze it from there: a trial that does refutes it, but nothing is proved.
    """
    V, theta = model.spike.variable, model.spike.value
    what = f"{V} goes on through the spike"
    if model.lands_on_threshold:
        what = f"the reset of {V} leads onto the threshold"
    for name in NAMES:
        yield Obligation(
            key=f"{name}.crossing",
            condition=name,
            text=f"{what}: the lemmas are about neurons that are reset to below the threshold "
            f"{theta}",
        )


def list_edges(model: NeuronModel, region: Region) -> tuple[Edge, ...]:
    """Closed ends of the domains of parameters."""
    found = []
    for parameter in model.parameters:
        span = region.ranges.get(parameter.symbol)
        if span is None or span.low == span.high:
            continue
        if span.low.is_finite and not span.low_open:
            found.append((parameter.name, "low"))
        if span.high.is_finite and not span.high_open:
            found.append((parameter.name, "high"))
    return tuple(found)


def open_edges(model: NeuronModel, region: Region, split: Sequence[Edge]) -> dict[sp.Symbol, Range]:
    """The ranges without the ends that are looked at apart."""
    ranges = dict(region.ranges)
    for name, end in split:
        symbol = model.parameter(name).symbol
        ranges[symbol] = replace(ranges[symbol], **{f"{end}_open": True})
    return ranges


def list_face(
    model: NeuronModel, boundary: Boundary, region: Region, edge: Edge
) -> Iterator[Obligation]:
    """A face of the domain: the neuron cannot spike there, and its states stay finite.

    Where it can spike the chart would have to be that of the rest, and then nothing is gained by
    looking at the face apart.
    """
    name, end = edge
    symbol = model.parameter(name).symbol
    value = getattr(region.ranges[symbol], end)
    key = f"{name}={value}"
    try:
        face = put_parameter(model, symbol, value)
    except ModelError as err:  # a pole
        yield Obligation(key=f"{key}.face", condition="C1", text=str(err))
        return
    ranges = {s: r for s, r in region.ranges.items() if s != symbol}
    values = {s: v.subs(symbol, value) for s, v in region.values.items()}
    relations = tuple(r.subs(symbol, value) for r in region.relations)
    on_face = replace(
        region, ranges=ranges, values=values, relations=tuple(r for r in relations if r != sp.true)
    )
    if not model.spike.is_blowup:
        yield Obligation(key=f"{key}.face", condition="C1",
                         text=f"at {name} = {value} a threshold may be reached")  # fmt: skip
        return
    problem = GrowthProblem(boundary=None, model=face, region=on_face)
    yield Obligation(
        key=f"{key}.silent", condition="C1", ways=(Way(lemma="silent face, L6", growth=problem),)
    )


def put_parameter(model: NeuronModel, symbol: sp.Symbol, value: sp.Expr) -> NeuronModel:
    """The model at one value of a parameter."""

    def put(values: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        return tuple(v.subs(symbol, value) for v in values)

    return replace(
        model,
        derivatives=put(model.derivatives), jump=put(model.jump), reset=put(model.reset),
        other_inputs=tuple((name, put(jump)) for name, jump in model.other_inputs),
        rest=put(model.rest), assumptions=(),
    )  # fmt: skip


def list_notes(model: NeuronModel, region: Region) -> Iterator[Obligation]:
    """What is said beside the verdict unless it is proved that it need not be."""
    yield from at_the_spike.list_simultaneous(model, region)
    for number, (name, _) in enumerate(model.jumps[1:], start=1):
        for obligation in at_the_spike.list_simultaneous(model.at_port(number), region):
            yield name_port(obligation, name)
    yield from at_the_spike.list_pair_notes(model, region)
    bound = [r for r in region.relations if r.free_symbols & set(model.state)]
    if bound:
        claims = [list_keeping(model, region, r) for r in bound]
        whole = [c for found in claims if found is not None for c in found]
        names = ", ".join(map(format_expression, bound))
        yield Obligation(
            key="keeps",
            condition="note",
            ways=() if None in claims else (Way(lemma="invariance", claims=tuple(whole)),),
            text=f"The dynamics do not keep {names} by themselves; "
            "the certificate speaks of trials that do.",
        )


def list_keeping(
    model: NeuronModel, region: Region, relation: sp.Basic
) -> tuple[Claim, ...] | None:
    """That rest, flow, input and reset keep a bound on one variable (its closure)."""
    if not isinstance(relation, Relational) or relation.rel_op not in ("<", "<=", ">", ">="):
        return None
    difference = relation.lhs - relation.rhs
    inside = difference if relation.rel_op[0] == ">" else -difference
    at_rest = inside.subs(dict(zip(model.state, model.rest, strict=True)), simultaneous=True)
    moved = [
        inside.subs(dict(zip(model.state, jump, strict=True)), simultaneous=True)
        for _, jump in model.jumps
    ]
    after = inside.subs(dict(zip(model.state, model.reset, strict=True)), simultaneous=True)
    symbols = sorted(inside.free_symbols & set(model.state), key=str)
    if len(symbols) != 1 or model.spike.variable in symbols or after.has(sp.oo):
        return None
    solved = isolate(inside, ">=", symbols[0])
    if solved is None:
        return None
    drift = sum(
        (inside.diff(s) * f for s, f in zip(model.state, model.derivatives, strict=True)),
        sp.S.Zero,
    )
    edge = build_region(model, [])
    on_edge = drift.subs(symbols[0], solved[2])
    weights = [r for r in region.relations if r.free_symbols == {WEIGHT}]
    within = build_region(model, [make_relation(*solved), *weights])
    return tuple(
        Claim(text=f"{what} keeps {relation}", expression=value, relation=">= 0", region=where)
        for what, value, where in (
            ("rest", at_rest, edge), ("the flow", on_edge, edge),
            *(("an input", value, within) for value in moved), ("a reset", after, within),
        )
    )  # fmt: skip
