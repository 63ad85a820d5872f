"""Single neurons in public tools beside the exact formulas: ``python -m benchmarks.peers``.

Measures whatever is installed (Brian2, Norse, snnTorch, SpikingJelly) and the checkouts named by
``--spikegd``, ``--fast-and-deep``, ``--jaxsnn``, ``--ode-toolbox`` and ``--eventax``; leaves out
the rest. Exact values are closed forms in 60-digit arithmetic, checked at the start against
`spiketheory.reference.integrate.Reference`, which integrates the equations and knows no closed
form. Prints a table: what each tool gives, the exact value, the tool's relative error and ours.
docs/peers.md discusses the results.
"""

import argparse
import importlib.metadata
import logging
import math
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import mpmath
import numpy as np
from mpmath import mpf

from derivations import compile_model, read_neuron_model
from spiketheory.reference.integrate import Reference

DIGITS = 60
NONE = mpf("inf")
DISTANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-13)
COMMON = (("5", 5.0), ("1e4", 1e4), ("1e8", 1e8))
STEP = 0.01
# fmt: off
QIF_STATES = [
    (2.0, 0.0), (2.0, 1e-4), (2.0, 1e-8), (2.0, 1e-12), (2.0, 1e-20), (2.0, 1e-30), (2.0, 1e-300),
    (2.0, -1e-4), (2.0, -1e-20), (2.0, -3.6), (0.0, math.pi**2 / 4 * (1 + 1e-6)), (1e6, 1.0),
]
QIF_SLOPES = [
    (0, (2.0, 0.0)), (0, (1.001, 0.0)), (1, (2.0, 0.0)), (1, (1.001, 0.0)), (1, (2.0, 1e-4)),
    (1, (2.0, 1e-8)), (1, (2.0, 1e-10)), (1, (2.0, 1e-20)), (1, (2.0, -1e-8)),
    (1, (2.0, -1e-20)), (1, (2.0, -3.6)), (1, (1e3, 1.0)), (1, (1e6, 1.0)),
]
# fmt: on

Wait = Callable[..., mpf]


class Row(NamedTuple):
    """One comparison; ``ours`` is None where it was not computed."""

    what: str
    theirs: float
    exact: mpf
    ours: float | None


# Exact values: tau_m = 1, V_th = 1


def qif_wait(V: float, I: float) -> mpf:  # noqa: E741
    """Exact time to the spike of qif with tau_s = 1/2: y(s) = C - V S = 0, t = -log(1 - s)."""
    V, I = mpf(V), mpf(I)  # noqa: E741
    root = mpmath.sqrt(abs(I))
    if I > 0:
        s = mpmath.atan2(root, V) / root
    elif root >= V:
        return NONE
    else:
        s = mpmath.atanh(root / V) / root if I else 1 / V
    return -mpmath.log(1 - s) if s < 1 else NONE


def qif_wait_after_reset(I: float) -> mpf:  # noqa: E741
    """Exact time from one spike of qif to the next."""
    s = mpmath.pi / mpmath.sqrt(mpf(I))
    return -mpmath.log(1 - s) if s < 1 else NONE


def lif_wait(V: float, I: float) -> mpf:  # noqa: E741
    """Exact time to the spike of lif with tau_s = 1/2 from V < 1, I > 0: a quadratic equation."""
    V, I = mpf(V), mpf(I)  # noqa: E741
    inner = (V + I) ** 2 - 4 * I
    if inner < 0 or I - V <= 2 * (1 - V):
        return NONE
    return -mpmath.log((V + I + mpmath.sqrt(inner)) / (2 * I))


def lif_wait_equal(V: float, I: float) -> mpf:  # noqa: E741
    """Exact time to the spike of lif with tau_s = 1 from V < 1, I > 0: Lambert's W."""
    V, I = mpf(V), mpf(I)  # noqa: E741
    argument = -mpmath.exp(-V / I) / I
    if argument < -mpmath.exp(-1) or V > I:
        return NONE
    return -V / I - mpmath.lambertw(argument).real


