"""Go through a certificate again: small, and in another arithmetic than what made it.

Nothing of `spiketheory.certification.proofs`, `spiketheory.certification.conditions` or
`spiketheory.certification.witness` is used here. Boxes are evaluated in mpmath's interval
arithmetic; identities and signs at rational points in the same arithmetic, beside a second
simplification; trials are run again with more digits.
"""

import itertools
import json
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import mpmath
import sympy as sp
from mpmath import iv, mpf

from spiketheory.certification.certificate import STATEMENTS
from spiketheory.errors import InputError, VerificationError
from spiketheory.language.parse import parse_model
from spiketheory.language.symbols import distance_symbol, state_symbol
from spiketheory.language.syntax import parse_expression
from spiketheory.reference.neuron import Neuron

DIGITS = 60
POINTS = 50
SEED = 20250109
FUNCTIONS: dict[str, Any] = {
    "exp": iv.exp, "log": iv.log, "sqrt": iv.sqrt, "sin": iv.sin, "cos": iv.cos,
    "tanh": lambda x: 1 - 2 / (iv.exp(2 * x) + 1),
    "mpf": iv.mpf, "pi": iv.pi,
}  # fmt: skip


def recheck(text: str) -> list[str]:
    """Check every proof, counterexample and witness of a certificate.

    Args:
        text: JSON of ``certify --format json``.

    Returns:
        What was checked, line by line.

    Raises:
        InputError: If the text is not such a certificate.
        VerificationError: If something in it is wrong.
    """
    try:
        content = json.loads(text)
        model = parse_model(content["model_file"])
        conditions, witnesses = content["conditions"], content["witnesses"]
        verdict = content["verdict"]
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise InputError(
            f"Expected the JSON of a certificate but got something else ({err}); write it with "
            "`spiketheory certify --format json --out FILE`."
        ) from err
    lines = []
    for name, condition in conditions.items():
        check_status(name, condition, [w for w in witnesses if w["condition"] == name])
        for evidence in condition["evidence"]:
            if evidence.get("proof"):
                check_proof(evidence["proof"])
                lines.append(f"{name}: {evidence['text']}: {evidence['proof']['method']}")
    for witness in witnesses:
        check_witness(model, witness)
        lines.append(f"{witness['condition']}: {witness['change']}: simulated again")
    check_verdict(verdict, {n: c["status"] for n, c in conditions.items()})
    return [*lines, f"the verdict {verdict} follows"]


def wrong(what: str, got: object) -> VerificationError:
    """The error of a certificate that does not hold."""
    return VerificationError(
        f"Check 'certificate' failed: expected {what} but got {got}; certify the model again."
    )


def check_status(name: str, condition: Mapping[str, Any], witnesses: list[Any]) -> None:
    """A proved condition has proofs or arguments only; a refuted one has a witness."""
    if condition["status"] == "proved" and not all(
        e.get("proof") or e.get("holds") for e in condition["evidence"]
    ):
        raise wrong(f"a proof of every claim of {name}", "one without")
    if condition["status"] == "refuted" and not witnesses:
        raise wrong(f"a witness of {name}", "none")


def check_verdict(verdict: str, statuses: Mapping[str, str]) -> None:
    """The verdict follows from the conditions."""
    first = [statuses[name] for name in list(STATEMENTS)[:5]]
    expected = (
        "refuted" if "refuted" in first
        else "undecided" if "undecided" in first
        else "smooth" if statuses["C6"] == "proved"
        else "continuous"
    )  # fmt: skip
    if verdict != expected:
        raise wrong(f"the verdict {expected}", verdict)


