"""Go through a certificate again: small, and in another arithmetic than what made it.

The obligations are made anew from the model and the assumptions; what the file says of them is only
looked up, claim by claim, and checked. Boxes are evaluated in mpmath's interval arithmetic (the
prover uses balls); identities by normal form and, beside it, at random points in 60 digits; trials
are run again in 60 digits. From what holds the certificate is put together again, and it must be
the one in the file, to the last character. Nothing of `spiketheory.certification.proofs` or of the
searches for trials is used here (docs/certificates.md says what is trusted).
"""

import itertools
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp
from mpmath import iv

from spiketheory.certification.certificate import NAMES, Certificate
from spiketheory.certification.certificate_json import (
    SCHEMA,
    describe_certificate,
    describe_ranges,
    find_digest,
)
from spiketheory.certification.claims import (
    Claim,
    Counterexample,
    Finding,
    Proof,
    Tree,
    enclose_end,
    list_forms,
    list_groups,
    write_simply,
)
from spiketheory.certification.discharge import PROVING, assemble, conclude
from spiketheory.certification.obligations import list_edges, list_obligations
from spiketheory.certification.recheck_witness import check_witness, wrong
from spiketheory.certification.region import Range, build_region
from spiketheory.errors import InputError, SpiketheoryError, VerificationError
from spiketheory.language.model import format_expression
from spiketheory.language.parse import parse_assumption, parse_model
from spiketheory.language.symbols import distance_symbol
from spiketheory.reading import DAMAGE, DamagedError, parse_json, read_limited, show

POINTS = 50
SEED = 20250109
DIGITS = 60
MOST_BYTES = 100_000_000
FUNCTIONS: dict[str, Any] = {
    "exp": iv.exp, "log": iv.log, "sqrt": iv.sqrt, "sin": iv.sin, "cos": iv.cos,
    "tanh": lambda x: 1 - 2 / (iv.exp(2 * x) + 1),
    "cosh": lambda x: (iv.exp(x) + iv.exp(-x)) / 2,
    "sinh": lambda x: (iv.exp(x) - iv.exp(-x)) / 2,
    "mpf": iv.mpf, "pi": iv.pi, "Abs": abs,
}  # fmt: skip
Box = dict[sp.Symbol, tuple[Fraction | None, Fraction | None]]


def recheck(text: str | bytes) -> list[str]:
    """Check every proof, counterexample and witness of a certificate.

    Args:
        text: JSON of ``certify --format json``; bytes are UTF-8.

    Returns:
        What was checked, line by line.

    Raises:
        InputError: If the text is not a certificate, or one of an older schema.
        VerificationError: If something in it is wrong.
    """
    try:
        text = text if isinstance(text, str) else text.decode()
        content = parse_json(text, parse_constant=refuse_constant, object_pairs_hook=read_object)
    except (DamagedError, UnicodeDecodeError) as err:
        raise no_certificate(str(err)) from err
    if not isinstance(content, dict) or "model_file" not in content or "schema" not in content:
        raise no_certificate("it is no object with a model_file and a schema")
    if type(content["schema"]) is not int or content["schema"] != SCHEMA:
        raise no_certificate(
            f"schema {show(content['schema'])}; this version reads schema {SCHEMA}"
        )
    try:
        certificate, lines = rebuild(content)
        again = describe_certificate(certificate)
    except (VerificationError, InputError):
        raise
    except DAMAGE as err:
        raise wrong("entries that can be read", f"{type(err).__name__} ({err})") from err
    compare(content, again)
    return [*lines, f"the verdict {certificate.verdict} follows"]