def slope(wait: Wait, state: Sequence[float], index: int) -> mpf:
    """Derivative of a spike time by V (0) or I (1), by central differences in 60 digits."""
    h = mpf(10) ** -20 * max(abs(mpf(state[index])), mpf(10) ** -9)
    ends = []
    for sign in (1, -1):
        moved = [mpf(s) for s in state]
        moved[index] += sign * h
        ends.append(wait(*moved))
    return (ends[0] - ends[1]) / (2 * h)


def check_closed_forms() -> None:
    """Raise if the closed forms disagree with direct integration of the equations."""
    for name, tau_s, wait, state in (
        ("qif", 0.5, qif_wait, (2.0, 0.0)),
        ("qif", 0.5, qif_wait, (2.0, 1e-20)),
        ("qif", 0.5, qif_wait, (2.0, -3.0)),
        ("qif", 0.5, qif_wait, (-3.0, 20.0)),
        ("lif", 0.5, lif_wait, (0.25, 5.0)),
        ("lif", 1.0, lif_wait_equal, (0.25, 5.0)),
    ):
        model = read_neuron_model(name)
        values = {"tau_m": mpf(1), "tau_s": mpf(tau_s), "V_th": mpf(1)}
        reference = Reference(model, {p.symbol: values[p.name] for p in model.parameters})
        _, direct = reference.arrive([mpf(s) for s in state], mpf(100))
        if direct is None or abs(direct - wait(*state)) > mpf(10) ** -48:
            raise AssertionError(f"{name} {state}: closed form {wait(*state)}, direct {direct}")


# Our values


def our_functions(name: str, tau_s: float) -> tuple[Any, tuple[float, ...]]:
    """Generated functions of a model and its constants."""
    compiled = compile_model(name, backend="numpy")
    parameters = compiled.check_parameters({"tau_s": tau_s})
    return compiled.functions, compiled.functions.constants(*parameters)


def our_wait(name: str, state: Sequence[float], tau_s: float = 0.5) -> float:
    """Time to the spike from our generated evaluator."""
    functions, constants = our_functions(name, tau_s)
    return float(functions.time_to_spike(*functions.enter_chart(*state, *constants), *constants))


def our_slopes(name: str, state: Sequence[float], tau_s: float = 0.5) -> tuple[float, float]:
    """Derivatives of the time to the spike by V and I from our generated evaluator."""
    functions, constants = our_functions(name, tau_s)
    coordinates = functions.enter_chart(*state, *constants)
    step = functions.propagator(our_wait(name, state, tau_s), *constants)
    nothing = [0.0] * len(coordinates)
    slopes = functions.fire_vjp(*coordinates, *step, *constants, *nothing, 1.0)
    return float(slopes[0]), float(slopes[-1])


def our_qif_spikes(weight: float, t_input: float, count: int) -> list[float]:
    """Spike times of a qif neuron at rest that one input excites, from our evaluator."""
    functions, constants = our_functions("qif", 0.5)
    state, t, times = functions.enter_chart(0.0, weight, *constants), t_input, []
    for _ in range(count):
        wait = functions.time_to_spike(*state, *constants)
        state = functions.fire(*state, *functions.propagator(wait, *constants), *constants)
        t += wait
        times.append(float(t))
    return times


def exact_qif_spikes(weight: float, t_input: float, count: int) -> list[mpf]:
    """The same, exactly."""
    wait = qif_wait(0, weight)
    t, current, times = mpf(t_input), mpf(weight), []
    for _ in range(count):
        t, current = t + wait, current * mpmath.exp(-2 * wait)
        times.append(t)
        wait = qif_wait_after_reset(current)
    return times


# The tools