def check_proof(proof: Mapping[str, Any]) -> None:
    """Go through one proof."""
    names = {n: state_symbol(n) for n in proof["ranges"]}
    expression = parse_expression(proof["expression"], names, where="a certificate")
    ranges = {
        names[n]: (read_end(r["low"]), read_end(r["high"])) for n, r in proof["ranges"].items()
    }
    if proof["method"] == "intervals":
        check_tree(expression, proof["relation"], ranges, proof["tree"])
        return
    if proof["method"] == "identity" and not (
        sp.expand(expression) == 0 or sp.simplify(expression) == 0
    ):
        raise wrong(f"{expression} to be zero", "something else")
    if proof["method"] == "signs":
        check_signs(expression, proof)
    for point in draw_points(ranges):
        value = evaluate(expression, {s: (v, v) for s, v in point.items()})
        holds = {"= 0": value.a <= 0 <= value.b, "> 0": value.b > 0, ">= 0": value.b >= 0}
        if not holds[proof["relation"]]:
            raise wrong(f"{expression} {proof['relation']}", f"{value} at {point}")


def read_end(text: str) -> Fraction | None:
    """An end of a range; None if there is none."""
    return None if text in ("oo", "-oo") else Fraction(text)


def check_signs(expression: sp.Expr, proof: Mapping[str, Any]) -> None:
    """That an expression has its sign because its parts have theirs."""
    ways = []
    for name, span in proof["ranges"].items():
        bounds: list[tuple[sp.Expr, int, bool]] = []
        if span["low"] != "-oo":
            bounds.append((sp.Rational(span["low"]), 1, span["low_open"]))
        if span["high"] != "oo":
            bounds.append((sp.Rational(span["high"]), -1, span["high_open"]))
        symbol = state_symbol(name)
        ways.append([
            (symbol, bound + side * distance_symbol(name, is_open=is_open))
            for bound, side, is_open in bounds
        ] or [(symbol, symbol)])  # fmt: skip
    for chosen in itertools.product(*ways):
        form = expression.subs(dict(chosen))
        for one in (form, sp.factor(form), sp.expand(form)):
            if one.is_positive or (proof["relation"] == ">= 0" and one.is_nonnegative):
                return
    raise wrong(f"the sign of {expression} to follow from its parts", "that it does not")


def draw_points(
    ranges: Mapping[sp.Symbol, tuple[Fraction | None, Fraction | None]],
) -> Iterator[dict[sp.Symbol, Fraction]]:
    """Rational points inside of ranges."""
    draw = random.Random(SEED)
    for _ in range(POINTS):
        point = {}
        for symbol, (low, high) in ranges.items():
            size = Fraction(draw.randint(1, 400), draw.choice((1, 7, 64)))
            if low is not None and high is not None:
                point[symbol] = low + (high - low) * Fraction(draw.randint(1, 99), 100)
            elif low is not None:
                point[symbol] = low + size
            elif high is not None:
                point[symbol] = high - size
            else:
                point[symbol] = draw.choice((-1, 1)) * size
        yield point


def evaluate(
    expression: sp.Expr, box: Mapping[sp.Symbol, tuple[Fraction | None, Fraction | None]]
) -> Any:
    """Range of an expression on a box."""
    function = sp.lambdify(tuple(box), expression, [FUNCTIONS, "mpmath"])
    return iv.convert(function(*(make_interval(*span) for span in box.values())))


def make_interval(low: Fraction | None, high: Fraction | None) -> Any:
    """An interval with rational or infinite ends, rounded outwards."""
    first = "-inf" if low is None else (iv.mpf(low.numerator) / low.denominator).a
    last = "inf" if high is None else (iv.mpf(high.numerator) / high.denominator).b
    return iv.mpf([first, last])


def check_tree(
    expression: sp.Expr, relation: str,
    box: Mapping[sp.Symbol, tuple[Fraction | None, Fraction | None]], tree: Any,
) -> None:  # fmt: skip
    """Every leaf of a tree proves the claim on its box, and the boxes cover the region."""
    if tree == "leaf":
        value = evaluate(expression, box)
        if not (value.a > 0 or (relation == ">= 0" and value.a >= 0)):
            raise wrong(f"{expression} {relation} on {dict(box)}", value)
        return
    kind, parts = next(k for k in tree if k != "parts"), tree["parts"]
    symbol = state_symbol(tree[kind])
    low, high = box[symbol]
    if kind == "halves":
        if low is None or high is None:
            raise wrong("a finite range to halve", (low, high))
        middle = (low + high) / 2
        check_tree(expression, relation, {**box, symbol: (low, middle)}, parts[0])
        check_tree(expression, relation, {**box, symbol: (middle, high)}, parts[1])
        return
    check_tails(expression, relation, box, symbol, parts)


