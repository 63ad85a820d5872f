"""Readouts: their kernels in plain numbers, and what is refused."""

import math
import subprocess
import sys

import mpmath
import pytest

import derivations
from spiketheory.certification.certificate import CONTINUOUS, REFUTED, SMOOTH, UNDECIDED
from spiketheory.certification.readouts import (
    DIFFERENTIABLE,
    JUMPS,
    OPEN,
    judge_kernel,
    judge_maximum,
    judge_spikes,
)
from spiketheory.errors import DerivationError, InputError, ModelError
from spiketheory.generation.readout import generate_readout, lower_readout
from spiketheory.language.readout import ReadoutModel, build_readout
from spiketheory.machine.readout import load_readout
from spiketheory.symbolic.readout import derive_readout

LEAKY = {"tau_m": 1.3, "tau_s": 0.4}
END = 2.5
KERNELS = sorted({*derivations.READOUTS} - {*derivations.SPIKE_READOUTS, "maximum"})
PARAMETERS = {n: {"default": 1.0, "domain": f"{n} > 0"} for n in ("tau_m", "tau_s")}


def kernel(name, time, m=0, **values):
    readout = derivations.compile_readout(name, backend="numpy", **values)
    return readout.functions.kernel(time, m, END, *readout.values)


def slope(name, time, m=0, **values):
    readout = derivations.compile_readout(name, backend="numpy", **values)
    return readout.functions.kernel_slope(time, m, END, *readout.values)


def write_window(time, m, n_windows, h):
    """A raised cosine, from its definition."""
    centre = m * (END - h) / (n_windows - 1) if n_windows > 1 else END - h
    return (1 + math.cos(math.pi * (time - centre) / h)) / 2 if abs(time - centre) < h else 0.0


@pytest.mark.parametrize("time", [0.0, 0.9, 2.2])
def test_the_leaky_integrator_weighs_its_potential_with_a_fading_exponential(time):
    tau_m, tau_s = LEAKY.values()

    def potential(since):
        fall = mpmath.exp(-since / tau_m) - mpmath.exp(-since / tau_s)
        return tau_s / (tau_m - tau_s) * fall

    want = mpmath.quad(lambda s: mpmath.exp(-s / END) * potential(s - time) / END, [time, END])
    assert kernel("leaky_integrator", time, **LEAKY) == pytest.approx(float(want), rel=1e-13)
    at_end = float(potential(END - time))
    assert kernel("potential_at_end", time, **LEAKY) == pytest.approx(at_end, rel=1e-13)


def test_kernels_of_perfect_integrators_are_those_of_their_names():
    assert kernel("linear_window", 0.5) == pytest.approx(0.8)
    assert slope("linear_window", 0.5) == pytest.approx(-0.4)
    assert (kernel("count", 0.0), kernel("count", END)) == (1.0, 1.0)


@pytest.mark.parametrize(("n_windows", "width"), [(1, 1.0), (2, 1.0), (5, 1.0), (5, 0.6), (3, 2.5)])
def test_windows_are_raised_cosines_of_which_the_last_ends_at_the_trials_end(n_windows, width):
    h = width * END / n_windows
    for m in range(n_windows):
        for time in (0.0, 0.31, 1.2, 2.0, 2.4999, END):
            want = write_window(time, m, n_windows, h)
            got = kernel("windows", time, m, n_windows=n_windows, width=width)
            assert got == pytest.approx(want, abs=1e-14)


def test_windows_of_width_1_add_up_to_1_until_the_last_centre():
    values = {"n_windows": 6}
    for time in (0.0, 0.4, 1.1, 2.08):
        total = sum(kernel("windows", time, m, **values) for m in range(6))
        assert total == pytest.approx(1.0, abs=1e-14)
        change = sum(slope("windows", time, m, **values) for m in range(6))
        assert change == pytest.approx(0.0, abs=1e-13)


@pytest.mark.parametrize("name", KERNELS)
def test_facts_at_the_trials_end_are_those_of_the_kernel(name):
    readout = derivations.compile_readout(name, backend="numpy")
    place = (END, readout.n_features - 1, END, *readout.values)
    assert readout.functions.kernel(*place) == (0.0 if readout.vanishes_at_end else 1.0)
    assert (readout.functions.kernel_slope(*place) == 0.0) == (readout.slope_at_end == "0")


