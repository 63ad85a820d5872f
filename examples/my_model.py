# ruff: noqa: T201 - it prints
"""A neuron model in Python, from its equations to the exact derivatives of its spike time.

A quadratic neuron with a synaptic current, which a spike resets to a finite potential V_r: the
farther below rest, the longer it takes to recover. Run it with

    python examples/my_model.py
"""

import numpy as np

from spiketheory.generation.generate import generate
from spiketheory.generation.lower import lower
from spiketheory.language.parse import build_model
from spiketheory.machine.compile import CompiledModel, load_compiled
from spiketheory.route.model_cache import load_or_generate
from spiketheory.symbolic.derive import derive
from spiketheory.verification.verify import verify

MODEL = build_model(
    name="qif_reset",
    description="Quadratic integrate-and-fire neuron with synaptic current and finite reset.",
    equations="""
    dV/dt = (V*(V - 1) + I)/tau_m
    dI/dt = -I/tau_s
    """,
    spike="V -> oo",
    reset="V = V_r",
    input="I += w",
    rest={"V": 0, "I": 0},
    parameters={
        "tau_m": {"default": 20.0, "domain": "tau_m > 0", "unit": "ms"},
        "tau_s": {"default": 5.0, "domain": "tau_s > 0", "unit": "ms"},
        "V_r": {"default": -2.0, "domain": "V_r < 0"},
    },
)


def differentiate_spike(
    compiled: CompiledModel, state: tuple[float, ...], parameters: tuple[float, ...]
) -> tuple[float, dict[str, float]]:
    """Time to the next spike and its derivatives by state and parameters.

    Args:
        compiled: The model.
        state: State now, in the order of ``compiled.state``.
        parameters: In the order of ``compiled.parameters``.

    Returns:
        The time [ms], ``inf`` if no spike comes; the derivatives by name, none in that case.
    """
    f = compiled.functions
    constants = f.constants(*parameters)
    at = f.enter_chart(*state, *constants)
    wait = f.time_to_spike(*at, *constants)
    if wait == np.inf:
        return wait, {}
    # A vector-Jacobian product takes the derivatives of a loss by what a function returns; here
    # the loss is the spike time, so 0 by the state after the spike and 1 by the time.
    after = [0.0] * len(at)
    by_state = f.fire_vjp(*at, *f.propagator(wait, *constants), *constants, *after, 1.0)
    by_constants = f.fire_constants_vjp(*at, wait, *constants, *after, 1.0)
    by_parameters = f.constants_vjp(*parameters, *by_constants)
    names = (*compiled.state, *compiled.parameters)
    return wait, dict(zip(names, (*by_state, *by_parameters), strict=True))


def main() -> None:
    """Derive, verify, generate, compile and evaluate the model."""
    derivation = derive(MODEL)
    print(f"Method {derivation.method}: {derivation.reason}.")
    verified = verify(lower(derivation))
    print(f"Verified: {len(verified.checks)} checks passed.")
    source = generate(verified)
    print(f"Generated: {len(source.splitlines())} lines of Python.")
    module = load_or_generate(MODEL, verified)  # the same text, imported from the user's cache
    compiled = load_compiled(module, backend="numpy")  # "numba" compiles; that takes a minute

    state = (0.0, 20.0)
    parameters = compiled.check_parameters({"tau_s": 4.0})
    wait, slopes = differentiate_spike(compiled, state, parameters)
    print(f"An input of weight {state[-1]:g} makes it spike after {wait:.15f} ms.")
    for name, slope in slopes.items():
        print(f"  d(time)/d{name:<5} = {slope:+.15f}")

    weights = np.array([5.0, 10.0, 20.0, 50.0, 100.0])
    waits = compiled.array_function("time_to_spike")(0.0, weights, *parameters)
    print("By weight:", ", ".join(f"{w:g}: {t:.6f}" for w, t in zip(weights, waits, strict=True)))


if __name__ == "__main__":
    main()