def measure_spikegd(folder: str) -> Iterator[Row]:
    """The code of Klos & Memmesheimer, float64."""
    import_from(folder)
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    from spikegd.lif import LIFNeuron
    from spikegd.qif import QIFNeuron

    wait = jax.jit(QIFNeuron().dt_spike)
    gradient = jax.jit(jax.grad(QIFNeuron().dt_spike))
    for state in QIF_STATES:
        yield Row(
            f"qif: wait at {show(state)}",
            float(wait(jnp.array(state))),
            qif_wait(*state),
            our_wait("qif", state),
        )
    for index, state in QIF_SLOPES:
        yield Row(
            f"qif: d wait/d{'VI'[index]} at {show(state)}",
            float(gradient(jnp.array(state))[index]),
            slope(qif_wait, state, index),
            our_slopes("qif", state)[index],
        )

    def run(neuron: Any, weight: float, capacity: int, T: float) -> tuple:
        inputs = (jnp.array([0.1]), jnp.array([0]))
        config = {"K": capacity, "T": T}
        return neuron.event(
            jnp.zeros((2, 1)), jnp.zeros((1, 1)), jnp.array([[weight]]), inputs, config
        )

    times = run(QIFNeuron(), 200.0, 20, 2.0)[0]
    exact, ours = exact_qif_spikes(200.0, 0.1, 4), our_qif_spikes(200.0, 0.1, 4)
    for k in range(4):
        yield Row(
            f"qif: spike {k + 1} after an input of 200 at 0.1",
            float(times[k + 1]),
            exact[k],
            ours[k],
        )
        slope_by_weight = jax.grad(lambda w, k=k: run(QIFNeuron(), w, 20, 2.0)[0][k + 1])
        yield Row(
            f"qif: derivative of spike {k + 1} by that input",
            float(slope_by_weight(200.0)),
            mpmath.diff(lambda w, k=k: exact_qif_spikes(w, 0.1, 4)[k], mpf(200)),
            None,
        )
    short = run(QIFNeuron(), 200.0, 3, 2.0)[0]
    yield Row("qif: spike 1, capacity 3 spikes", float(short[1]), exact[0], ours[0])
    yield from measure_theta()
    lif = jax.jit(LIFNeuron().dt_spike)
    lif_gradient = jax.jit(jax.grad(LIFNeuron().dt_spike))
    for label, current in (*COMMON, *grazing(4.0)):
        state = (0.0, current)
        yield Row(
            f"lif: wait, I = {label}",
            float(lif(jnp.array(state))),
            lif_wait(*state),
            our_wait("lif", state),
        )
        yield Row(
            f"lif: d wait/dI, I = {label}",
            float(lif_gradient(jnp.array(state))[1]),
            slope(lif_wait, state, 1),
            our_slopes("lif", state)[1],
        )
    end = run(LIFNeuron(), 5.0, 4, 0.2)[3][1, 0, 0]
    functions, constants = our_functions("lif", 0.5)
    ours_end = functions.flow(0.0, 5.0, *functions.propagator(0.1, *constants), *constants)[0]
    decay = mpmath.exp(-(mpf(0.2) - mpf(0.1)))
    yield Row(
        "lif: V at the trial's end 0.2, input of 5 at 0.1, spike later",
        float(end),
        5 * (decay - decay**2),
        float(ours_end),
    )


def measure_theta() -> Iterator[Row]:
    """The theta neuron of spikegd: time to the spike after an input of weight 1."""
    from spikegd.theta import ThetaNeuron

    neuron = ThetaNeuron()
    functions, constants = our_theta()
    for phase in (0.0, 5e-7, 1e-6, 1.1e-6, 1e-3, 1.0, math.pi - 1e-3, math.pi - 9e-7):
        for weight in (1.0, 1e5):
            theirs = float(neuron.Theta() - neuron.H(phase, weight))
            x, y = -mpmath.cos(mpf(phase)), mpmath.sin(mpf(phase))
            exact = mpmath.atan2(y, x + weight * y)
            x, y = functions.jump(float(x), float(y), weight, *constants)
            yield Row(
                f"theta: wait after w = {weight:g} at phase {phase:.7g}",
                theirs,
                exact,
                float(functions.time_to_spike(x, y, *constants)),
            )


def our_theta() -> tuple[Any, tuple[float, ...]]:
    """Generated functions of theta and its constants: tau = 1, I0 = 5/4."""
    compiled = compile_model("theta", backend="numpy")
    return compiled.functions, compiled.functions.constants(1.0, 1.25)