def test_what_is_known_of_kernels_at_the_trials_end():
    known = {
        "count": ("1", "0"),
        "leaky_integrator": ("0", "0"),
        "linear_window": ("0", "-1/T"),
        "potential_at_end": ("0", "-1/tau_m"),
        "windows": ("0", "0"),
    }
    for name, facts in known.items():
        readout = derivations.compile_readout(name, backend="numpy")
        assert (readout.value_at_end, readout.slope_at_end) == facts
        assert readout.is_smooth_at_end == (facts == ("0", "0"))
    leaky = derivations.compile_readout("leaky_integrator", backend="numpy")
    assert leaky.curvature_at_end == "exp(-1)/(T*tau_m)"


@pytest.mark.parametrize("name", KERNELS)
def test_a_spike_after_the_trials_end_counts_nothing(name):
    for time in (math.nextafter(END, 3.0), 2 * END, math.inf):
        readout = derivations.compile_readout(name, backend="numpy")
        place = (time, readout.n_features - 1, END, *readout.values)
        assert readout.functions.kernel_and_slope(*place) == (0.0, 0.0)
        assert set(readout.functions.kernel_vjp(*place, 1.0)) <= {0.0}


def test_records_say_what_functions_take():
    windows = derivations.compile_readout("windows", backend="numpy", n_windows=8)
    assert (windows.parameters, windows.settings) == ((), ("n_windows", "width"))
    assert (windows.values, windows.n_features) == ((8.0, 1.0), 8)
    leaky = derivations.compile_readout("leaky_integrator", backend="numpy", tau_s=2)
    assert (leaky.parameters, leaky.values, leaky.n_features) == (("tau_m", "tau_s"), (1.0, 2.0), 1)
    maximum = derivations.compile_readout("maximum", backend="numpy")
    assert not maximum.has_kernel
    assert not hasattr(maximum.functions, "kernel")


def test_a_readout_is_loaded_once_for_the_same_values():
    first = derivations.compile_readout("windows", backend="numpy", n_windows=3)
    assert derivations.compile_readout("windows", backend="numpy", n_windows=3.0) is first
    assert derivations.compile_readout("windows", backend="numpy", n_windows=4) is not first


def test_a_readout_runs_without_sympy():
    code = (
        "import sys; from derivations import compile_readout; "
        "r = compile_readout('leaky_integrator', backend='numpy'); "
        "r.functions.kernel(0.5, 0, 1.0, *r.values); print('sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "values", "error", "message"),
    [
        ("mean", {}, InputError, r"Expected readout to be one of count, first_spike, .* 'mean'"),
        ("first_spike", {}, InputError, "a neuron of its own .* but got 'first_spike'"),
        ("count", {"tau_m": 1.0}, ModelError, "it has none.*'tau_m'"),
        ("leaky_integrator", {"tau": 1.0}, ModelError, r"\(tau_m, tau_s\) but got 'tau'"),
        ("leaky_integrator", {"tau_m": -1.0}, ModelError, "Expected tau_m > 0 .* tau_m=-1.0"),
        ("leaky_integrator", {"tau_m": math.nan}, ModelError, "Expected tau_m > 0 .* tau_m=nan"),
        ("leaky_integrator", {"tau_s": 1e80}, ModelError, "a size from 1e-75 to 1e.75"),
        ("leaky_integrator", {"tau_s": "x"}, ModelError, "Expected a number for tau_s"),
        ("leaky_integrator", {"tau_s": [1.0]}, ModelError, "Expected a number for tau_s"),
        ("windows", {"n_windows": 2.5}, ModelError, "Expected a whole number for n_windows"),
        ("windows", {"n_windows": 0}, ModelError, "Expected n_windows >= 1"),
        ("windows", {"n_windows": 2, "width": 2.1}, ModelError, "width <= n_windows"),
    ],
)
def test_what_cannot_be_is_refused_in_words(name, values, error, message):
    with pytest.raises(error, match=message):
        derivations.compile_readout(name, backend="numpy", **values)


def test_a_module_of_another_format_is_refused(monkeypatch):
    from derivations.generated.readouts import count

    monkeypatch.setattr(count, "FORMAT", 0)
    with pytest.raises(ModelError, match=r"of format 1 but .* has format 0"):
        load_readout(count, {})


