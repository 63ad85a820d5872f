"""Models of the tests' own, and the way from a model to an imported generated module."""

import dataclasses
import importlib.util
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest

from derivations import list_models, read_neuron_model
from spiketheory.certification.certificate import Certificate
from spiketheory.certification.certify import certify
from spiketheory.generation.generate import generate
from spiketheory.generation.kernel_ir import KernelIR, VerifiedKernel
from spiketheory.generation.lower import lower
from spiketheory.language.model import NeuronModel
from spiketheory.language.parse import build_model, parse_assumption
from spiketheory.symbolic.derivation import Check, Derivation
from spiketheory.symbolic.derive import derive
from spiketheory.verification.verify import verify

FOLDER = Path(__file__).with_name("models")
CHECKS = (
    Check(name="residual of the flow", method="symbolic", detail="0"),
    Check(name="time to spike", method="50 digits", detail="largest error 3e-49"),
)


def mark_slow(names: Iterable[str], *slow: str) -> list[object]:
    """Parameters of a test, some of which run by hand only: others show the same in less time."""
    return [pytest.param(n, marks=pytest.mark.slow) if n in slow else n for n in names]


def change_derivation(derivation: Derivation, **changes: object) -> Derivation:
    """A derivation with other fields, or other fields of its solution."""
    own = {f.name for f in dataclasses.fields(derivation.solution)}
    solution = {name: value for name, value in changes.items() if name in own}
    others = {name: value for name, value in changes.items() if name not in own}
    return dataclasses.replace(
        derivation, solution=dataclasses.replace(derivation.solution, **solution), **others
    )


def make_quadratic(
    equation: str = "dv/dt = (a_2*v**2 + a_1*v + a_0)/C_m",
    parameters: dict | None = None,
    *,
    state: str = "v",
    name: str = "mine",
    description: str = "",
) -> NeuronModel:
    """A model that spikes at infinity, with inputs that add to its state."""
    if parameters is None:
        parameters = {
            "a_2": {"default": 0.5, "domain": "a_2 > 0"},
            "a_1": {"default": -1.0},
            "a_0": {"default": 2.0},
            "C_m": {"default": 3.0, "domain": "C_m > 0", "unit": "pF"},
        }
    return build_model(
        name=name,
        description=description,
        equations=equation,
        spike=f"{state} -> oo",
        reset=f"{state} = -oo",
        input=f"{state} += w",
        rest={state: "0"},
        parameters=parameters,
        assumptions={},
        origin="mine.toml",
    )


def make_model(
    equations: str,
    *,
    spike: str = "V = 1",
    reset: str = "V = 0",
    input: str = "V += w",
    rest: dict | None = None,
    positive: str = "",
    free: str = "",
    parameters: dict | None = None,
) -> NeuronModel:
    """A model of any kind.

    Args:
        equations: The equations; every variable rests at 0 unless ``rest`` says otherwise.
        spike: When it spikes.
        reset: What a spike does.
        input: What an input does.
        rest: Values at rest, by name.
        positive: Names of positive parameters, separated by spaces.
        free: Names of parameters without a domain.
        parameters: Further parameters.
    """
    names = [line.split("/dt")[0].strip()[1:] for line in equations.splitlines() if "/dt" in line]
    given = {name: {"default": 1.0, "domain": f"{name} > 0"} for name in positive.split()}
    given |= {name: {"default": 0.5} for name in free.split()}
    return build_model(
        name="mine",
        equations=equations,
        spike=spike,
        reset=reset,
        input=input,
        rest=dict.fromkeys(names, 0) | (rest or {}),
        parameters=given | (parameters or {}),
    )


def verify_derivation(derivation: Derivation, *, thorough: bool = False) -> VerifiedKernel:
    """Lower a derivation and run every check."""
    return verify(lower(derivation), thorough=thorough)


def verify_functions(ir: KernelIR) -> None:
    """Run the checks of a right derivation's functions: what is symbolic was proved of it before.

    `symbolic/test_verify.py` does so for all models.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spiketheory.verification.verify.check_symbolically", lambda *_: ())
        verify(ir)


def pretend_verified(derivation: Derivation) -> VerifiedKernel:
    """A verified derivation without the work: for tests of what comes after."""
    return VerifiedKernel(ir=lower(derivation), checks=CHECKS)


@lru_cache(maxsize=64)
def derive_once(model: NeuronModel) -> Derivation:
    """The derivation of a model, shared by all tests of a process."""
    return derive(model)


@lru_cache(maxsize=16)
def verify_once(name: str) -> VerifiedKernel:
    """The verified derivation of a built-in model, shared by all tests of a process."""
    return verify_derivation(derive_once(read_neuron_model(name)))


@lru_cache(maxsize=64)
def lower_once(model: NeuronModel) -> KernelIR:
    """A model's functions, shared by all tests of a process."""
    return lower(derive_once(model))


def pretend_once(model: NeuronModel) -> VerifiedKernel:
    """A verified model without the work, of functions that all tests of a process share."""
    return VerifiedKernel(ir=lower_once(model), checks=CHECKS)


@lru_cache(maxsize=128)
def certify_once(name: str, *assumptions: str) -> Certificate:
    """The certificate of a built-in model or one of tests/models, shared by all tests."""
    model = read_neuron_model(name if name in list_models() else str(FOLDER / f"{name}.toml"))
    return certify(model, [parse_assumption(a, model) for a in assumptions])


@lru_cache(maxsize=64)
def generate_text(model: NeuronModel, *, target: str = "module") -> str:
    """The generated module of a model; a second call does not generate it again."""
    return generate(pretend_once(model), target=target)


def import_text(text: str, folder: Path, *, name: str = "generated_by_a_test") -> ModuleType:
    """Import a module from its text; it is forgotten when its folder's test ends."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"{name}_{abs(hash(folder))}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module
