"""Random neuron models, for certificates to be attacked: one seed, one model.

Models are put together from parts, as the text of a model file: a way to spike, currents and slow
variables that act on each other, a reset and an input of some form, parameters with open or closed
domains, assumptions. Most spike; not all are neurons that anybody would want.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import tomli_w

from spiketheory.errors import ModelError
from spiketheory.language.model import NeuronModel
from spiketheory.language.parse import parse_model

TRIES = 50
VARIABLES = ("z", "y", "I")


@dataclass
class Draft:
    """A model as it grows: texts by variable, parameters by name.

    Attributes:
        dice: Where chance comes from.
        rates: Right-hand sides.
        spike: The condition.
        resets: Statements of the reset.
        inputs: Statements of the input.
        rest: Values at rest.
        parameters: Tables of the model file.
        assumptions: Relations by symbol.
    """

    dice: random.Random
    rates: dict[str, str] = field(default_factory=dict)
    spike: str = ""
    resets: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    rest: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, dict[str, object]] = field(default_factory=dict)
    assumptions: dict[str, str] = field(default_factory=dict)

    def pick(self, *choices: str) -> str:
        """One of some texts."""
        return self.dice.choice(choices)

    def chance(self, share: float) -> bool:
        """Whether something happens."""
        return self.dice.random() < share

    def number(self, *choices: float) -> str:
        """A round number, or a parameter of that value."""
        value = self.dice.choice(choices)
        if value > 0 and self.chance(0.25) and len(self.parameters) < 3:
            return self.add_parameter(value)
        return f"{value:g}"

    def add_parameter(self, value: float) -> str:
        """A parameter, its domain open, closed, two-sided or none."""
        name = f"k{len(self.parameters)}"
        low = self.dice.choice([0.0, value / 2, value / 4])
        table: dict[str, object] = {"default": value}
        if self.chance(0.85):
            kind = self.dice.choice([">", ">=", ">", "between"])
            if kind == "between":
                table["domain"] = f"{low:g} <= {name} and {name} <= {2 * value:g}"
            else:
                table["domain"] = f"{name} {kind} {low:g}"
        self.parameters[name] = table
        return name


def draw_model(seed: int) -> NeuronModel:
    """The model of a seed.

    Args:
        seed: Any whole number.
    """
    for attempt in range(TRIES):
        text = write_model(seed, attempt)
        try:
            return parse_model(text, origin=f"random model {seed}")
        except ModelError:
            continue
    raise AssertionError(f"no model of seed {seed} is well-formed")


def write_model(seed: int, attempt: int = 0) -> str:
    """The text of a model file; another attempt gives another."""
    draft = Draft(random.Random(f"spiketheory {seed} {attempt}"))
    extra = draft.dice.choice([0, 1, 1, 1, 2, 2, 3])
    others = list(VARIABLES[-extra:]) if extra else []
    draft.dice.choice([draw_blow_up, draw_blow_up, draw_threshold, draw_threshold, draw_phase])(
        draft, others
    )
    draw_others(draft, others)
    draw_input(draft, others)
    draw_assumptions(draft, others)
    return format_draft(draft, f"random_{seed}")


def format_draft(draft: Draft, name: str) -> str:
    """The model file of a draft."""
    document: dict[str, object] = {
        "model": {
            "name": name,
            "equations": "".join(f"d{v}/dt = {rate}\n" for v, rate in draft.rates.items()),
            "spike": draft.spike,
            "reset": "; ".join(draft.resets),
            "input": "; ".join(draft.inputs),
            "rest": draft.rest,
        }
    }
    if draft.parameters:
        document["parameters"] = draft.parameters
    if draft.assumptions:
        document["assumptions"] = draft.assumptions
    return tomli_w.dumps(document, multiline_strings=True)


def draw_drive(draft: Draft, others: list[str]) -> str:
    """What the other variables add to the speed of V."""
    terms = []
    for variable in others:
        terms.append(draft.dice.choice([
            *[f"+ {variable}"] * 12, *[f"- {variable}"] * 3,
            f"+ {variable}**2", f"+ tanh({variable})", f"+ atan({variable})",
            f"+ abs({variable})", f"+ abs({variable})/2",
            f"+ exp(-{variable}**2)", f"+ 1/(1 + {variable}**2)",
            f"+ ({variable} if {variable} > 0 else 0)",
            f"+ ({variable} if {variable} > 0 else {variable}/2)",
        ]))  # fmt: skip
    return " ".join(terms)


def draw_blow_up(draft: Draft, others: list[str]) -> None:
    """V that goes to infinity."""
    drive = draw_drive(draft, others)
    base = draft.number(-0.5, 0.0, 0.5, 1.0, 1.0)
    factor = draft.number(1.0, 1.0, 0.5, 2.0)
    kind = draft.pick("square", "square", "square", "logistic", "abs", "cubic", "quartic", "exp",
                      "bounded", "product", "piece")  # fmt: skip
    V2 = f"{factor}*V**2"
    coupled = others[0] if others else "V"
    rate = {
        "square": f"{V2} + {base}",
        "logistic": f"{factor}*V*(V - 1) + {base}",
        "abs": f"{V2} + abs(V) + {base}",
        "cubic": f"{factor}*V**3 + {base}",
        "quartic": f"{factor}*V**4 + {base}",
        "exp": f"-V + exp(V) + {base}",
        "bounded": f"{V2} + tanh(V) + {base}",
        "product": f"{V2} + {coupled}*V" if others else f"{V2} - V + {base}",
        "piece": f"(V**2 if V > 0 else 2*V**2) + {base}",
    }[kind]
    draft.rates["V"] = f"{rate} {drive}".strip()
    draft.spike, draft.rest["V"] = "V -> oo", draft.dice.choice([0.0, -1.0])
    infinite = kind not in ("cubic", "exp") and draft.chance(0.7)
    finite = draft.pick("V = -1", "V = 0", "V = -2")
    if others and draft.chance(0.15):
        finite = f"V = -1 - {others[0]}**2" if draft.chance(0.5) else f"V = -exp(-{others[0]})"
    draft.resets.append("V = -oo" if infinite else finite)


def draw_threshold(draft: Draft, others: list[str]) -> None:
    """V that meets a threshold, which may move."""
    drive = draw_drive(draft, others)
    base = draft.number(0.5, 1.0, 1.5, 2.0)
    kind = draft.pick("leak", "leak", "charge", "charge", "square", "tanh", "steep", "sink", "kink")
    rate = {
        "leak": f"-V + {base}", "charge": base, "square": f"V**2 + {base}",
        "tanh": f"{base} + V**2*tanh(V)/2", "steep": f"{base} + exp(V)",
        "sink": f"{base} - V**3", "kink": f"{base} + abs(V)",
    }[kind]  # fmt: skip
    if others and draft.chance(0.1):
        rate = f"{rate} + V*{others[0]}"
    draft.rates["V"] = f"{rate} {drive}".strip()
    theta = draft.pick("1", "1", "1", "2")
    if others and draft.chance(0.25):
        theta = draft.dice.choice([
            f"1 + {others[0]}", f"1 + exp(-{others[0]})", f"1 + {others[0]}**2",
            f"2 + tanh({others[0]})",
        ])  # fmt: skip
    draft.spike, draft.rest["V"] = f"V = {theta}", 0.0
    reset = draft.pick("V = 0", "V = 0", "V = -1", "V = -1", "V -= 2")
    if others and draft.chance(0.2):
        x = others[0]
        reset = draft.pick(
            f"V = 1 - exp(-{x})", f"V = -{x}**2", f"V = -tanh({x})", f"V = 1 - 1/(1 + {x}**2)"
        )
    draft.resets.append(reset)


def draw_phase(draft: Draft, others: list[str]) -> None:
    """A phase that goes round."""
    drive = draw_drive(draft, others) or f"+ {draft.number(0.5, 1.0)}"
    inner = drive.lstrip("+ ")
    kind = draft.pick("theta", "theta", "rotator", "clock")
    draft.rates["V"] = {
        "theta": f"(1 - cos(V)) + (1 + cos(V))*({inner})",
        "rotator": f"{draft.number(1.5, 2.0)} - sin(V) {drive}",
        "clock": f"{draft.number(1.0, 2.0)} {drive if draft.chance(0.5) else ''}",
    }[kind].strip()
    draft.spike, draft.rest["V"] = "V = pi", 0.0
    draft.resets.append("V = -pi")


def draw_others(draft: Draft, others: list[str]) -> None:
    """Slow variables: they decay, grow, saturate, act on each other; spikes move them."""
    for i, x in enumerate(others):
        tau = draft.number(1.0, 1.0, 2.0, 0.5, 5.0)
        before = others[i - 1] if i else None
        rates = [f"-{x}/{tau}"] * 6 + [
            f"(1 - {x})/{tau}", f"-{x}**3", f"tanh({x}) - {x}", f"-{x}/(1 + {x}**2)", f"{x}/{tau}",
            f"-{x} + exp(-{x}**2)", f"-abs({x})",
        ]  # fmt: skip
        if before:
            rates += [f"({before} - {x})/{tau}", f"-{x} + {before}**2", f"-{x}*(1 + {before}**2)"]
        if "oo" not in draft.spike:
            rates += [f"(V - {x})/{tau}", f"cos(V) - {x}"]
        draft.rates[x] = draft.dice.choice(rates)
        draft.rest[x] = draft.dice.choice([0.0, 0.0, 0.0, 1.0])
        if draft.chance(0.45):
            draft.resets.append(draw_change(draft, x, before))


def draw_change(draft: Draft, x: str, before: str | None) -> str:
    """What a spike does to a slow variable."""
    d = draft.number(0.5, 1.0, 0.3)
    changes = [f"{x} += {d}", f"{x} += {d}", f"{x} *= 0.5", f"{x} = {d}", f"{x} = 2*{x} + 1",
               f"{x} += tanh({x})", f"{x} -= {d}"]  # fmt: skip
    if before:
        changes += [f"{x} += {before}"] * 3 + [f"{x} += {before}**2", f"{x} = {before} - {x}"]
    return draft.dice.choice(changes)


def draw_input(draft: Draft, others: list[str]) -> None:
    """What an input does: adds, multiplies, overwrites, to one variable or more."""
    target = draft.dice.choice([*others, *others, "V"])
    last = others[-1] if others else "V"
    kinds: list[tuple[float, Callable[[], list[str]]]] = [
        (6, lambda: [f"{target} += w"]),
        (3, lambda: [f"{last} += w"]),
        (1, lambda: [f"V += w*{last}"] if others else ["V += w"]),
        (1, lambda: [f"{target} *= w"]),
        (1, lambda: [f"{last} = w"] if others else ["V += w"]),
        (1, lambda: [f"V += w*sin({last})**2"]),
        (1, lambda: [f"{last} += w", f"{others[0]} += w/2"] if len(others) > 1 else ["V += w"]),
        (1, lambda: [f"{target} *= 1 + w"]),
        (1, lambda: [f"{last} = {last}/2 + w"] if others else ["V += w"]),
    ]
    chosen = draft.dice.choices([k for _, k in kinds], [c for c, _ in kinds])[0]
    draft.inputs += chosen()
    if "*= w" in draft.inputs[0]:
        draft.assumptions["w"] = "w > 0"
    if "*= 1 + w" in draft.inputs[0]:
        draft.assumptions["w"] = "w > -1"


def draw_assumptions(draft: Draft, others: list[str]) -> None:
    """Bounds on the weight and on variables."""
    positive = draft.chance(0.5)
    if "w" not in draft.assumptions and positive:
        draft.assumptions["w"] = draft.pick("w >= 0", "w >= 0", "w > 0", "abs(w) < 1", "w <= 0")
    if positive:
        for x in others:
            if draft.chance(0.6):
                least = "0" if draft.rest[x] >= 0 else "-1"
                draft.assumptions[x] = f"{x} >= {least}"