def read_certificate(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a certificate's file.

    Raises:
        InputError: If it cannot be read, or is too large.
    """
    try:
        return read_limited(path, most=MOST_BYTES)
    except DamagedError as err:
        raise no_certificate(str(err)) from err


def refuse_constant(name: str) -> None:
    """NaN and infinities are no JSON."""
    raise ValueError(f"{name} is not a number")


def read_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no key stands twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def no_certificate(why: str) -> InputError:
    """The error of a file that is something else."""
    return InputError(
        f"Expected the JSON of a certificate but got something else ({why}); write it with "
        "`spiketheory certify --format json --out FILE`."
    )


def rebuild(content: Mapping[str, Any]) -> tuple[Certificate, list[str]]:
    """The certificate that the model, and what holds of the file's proofs and trials, amount to."""
    try:
        model = parse_model(content["model_file"])
    except (SpiketheoryError, TypeError, AttributeError) as err:
        raise wrong("a model file", err) from err
    assumptions = [parse_assumption(a, model) for a in content["assumptions"]]
    region = build_region(model, assumptions)
    if region.is_empty:
        raise wrong("assumptions that something obeys", content["assumptions"])
    split = tuple((name, end) for name, end in content["split"])
    if not set(split) <= set(list_edges(model, region)):
        raise wrong("closed ends of domains", split)
    duties = list_obligations(model, assumptions, split)
    reader = Reader(content)
    found = conclude(duties.obligations, reader.decide)
    witnesses = []
    for described in content["witnesses"]:
        witnesses.append(check_witness(model, assumptions, described))
        reader.lines.append(f"{described['condition']}: {described['change']}: simulated again")
    certificate = assemble(duties, assumptions, split, found, witnesses)
    under, lines = None, reader.lines
    if content["suggestion"] is not None:
        under, more = rebuild(content["suggestion"])
        if under.model != model or under.verdict not in PROVING or (
            under.assumptions[: len(assumptions)] != certificate.assumptions
        ):  # fmt: skip
            raise wrong("a suggestion for this model", content["suggestion"]["assumptions"])
        lines = [*lines, *(f"under the suggestion: {line}" for line in more)]
    return replace(certificate, under=under), lines


def compare(content: Mapping[str, Any], again: Mapping[str, Any]) -> None:
    """What was put together again is what the file says, to the last character."""
    for key in again:
        if key not in content:
            raise wrong(f"an entry {key}", "none")
        written, expected = (json.dumps(c[key], sort_keys=True) for c in (content, again))
        if key != "digest" and written != expected:
            raise wrong(f"{key} to be {shorten(expected)}", shorten(written))
    if set(content) != set(again):
        raise wrong("no other entries", sorted(set(content) - set(again)))
    if content["digest"] != find_digest(content):
        raise wrong(f"the digest {find_digest(content)}", content["digest"])


def shorten(text: str) -> str:
    """A text of bearable length."""
    return text if len(text) <= 200 else f"{text[:200]}..."


class Reader:
    """Looks up what a file says of claims, and checks it."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.entries: dict[str, Mapping[str, Any]] = {}
        self.known: dict[tuple[str, sp.Expr], Finding] = {}
        self.lines: list[str] = []
        groups = [content["conditions"][name]["evidence"] for name in NAMES]
        for entry in itertools.chain(*groups, content["waived_notes"]):
            if "claim" in entry:
                key = json.dumps([entry["claim"], entry["ranges"]], sort_keys=True)
                if self.entries.get(key, entry).get("proof") is None or key not in self.entries:
                    self.entries[key] = entry

    def decide(self, claim: Claim) -> Finding:
        """What the file says of a claim, if it holds; None if it says nothing."""
        text = f"{format_expression(claim.expression)} {claim.relation}"
        key = json.dumps([text, describe_ranges(claim.ranges)], sort_keys=True)
        said = (key, claim.written)  # of two faces a claim may say different things
        if said not in self.known:
            entry = self.entries.get(key)
            self.known[said] = None if entry is None else self.check(claim, entry)
        return self.known[said]

    def check(self, claim: Claim, entry: Mapping[str, Any]) -> Finding:
        """A proof or a counterexample, gone through again."""
        if "proof" in entry and "counterexample" in entry:
            raise wrong("a proof or a counterexample", "both")
        if "proof" in entry:
            found = check_proof(claim, entry["proof"])
            self.lines.append(f"{entry['obligation']}: {claim.text}: {found.method}")
            return found
        if "counterexample" in entry:
            return check_counterexample(claim, entry["counterexample"]["point"])
        return None


def check_proof(claim: Claim, proof: Mapping[str, Any]) -> Proof:
    """Go through one proof of a claim; the formula is the claim's own, not the file's."""
    method, tree = proof["method"], read_tree(proof["tree"], claim.ranges)
    written, ranges = claim.written, claim.ranges
    expression = written if claim.relation == "= 0" else write_simply(written)
    allowed = {"= 0": ("identity",), "> 0": ("signs", "intervals"), ">= 0": ("signs", "intervals")}
    if method not in allowed[claim.relation] or (tree is None) == (method == "intervals"):
        raise wrong(f"a method for {claim.relation}", method)
    if tree is not None:
        box = {
            s: (read_end(enclose_end(r.low, -1)), read_end(enclose_end(r.high, 1)))
            for s, r in ranges.items()
        }
        check_tree(expression, claim.relation, box, tree)
    elif method == "signs":
        check_signs(expression, claim.relation, ranges)
    elif not (sp.expand(written) == 0 or sp.simplify(written) == 0):
        raise wrong(f"{written} to be zero", "something else")
    check_at_points(claim, written, ranges)
    return Proof(
        expression=expression, relation=claim.relation, method=method, ranges=ranges, tree=tree
    )


def read_tree(described: Any, ranges: Mapping[sp.Symbol, Range]) -> Tree | None:
    """A tree of boxes from JSON."""
    if described is None:
        return None
    if described == "leaf":
        return Tree()
    if isinstance(described, dict) and len(described) == 2 and "parts" in described:
        kind = min(described, key="parts".__eq__)
        parts = tuple(read_tree(p, ranges) for p in described["parts"])
        if kind == "tails" or (kind == "halves" and None not in parts):
            return Tree(kind, {s.name: s for s in ranges}[described[kind]], parts)
    raise wrong("a tree of halves and tails", shorten(str(described)))


def read_end(end: sp.Expr) -> Fraction | None:
    """An end of a range; None if there is none."""
    if end.is_Rational:
        return Fraction(int(end.p), int(end.q))
    if end.is_finite is not False:
        raise wrong("rational ends of ranges", end)
    return None


def check_signs(expression: sp.Expr, relation: str, ranges: Mapping[sp.Symbol, Range]) -> None:
    """That an expression has its sign because its parts have theirs, at once or in groups."""
    if has_signs(expression, relation, ranges):
        return
    groups = list_groups(expression, ranges)
    strict = relation == ">= 0" or any(has_signs(g, "> 0", ranges) for g in groups)
    if not (strict and all(has_signs(g, ">= 0", ranges) for g in groups)):
        raise wrong(f"the sign of {expression} to follow from its parts", "that it does not")


def has_signs(expression: sp.Expr, relation: str, ranges: Mapping[sp.Symbol, Range]) -> bool:
    """Whether the sign follows from those of the parts, in distances to the bounds."""
    ways = []
    for symbol, span in ranges.items():
        bounds = []
        if span.low.is_finite and expression.has(symbol):
            bounds.append(span.low + distance_symbol(symbol.name, is_open=span.low_open))
        if span.high.is_finite and expression.has(symbol):
            bounds.append(span.high - distance_symbol(symbol.name, is_open=span.high_open))
        ways.append([(symbol, bound) for bound in bounds] or [(symbol, symbol)])
    for chosen in itertools.product(*ways):
        form = expression.xreplace(dict(chosen))
        for one in list_forms(form):
            if one.is_positive or (relation == ">= 0" and one.is_nonnegative):
                return True
    return False


def check_at_points(claim: Claim, written: sp.Expr, ranges: Mapping[sp.Symbol, Range]) -> None:
    """Points can only refute; the formula is evaluated as it stands, before any simplification."""
    if written.has(sp.Piecewise):
        return
    with many_digits():
        function = compile_intervals(written, tuple(ranges))
        for point in draw_points(ranges):
            try:
                value = iv.convert(function(*(make_interval(v, v) for v in point)))
            except (ZeroDivisionError, ValueError, TypeError):
                continue
            holds = {"= 0": value.a <= 0 <= value.b, "> 0": value.b > 0, ">= 0": value.b >= 0}
            if not holds[claim.relation]:
                raise wrong(f"{written} {claim.relation}", f"{value} at {list(point)}")


def draw_points(ranges: Mapping[sp.Symbol, Range]) -> Iterator[list[Fraction]]:
    """Rational points inside of ranges."""
    draw = random.Random(SEED)
    for _ in range(POINTS):
        point = []
        for span in ranges.values():
            size = Fraction(draw.randint(1, 400), draw.choice((1, 7, 64)))
            low, high = (read_end(enclose_end(e, s)) for e, s in ((span.low, 1), (span.high, -1)))
            if low is not None and high is not None:
                point.append(low + (high - low) * Fraction(draw.randint(1, 99), 100))
            elif low is not None:
                point.append(low + size)
            elif high is not None:
                point.append(high - size)
            else:
                point.append(draw.choice((-1, 1)) * size)
        yield point


def check_counterexample(claim: Claim, point: Mapping[str, str]) -> Counterexample:
    """A point of the region at which a claim is false."""
    symbols = {s.name: s for s in claim.expression.free_symbols}
    symbols |= {s.name: s for r in claim.region.relations for s in r.free_symbols}
    symbols |= {s.name: s for s in claim.region.ranges}
    values = {symbols[n]: sp.Rational(v) for n, v in point.items()}
    value = claim.expression.subs(values)
    if value.free_symbols or not claim.region.admits(values):
        raise wrong(f"an admissible point for {claim.expression}", dict(point))
    with many_digits():
        ball = iv.convert(compile_intervals(value, ())())
    false = {"= 0": not ball.a <= 0 <= ball.b, "> 0": ball.b <= 0, ">= 0": ball.b < 0}
    if not false[claim.relation] and not (claim.relation == "> 0" and sp.simplify(value) == 0):
        raise wrong(f"{claim.expression} {claim.relation} to be false", f"{ball} at {dict(point)}")
    return Counterexample(
        expression=claim.expression, relation=claim.relation, point=values, value=value
    )


@contextmanager
def many_digits() -> Iterator[None]:
    """Intervals of `DIGITS` digits."""
    before = iv.dps
    iv.dps = DIGITS
    try:
        yield
    finally:
        iv.dps = before


@lru_cache(maxsize=256)
def compile_intervals(expression: sp.Expr, symbols: tuple[sp.Symbol, ...]) -> Any:
    """An expression as a function of intervals."""
    return sp.lambdify(symbols, expression, [FUNCTIONS, "mpmath"], dummify=True)


def make_interval(low: Fraction | None, high: Fraction | None) -> Any:
    """An interval with rational or infinite ends, rounded outwards."""
    first = "-inf" if low is None else (iv.mpf(low.numerator) / low.denominator).a
    last = "inf" if high is None else (iv.mpf(high.numerator) / high.denominator).b
    return iv.mpf([first, last])


def check_tree(expression: sp.Expr, relation: str, box: Box, tree: Tree) -> None:
    """Every leaf of a tree proves the claim on its box, and the boxes cover the region."""
    if tree.kind == "leaf":
        function = compile_intervals(expression, tuple(box))
        value = iv.convert(function(*(make_interval(*span) for span in box.values())))
        if not (value.a > 0 or (relation == ">= 0" and value.a >= 0)):
            raise wrong(f"{expression} {relation} on {dict(box)}", value)
        return
    assert tree.symbol is not None
    low, high = box[tree.symbol]
    if tree.kind == "tails":
        check_tails(expression, relation, box, tree)
        return
    if low is None or high is None or len(tree.parts) != 2:
        raise wrong("two halves of a finite range", (low, high))
    middle = (low + high) / 2
    for span, part in zip(((low, middle), (middle, high)), tree.parts, strict=True):
        assert part is not None
        check_tree(expression, relation, {**box, tree.symbol: span}, part)


def check_tails(expression: sp.Expr, relation: str, box: Box, tree: Tree) -> None:
    """The tails of an unbounded range, in 1/x where that is possible, and the rest."""
    symbol = tree.symbol
    assert symbol is not None
    low, high = box[symbol]
    cut = Fraction(4)
    start = min(-cut, high - cut) if high is not None else -cut
    stop = max(cut, low + cut) if low is not None else cut
    below, middle, above = tree.parts
    if (low is None) != (below is not None) or (high is None) != (above is not None):
        raise wrong("a tail wherever the range has no end", f"{low}, {high}")
    if middle is None:
        raise wrong("a part between the tails", "none")
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
        inverse = sp.collect(inverse, symbol)  # as the prover has it: intervals see the form
        reach = (Fraction(0), 1 / end) if side > 0 else (1 / end, Fraction(0))
        check_tree(inverse, relation, {**box, symbol: reach}, tail)