def measure_fast_and_deep(folder: str) -> Iterator[Row]:
    """The formulas of Goeltz et al. for tau_m = 2 tau_s and tau_m = tau_s, float64."""
    import_from(str(Path(folder) / "src"))
    import torch
    import utils_spiketime

    def run(time: float, weight: float, ratio: int) -> tuple[float, float]:
        tau_s = 1.0 / ratio
        parameters = {
            "model_tau_ratio": ratio,
            "tau_syn": tau_s,
            "tau_mem": 1.0,
            "threshold": 1.0,
            "leak": 0.0,
            "g_leak": 1.0,
            "threshold_noise_s2s_std": 0,
            "threshold_noise_b2b_std": 0,
            "threshold_noise_fp": torch.zeros(1),
        }
        times, weights = torch.full((1, 1, 1), time), torch.full((1, 1, 1), weight)
        device = torch.device("cpu")
        out = utils_spiketime.get_spiketime(times, weights, parameters, device)
        spike = float(out[0, 0, 0])
        slopes = utils_spiketime.get_spiketime_derivative(
            times.clone(), weights.clone(), parameters, device, out[:, 0, :].clone()
        )
        return spike, float(slopes[0][0, 0, 0])

    for ratio, wait, least in ((2, lif_wait, 4.0), (1, lif_wait_equal, math.e)):
        tau_s, name = 1.0 / ratio, f"lif, tau_m = {'2 ' if ratio == 2 else ''}tau_s"
        below = [(f"{least:.4g}(1 - {d:g})", least * (1 - d)) for d in (2e-7, 1e-8)]
        for label, current in (*COMMON, *grazing(least), *below):
            found, found_slope = run(0.0, current, ratio)
            yield Row(
                f"{name}: wait, I = {label}",
                found,
                wait(0, current),
                our_wait("lif", (0.0, current), tau_s),
            )
            if wait(0, current) < NONE:
                yield Row(
                    f"{name}: d wait/dI, I = {label}",
                    found_slope,
                    slope(wait, (0, current), 1),
                    our_slopes("lif", (0.0, current), tau_s)[1],
                )
        for time in (10.0, 300.0, 352.0, 356.0, 700.0, 710.0):
            yield Row(
                f"{name}: spike, I = 5 from an input at {time:g}",
                run(time, 5.0, ratio)[0],
                time + wait(0, 5),
                time + our_wait("lif", (0.0, 5.0), tau_s),
            )


def measure_jaxsnn(folder: str) -> Iterator[Row]:
    """The analytical solver of jaxsnn, in JAX's default float32 and in float64."""
    import_from(str(Path(folder) / "src" / "pyjaxsnn"))
    logging.getLogger("jaxsnn").setLevel(logging.ERROR)
    import jax
    from jaxsnn.event.solver.lif_analytical import ttfs_solver
    from jaxsnn.event.states import LIFState

    for double in (False, True):
        jax.config.update("jax_enable_x64", double)
        for tau_s, wait, least in ((0.5, lif_wait, 4.0), (1.0, lif_wait_equal, math.e)):
            solver = ttfs_solver(1.0, tau_s, 1.0, 0.0)

            def solve(V: Any, I: Any, solver: Any = solver) -> Any:  # noqa: E741
                return solver(LIFState(V=V, I=I), 100.0)

            name = f"float{64 if double else 32}, tau_m = {'2 ' if tau_s < 1 else ''}tau_s"
            near = grazing(least) if double else grazing(least)[:5]
            for label, current in (*COMMON, *near):
                current = current if double else float(np.float32(current))
                found = float(solve(0.0, current))
                yield Row(
                    f"{name}: wait, I = {label}",
                    found if found < 100 else math.inf,
                    wait(0, current),
                    our_wait("lif", (0.0, current), tau_s),
                )
                yield Row(
                    f"{name}: d wait/dI, I = {label}",
                    float(jax.grad(solve, argnums=1)(0.0, current)),
                    slope(wait, (0, current), 1),
                    our_slopes("lif", (0.0, current), tau_s)[1],
                )
            for state in ((0.0, 0.0), (-100.0, 0.1)):
                yield Row(
                    f"{name}: d wait/dI at {show(state)}, no spike",
                    float(jax.grad(solve, argnums=1)(*state)),
                    mpf(0),
                    None,
                )


