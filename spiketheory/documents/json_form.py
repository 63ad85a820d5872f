"""A derivation for machines: JSON with every formula as a sympy string and as LaTeX."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import sympy as sp

from spiketheory.documents.flow import describe_value
from spiketheory.documents.frame import describe_frame
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.language.model import NeuronModel, format_expression
from spiketheory.language.notation import write_latex
from spiketheory.symbolic.derivation import Branch, Derivation, Integrated
from spiketheory.symbolic.derive import differentiate

SCHEMA = 2


# Long: one table, in the order of the document.
def render_json(verified: VerifiedKernel, *, code: str | None = None) -> str:
    """The document as JSON text; the same derivation gives the same text."""
    d = verified.derivation
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "model": describe_model(d.shown),
        "method": d.method,
        "reason": d.reason,
        "rejected": list(d.rejected),
        "chart": {
            "name": d.chart.name,
            "coordinates": [c.name for c in d.chart.coordinates],
            "to_state": name_all(d.shown.state, d.leave),
            "from_state": name_all(d.chart.coordinates, d.enter),
            "field": name_all(d.chart.coordinates, d.chart.field),
            "surface": write(d.chart.surface),
            "projective": [c.name for c in d.chart.projective],
        },
        "constants": [
            {"name": c.symbol.name, "meaning": c.meaning} | write(c.value) for c in d.constants
        ],
        "propagator": {
            "symbols": [s.name for s in d.propagator.symbols],
            "branches": [
                {
                    "condition": write(b.condition),
                    "values": name_all(d.propagator.symbols, b.values),
                }
                for b in d.propagator.branches
            ],
        },
        "numbers": describe_numbers(d),
        "flow": None if d.is_integrated else name_all(d.chart.coordinates, d.closed.flow),
        "will_spike": write(d.will_spike),
        "time_to_spike": list(map(describe_branch, d.spike_branches)),
        "descent": describe_descent(d),
        "integrated": describe_charts(d),
        "jump": name_all(d.chart.coordinates, d.jump),
        "other_jumps": {
            name: name_all(d.chart.coordinates, jump)
            for (name, _), jump in zip(d.model.other_inputs, d.other_jumps, strict=True)
        },
        "reset": name_all(d.chart.coordinates, d.reset),
        **describe_refractory(d),
        "initial": describe_initial(d),
        "gradients": {name: write_matrix(matrix) for name, matrix in differentiate(d).items()},
        "pseudospike": describe_pseudospike(d),
        "without_pseudospikes": d.without_pseudospikes,
        "frame": describe_frame(d),
        "without_frame": d.without_frame,
        "steps": [
            {"title": s.title, "text": s.text, "equations": list(map(write, s.equations))}
            for s in d.steps
        ],
        "checks": [
            {"name": c.name, "method": c.method, "detail": c.detail} for c in verified.checks
        ],
        "references": list(d.references),
    }
    if code is not None:
        content["code"] = code
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write(expression: sp.Basic) -> dict[str, str]:
    """A formula as a sympy string and as LaTeX."""
    return {"expr": sp.sstr(expression), "latex": write_latex(expression)}


def write_matrix(matrix: sp.Matrix) -> dict[str, Any]:
    """A Jacobian: its shape, its entries row by row, and its LaTeX."""
    return {
        "shape": list(matrix.shape),
        "entries": [[sp.sstr(entry) for entry in row] for row in matrix.tolist()],
        "latex": write_latex(matrix),
    }


def name_all(symbols: Sequence[sp.Symbol], values: Iterable[sp.Basic]) -> dict[str, dict[str, str]]:
    """Formulas by the name of what they give."""
    return {s.name: write(value) for s, value in zip(symbols, values, strict=True)}


def describe_numbers(d: Derivation) -> dict[str, Any] | None:
    """The numbers of the flow that depend on the state; null if there are none."""
    numbers = d.numbers
    if numbers is None:
        return None
    return {
        "meaning": numbers.meaning,
        "symbols": [s.name for s in numbers.symbols],
        "function": write(numbers.call),
        "closed_forms": [
            {
                "where": {s.name: describe_value(s, v) for s, v in form.where.items()},
                "values": name_all(numbers.symbols, form.values),
                "constants": {sp.sstr(c): write(v) for c, v in form.constants.items()},
            }
            for form in numbers.closed_forms
        ],
    }


def describe_descent(d: Derivation) -> dict[str, Any] | None:
    """The functions of time that isolate the first spike; null if a closed form gives it."""
    if d.descent is None:
        return None
    return {
        "heights": list(map(write, d.descent.heights)),
        "rates": list(map(write, d.descent.rates)),
        "horizon": write(d.descent.horizon),
    }


def describe_charts(d: Derivation) -> dict[str, Any] | None:
    """The equations that are integrated; null if the flow has a closed form."""
    if not d.is_integrated:
        return None
    system = d.integrated
    charts = {"near": system.near} | ({"far": system.far} if system.far else {})
    described: dict[str, Any] = {
        name: {
            "field": name_all(chart.coordinates, chart.field),
            "surface": write(chart.surface) if chart.surface is not None else None,
        }
        for name, chart in charts.items()
    }
    if system.far is not None and system.enter_far is not None and system.leave_far is not None:
        described |= {
            "far_from_near": name_all(system.far.coordinates, system.far_from_near),
            "enter_far": write(system.enter_far > 0),
            "leave_far": write(system.leave_far > 0),
        }
    return described | {"horizon": write(system.horizon)}


def describe_branch(branch: Branch) -> dict[str, dict[str, str]]:
    """A case of the spike time."""
    return {"condition": write(branch.condition), "value": write(branch.values[0])}


def describe_model(model: NeuronModel) -> dict[str, Any]:
    """The model in the words of a model file, and in LaTeX."""
    return {
        "name": model.name,
        "description": model.description,
        "digest": model.digest,
        "source": dict(model.source),
        "state": [s.name for s in model.state],
        "derivatives": name_all(model.state, model.derivatives),
        "parameters": [
            {
                "name": p.name,
                "default": p.default,
                "domain": format_expression(p.domain),
                "unit": p.unit,
                "latex": write_latex(p.symbol),
            }
            for p in model.parameters
        ],
        "assumptions": list(map(format_expression, model.assumptions)),
    }


def describe_refractory(d: Derivation) -> dict[str, Any]:
    """The refractory period; nothing if there is none."""
    phase, refractory = d.refractory, d.shown.refractory
    if phase is None or refractory is None:
        return {}
    coordinates = d.chart.coordinates
    flow = None if isinstance(phase.solution, Integrated) else phase.solution
    return {
        "refractory": {
            "time": write(phase.time),
            "hold": [s.name for s in refractory.hold],
            "field": name_all(coordinates, phase.field),
            "jumps": [name_all(coordinates, jump) for jump in phase.jumps],
            "flow": None if flow is None else name_all(coordinates, flow),
        }
    }


def describe_initial(d: Derivation) -> dict[str, Any]:
    """The learnable initial coordinate."""
    initial = d.initial
    return {
        "name": initial.symbol.name,
        "meaning": initial.meaning,
        "state": name_all(d.chart.coordinates, initial.state),
        "value": write(initial.value),
        "lower": write(initial.lower),
        "upper": write(initial.upper),
        "default": write(initial.default),
    }


def describe_pseudospike(d: Derivation) -> dict[str, Any] | None:
    """The pseudodynamics; null if the model has none."""
    pseudo = d.pseudospike
    if pseudo is None:
        return None
    return {
        "meaning": pseudo.meaning,
        "delay": write(pseudo.delay),
        "period": write(pseudo.period),
        "rate": write(pseudo.rate),
    }