def make(**changes):
    """A leaky integrator with other texts."""
    texts = {
        "name": "own", "description": "", "reads": "integral", "input": "I += w",
        "equations": "dV/dt = (I - V)/tau_m\ndI/dt = -I/tau_s", "weight": "exp(-t/T)",
        "parameters": PARAMETERS,
    }  # fmt: skip
    return build_readout(**(texts | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": None}, "Expected a weight for the readout own if and only if"),
        ({"reads": "end"}, "Expected a weight for the readout own if and only if"),
        ({"equations": "dV/dt = -V\ndd/dt = -d", "input": "d += w"}, "a free name .* got 'd'"),
        ({"reads": "mean"}, "Expected reads to be one of"),
    ],
)
def test_declarations_that_do_not_fit_are_refused(changes, message):
    with pytest.raises((ModelError, InputError), match=message):
        make(**changes)


HELD = {"equations": "dV/dt = 0", "input": "V += w", "parameters": {}, "support": ("0", "T")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"equations": "dV/dt = I - V**2\ndI/dt = -I"}, "to be linear"),
        ({"equations": "dV/dt = I - V + 1\ndI/dt = -I"}, "without constant terms"),
        ({"input": "I += w*w"}, "inputs that add multiples of w"),
        ({"equations": "dV/dt = -V\ndI/dt = V - I"}, "driven by those below it alone"),
        ({"weight": "t"}, "a constant or an exponential function of t and T"),
        ({"weight": "exp(-t/tau_m)"}, "a constant or an exponential function of t and T"),
        (HELD | {"weight": "sin(pi*t/T)"}, "to have the integral 0"),
        (HELD | {"weight": "cos(pi*t/T)"}, "to vanish at both ends of its support"),
        ({"support": ("0", "T"), "weight": "sin(2*pi*t/T)"}, "Expected dV/dt = 0"),
    ],
)
def test_readouts_that_cannot_be_derived_are_refused(changes, message):
    with pytest.raises(DerivationError, match=message):
        derive_readout(make(**changes))


def test_readouts_of_spikes_say_where_they_are_derived():
    for name in derivations.SPIKE_READOUTS:
        model = derivations.read_readout(name)
        with pytest.raises(DerivationError, match=f"got {name}, which reads times of spikes"):
            derive_readout(model)
        assert "pseudodynamics" in model.notes


def test_only_verified_functions_are_printed():
    ir = lower_readout(derive_readout(derivations.read_readout("count")))
    with pytest.raises(TypeError, match="Expected a VerifiedReadout but got ReadoutIR"):
        generate_readout(ir)


def test_three_variables_in_a_row_have_a_kernel_too():
    model = make(
        equations="dV/dt = (I - V)/tau_m\ndI/dt = (G - I)/tau_s\ndG/dt = -G", input="G += w"
    )
    derivation = derive_readout(model)
    assert derivation.kernel is not None
    assert derivation.kernel.at_end[:2] == (0, 0)


@pytest.mark.parametrize(
    ("name", "verdict", "loss"),
    [
        ("leaky_integrator", SMOOTH, DIFFERENTIABLE),
        ("windows", SMOOTH, DIFFERENTIABLE),
        ("leaky_integrator", CONTINUOUS, CONTINUOUS),
        ("linear_window", SMOOTH, CONTINUOUS),
        ("potential_at_end", CONTINUOUS, CONTINUOUS),
        ("count", SMOOTH, JUMPS),
        ("count", UNDECIDED, JUMPS),
        ("leaky_integrator", REFUTED, JUMPS),
        ("leaky_integrator", UNDECIDED, OPEN),
        ("linear_window", UNDECIDED, OPEN),
    ],
)
def test_a_network_inherits_what_neuron_and_kernel_both_allow(name, verdict, loss):
    found, reasons = judge_kernel(verdict, derive_readout(derivations.read_readout(name)).kernel)
    assert found == loss
    assert len(reasons) == 2


def test_the_maximum_is_never_smooth():
    verdicts = {SMOOTH: CONTINUOUS, CONTINUOUS: CONTINUOUS, REFUTED: JUMPS, UNDECIDED: OPEN}
    for verdict, loss in verdicts.items():
        assert judge_maximum(verdict)[0] == loss


def test_spikes_are_read_continuously_where_pseudospikes_carry_them_on():
    assert judge_spikes(SMOOTH, derivations.read_neuron_model("theta"))[0] == CONTINUOUS
    assert judge_spikes(REFUTED, derivations.read_neuron_model("theta"))[0] == JUMPS
    lost, reasons = judge_spikes(CONTINUOUS, derivations.read_neuron_model("nlif"))
    assert lost == JUMPS
    assert "have no pseudospikes" in reasons[-1]


def test_a_record_says_what_it_reads():
    with pytest.raises(InputError, match="Expected reads to be one of end, integral, maximum"):
        ReadoutModel(name="own", description="", reads="all")