def check_tails(
    expression: sp.Expr, relation: str,
    box: Mapping[sp.Symbol, tuple[Fraction | None, Fraction | None]], symbol: sp.Symbol, parts: Any,
) -> None:  # fmt: skip
    """The tails of an unbounded range, in 1/x where that is possible, and the rest."""
    low, high = box[symbol]
    cut = Fraction(4)
    start = min(-cut, high - cut) if high is not None else -cut
    stop = max(cut, low + cut) if low is not None else cut
    below, middle, above = parts
    if (low is None) != (below is not None) or (high is None) != (above is not None):
        raise wrong("a tail wherever the range has no end", f"{low}, {high}")
    inner = (low if low is not None else start, high if high is not None else stop)
    check_tree(expression, relation, {**box, symbol: inner}, middle)
    for side, tail, end in ((-1, below, start), (1, above, stop)):
        if tail is None:
            continue
        if not expression.is_polynomial(symbol):
            span = (end, None) if side > 0 else (None, end)
            check_tree(expression, relation, {**box, symbol: span}, tail)
            continue
        degree = sp.degree(expression, symbol) if expression.has(symbol) else 0
        inverse = sp.expand(expression.subs(symbol, 1 / symbol) * (side * symbol) ** degree)
        reach = (Fraction(0), 1 / end) if side > 0 else (1 / end, Fraction(0))
        check_tree(sp.expand(inverse), relation, {**box, symbol: reach}, tail)


def check_witness(model: Any, witness: Mapping[str, Any]) -> None:
    """Run a witness's trial again, at both values, with more digits."""
    low, high = witness["values"]
    if not 0 < high - low < 1e-9:
        raise wrong("two values less than 1e-9 apart", witness["values"])
    runs = [run(model, witness, value) for value in (low, high)]
    for got, stated in zip(runs, witness["spikes"], strict=True):
        for a, b in zip(got, stated, strict=False):
            if abs(a - mpf(b)) > mpf("1e-12") * max(1, abs(a)):
                raise wrong(f"a spike at {b}", mpmath.nstr(a, 15))
        if witness["condition"] != "C5" and len(got) != len(stated):
            raise wrong(f"{len(stated)} spikes", len(got))


def run(model: Any, witness: Mapping[str, Any], value: float) -> list[mpf]:
    """Spike times of a witness's trial at one value."""
    trial = witness["trial"]
    times, weights = list(trial["input_times"]), list(trial["input_weights"][0])
    names = {p.name for p in model.parameters}
    keys = {s.name: f"initial_{s.name}" if f"{s.name}0" in names else f"{s.name}0"
            for s in model.state}  # fmt: skip
    initial = {name: trial[key][0] for name, key in keys.items()}
    parameter = witness["parameter"]
    if parameter.startswith("weight of input "):
        weights[int(parameter.split()[-1]) - 1] = value
    elif parameter.startswith("time of input "):
        times[int(parameter.split()[-1]) - 1] = value
    else:
        initial[parameter.removesuffix("0")] = value
    values = {p.name: mpf(trial[p.name]) for p in model.parameters}
    neuron = Neuron(model, values, digits=DIGITS)
    inputs = sorted(zip(map(mpf, times), map(mpf, weights), strict=True), key=lambda i: i[0])
    start = [mpf(initial[s.name]) for s in model.state]
    most = 400 if witness["condition"] == "C5" else 50
    return neuron.run(start, inputs, mpf(trial["T"]), most=most)[0]