def measure_brian2() -> Iterator[Row]:
    """Brian2's exact updater for linear equations and its grid of time steps, dt = tau/100."""
    import brian2

    brian2.BrianLogger.suppress_hierarchy("brian2")
    brian2.prefs.logging.file_log = False

    def run(
        current: float, tau_s: float, duration: float, target: str = "numpy"
    ) -> tuple[np.ndarray, np.ndarray]:
        brian2.start_scope()
        brian2.prefs.codegen.target = target
        brian2.defaultclock.dt = STEP * brian2.second
        names = {"tau_m": 1 * brian2.second, "tau_s": tau_s * brian2.second}
        group = brian2.NeuronGroup(
            1,
            "dV/dt = (-V + I)/tau_m : 1\ndI/dt = -I/tau_s : 1",
            threshold="V >= 1",
            reset="V = 0",
            method="exact",
            namespace=names,
        )
        group.I = current
        spikes = brian2.SpikeMonitor(group)
        states = brian2.StateMonitor(group, "V", record=True)
        brian2.Network(group, spikes, states).run(duration * brian2.second, namespace={})
        return np.asarray(spikes.t / brian2.second), np.asarray(states.V[0])

    for tau_s in (0.5, 1.0, *(1 + d for d in (1e-3, 1e-6, 1e-9, 1e-12, 1e-14))):
        _, trace = run(0.5, tau_s, 0.1 + STEP)
        yield Row(
            f"exact updater: V(0.1) from I = 0.5, tau_s = {describe(tau_s)}",
            float(trace[10]),
            exact_rise(0.1, tau_s) / 2,
            our_rise(0.1, tau_s) / 2,
        )
    try:
        found, note = float(run(0.5, 1.0, 0.1 + STEP, "cython")[1][10]), ""
    except brian2.core.base.BrianObjectException as err:
        found, note = math.nan, f" raises {type(err.__cause__).__name__}"
    yield Row(f"the same in Cython{note}", found, exact_rise(0.1, 1.0) / 2, our_rise(0.1, 1.0) / 2)
    for label, current in (("5", 5.0), ("1e2", 1e2), *grazing(4.0)):
        spikes, _ = run(current, 0.5, 2.0)
        yield Row(
            f"first spike, I = {label}",
            float(spikes[0]) if len(spikes) else math.inf,
            lif_wait(0, current),
            our_wait("lif", (0.0, current)),
        )


def exact_rise(t: float, tau_s: float) -> mpf:
    """Voltage at t of a lif neuron with tau_m = 1 that starts from V = 0, I = 1."""
    t, tau_s = mpf(t), mpf(tau_s)
    if tau_s == 1:
        return t * mpmath.exp(-t)
    return tau_s / (1 - tau_s) * (mpmath.exp(-t) - mpmath.exp(-t / tau_s))


def our_rise(t: float, tau_s: float) -> float:
    """The same from our generated evaluator."""
    functions, constants = our_functions("lif", tau_s)
    return float(functions.propagator(t, *constants)[1])


def measure_ode_toolbox(folder: str) -> Iterator[Row]:
    """The propagator from I to V that ODE-toolbox derives, evaluated in float64."""
    import_from(folder)
    logging.disable(logging.WARNING)
    import odetoolbox

    dynamics = [
        {"expression": "V' = (-V + I)/tau_m", "initial_value": "0"},
        {"expression": "I' = -I/tau_s", "initial_value": "0"},
    ]
    model = {"dynamics": dynamics, "parameters": {"tau_m": "1", "tau_s": "1"}}
    result = odetoolbox.analysis(model, disable_stiffness_check=True)
    code = compile(result[0]["propagators"]["__P__V__I"], "propagator", "eval")
    logging.disable(logging.NOTSET)
    for tau_s in (0.5, 1.0, *(1 + d for d in (1e-3, 1e-6, 1e-9, 1e-12, 1e-14))):
        try:
            found = eval(code, {"exp": math.exp, "tau_m": 1.0, "tau_s": tau_s, "__h": STEP})
        except ZeroDivisionError:
            found = math.nan
        yield Row(
            f"propagator over 0.01, tau_s = {describe(tau_s)}",
            found,
            exact_rise(STEP, tau_s),
            our_rise(STEP, tau_s),
        )


def measure_norse() -> Iterator[Row]:
    """Norse's LIF step."""
    import torch
    from norse.torch.functional.lif import LIFFeedForwardState, LIFParameters, lif_feed_forward_step

    def make(step: float) -> Callable[[], tuple[float, float]]:
        one = torch.ones(1, dtype=torch.float64)
        parameters = LIFParameters(tau_syn_inv=2 * one, tau_mem_inv=one, v_th=one)
        box = SimpleNamespace(state=LIFFeedForwardState(v=0 * one, i=5 * one))

        def advance() -> tuple[float, float]:
            spike, box.state = lif_feed_forward_step(0 * one, box.state, parameters, dt=step)
            return spike.item(), box.state.v.item()

        return advance

    yield from measure_steps(make, 0.3, exact_rise(0.3, 0.5) * 5, lif_wait(0, 5), our_lif_values())


def measure_snntorch() -> Iterator[Row]:
    """The Synaptic neuron of snnTorch, alpha and beta exact decays, input scaled by 1 - beta."""
    import snntorch
    import torch

    def make(step: float) -> Callable[[], tuple[float, float]]:
        decays = [torch.tensor(math.exp(-step * rate), dtype=torch.float64) for rate in (2, 1)]
        neuron = snntorch.Synaptic(alpha=decays[0], beta=decays[1], reset_mechanism="zero")
        box = SimpleNamespace(x=5 * (1 - decays[1]).reshape(1), syn=None, mem=None)
        box.syn = box.mem = torch.zeros(1, dtype=torch.float64)

        def advance() -> tuple[float, float]:
            spike, box.syn, box.mem = neuron(box.x, box.syn, box.mem)
            box.x = 0 * box.x
            return spike.item(), box.mem.item()

        return advance

    yield from measure_steps(make, 0.3, exact_rise(0.3, 0.5) * 5, lif_wait(0, 5), our_lif_values())


def measure_spikingjelly() -> Iterator[Row]:
    """SpikingJelly's LIF neuron with constant input 1.25."""
    import torch
    from spikingjelly.activation_based import neuron as neurons

    def make(step: float) -> Callable[[], tuple[float, float]]:
        neuron = neurons.LIFNode(tau=1 / step, v_threshold=1.0, v_reset=0.0)
        drive = torch.full((1,), 1.25, dtype=torch.float64)
        return lambda: (neuron(drive).item(), neuron.v.item())

    compiled = compile_model("lif_delta", backend="numpy")
    functions = compiled.functions
    constants = functions.constants(*compiled.check_parameters({"I0": 1.25}))
    state = functions.enter_chart(0.0, *constants)
    end = functions.flow(*state, *functions.propagator(1.0, *constants), *constants)
    ours = (float(end[0]), float(functions.time_to_spike(*state, *constants)))
    yield from measure_steps(make, 1.0, 1.25 * (1 - mpmath.exp(-1)), mpmath.log(5), ours)


def our_lif_values() -> tuple[float, float]:
    """Our V(0.3) and spike time of lif from V = 0, I = 5."""
    return 5 * our_rise(0.3, 0.5), our_wait("lif", (0.0, 5.0))


def measure_steps(
    make: Callable[[float], Callable[[], tuple[float, float]]],
    time: float,
    voltage: mpf,
    spike: mpf,
    ours: tuple[float, float],
) -> Iterator[Row]:
    """Voltage at a time and first spike, with three time steps that halve."""
    for step in (STEP, STEP / 2, STEP / 4):
        advance, found = make(step), 0.0
        for _ in range(round(time / step)):
            _, found = advance()
        yield Row(f"V({time:g}), step {step:g}", found, voltage, ours[0])
    for step in (STEP, STEP / 2, STEP / 4):
        advance, count = make(step), 1
        while not advance()[0]:
            count += 1
        yield Row(f"first spike, step {step:g}", count * step, spike, ours[1])


def measure_eventax(folder: str) -> Iterator[Row]:
    """The solver, step and root finder of eventax's own tests: Tsit5, 0.1, Newton to 1e-6."""
    import_from(str(Path(folder) / "src"))
    import diffrax
    import equinox
    import jax
    import jax.numpy as jnp
    import optimistix
    from eventax.evnn import EvNN
    from eventax.neuron_models import LIF, QIF

    jax.config.update("jax_enable_x64", True)

    @equinox.filter_jit
    def first_spike(network: Any) -> Any:
        return network.ttfs(in_spike_times=jnp.array([[0.0]]))

    def run(model: Any, weight: float, **options: float) -> float:
        network = EvNN(
            key=jax.random.PRNGKey(0),
            neuron_model=model,
            n_neurons=1,
            max_solver_time=2.0,
            in_size=1,
            init_delays=0,
            solver_stepsize=0.1,
            solver=diffrax.Tsit5(),
            root_finder=optimistix.Newton(1e-6, 1e-6, optimistix.rms_norm),
            tsyn=0.5,
            tmem=1.0,
            init_bias=0.0,
            init_weights=weight,
            dtype=jnp.float64,
            **options,
        )
        try:
            return float(first_spike(network)[0])
        except RuntimeError:  # raised by its root finder
            return math.nan

    for label, current in (("5", 5.0), *grazing(4.0)[:6]):
        yield Row(
            f"lif: wait, I = {label}",
            run(LIF, current, thresh=1.0),
            lif_wait(0, current),
            our_wait("lif", (0.0, current)),
        )
    for current in (5.0, 20.0):
        yield Row(
            f"qif: wait at {show((0, current))}",
            run(QIF, current),
            qif_wait(0, current),
            our_wait("qif", (0.0, current)),
        )


# The table


def grazing(least: float) -> list[tuple[str, float]]:
    """Currents just above the smallest that leads to a spike from V = 0."""
    return [(f"{least:.4g}(1 + {d:g})", least * (1 + d)) for d in DISTANCES]


def show(state: Sequence[float]) -> str:
    """A state in words."""
    return f"V = {state[0]:g}, I = {state[1]:g}"


def describe(tau_s: float) -> str:
    """A synaptic time constant in units of the membrane's."""
    return f"tau_m(1 + {tau_s - 1:.0e})" if 0 < abs(tau_s - 1) < 0.1 else f"{tau_s:g} tau_m"


def import_from(folder: str) -> None:
    """Make a checkout importable."""
    sys.path.insert(0, str(Path(folder).expanduser().resolve()))


def format_error(found: float | None, exact: mpf) -> str:
    """Relative error, or in words where there is none."""
    if found is None:
        return "-"
    if math.isnan(found):
        return "nan"
    if math.isinf(found) or exact == NONE:
        same = math.isinf(found) and exact == NONE
        return "right" if same else "spike lost" if math.isinf(found) else "false spike"
    if exact == 0:
        return "right" if found == 0 else f"{found:.1e} absolute"
    return f"{float(abs(mpf(found) - exact) / abs(exact)):.1e}"


def find_version(package: str, folder: str | None) -> str:
    """A package's version, or a checkout's commit."""
    if folder is None:
        return importlib.metadata.version(package)
    command = ["git", "-C", folder, "log", "-1", "--format=%h %cs"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return found or "no git history"


def print_rows(title: str, rows: Iterator[Row]) -> None:
    """Print one tool's part of the table."""
    print(f"\n{title}")
    print(f"  {'':66s} {'theirs':>22s} {'exact':>22s} {'their error':>12s} {'our error':>10s}")
    for row in rows:
        print(
            f"  {row.what:66s} {row.theirs:22.15g} {mpmath.nstr(row.exact, 15):>22s} "
            f"{format_error(row.theirs, row.exact):>12s} {format_error(row.ours, row.exact):>10s}"
        )


def main() -> None:
    """Measure what is there and print."""
    checkouts = {
        "spikegd": measure_spikegd,
        "fast-and-deep": measure_fast_and_deep,
        "jaxsnn": measure_jaxsnn,
        "ode-toolbox": measure_ode_toolbox,
        "eventax": measure_eventax,
    }
    packages = {
        "Brian2": measure_brian2,
        "norse": measure_norse,
        "snntorch": measure_snntorch,
        "spikingjelly": measure_spikingjelly,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in checkouts:
        parser.add_argument(f"--{name}", metavar="PATH", help="a checkout of its repository")
    folders = vars(parser.parse_args())
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    mpmath.mp.dps = DIGITS
    check_closed_forms()
    for name, measure in checkouts.items():
        folder = folders[name.replace("-", "_")]
        if folder is None:
            print(f"\n{name}: left out; give its checkout with --{name}")
            continue
        print_rows(f"{name} ({find_version(name, folder)})", measure(folder))
    for name, measure_package in packages.items():
        try:
            version = find_version(name, None)
        except importlib.metadata.PackageNotFoundError:
            print(f"\n{name}: left out; not installed")
            continue
        print_rows(f"{name} {version}", measure_package())


if __name__ == "__main__":
    main()
