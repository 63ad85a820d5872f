"""The co-moving frame: coordinates that do not change between events, in doubles and in digits."""

import dataclasses
import math
import random
from functools import cache
from types import ModuleType

import mpmath
import pytest
import sympy as sp
from models import derive_once, lower_once
from mpmath import mpf

from derivations import read_neuron_model
from spiketheory.errors import VerificationError
from spiketheory.generation.generate import print_source
from spiketheory.generation.lower import lower
from spiketheory.language.functions import flow
from spiketheory.language.parse import build_model
from spiketheory.symbolic.derive import derive
from spiketheory.verification.verify import verify

UNIT = 2.0**-53
REFRACTORY = {
    "spike": "V = V_th", "reset": "V = V_r", "refractory": {"time": "t_ref", "hold": ["V"]},
    "parameters": {
        "tau": {"default": 1.0, "domain": "tau > 0"}, "I0": {"default": 1.3},
        "V_th": {"default": 1.0, "domain": "V_th > V_r"}, "V_r": {"default": 0.5},
        "t_ref": {"default": 0.1, "domain": "t_ref > 0"},
    },
}  # fmt: skip


def make_own(equations, **fields):
    """A model of the tests' own; its variables rest at 0."""
    names = [line.split("/dt")[0].strip()[1:] for line in equations.splitlines()]
    usual = {"spike": "V = 1", "reset": "V = 0", "rest": dict.fromkeys(names, 0)}
    usual |= {} if "inputs" in fields else {"input": "V += w"}
    return build_model(name="mine", equations=equations, **(usual | fields))


OWN = {
    "refractory delta": lambda: make_own("dV/dt = (I0 - V)/tau", **REFRACTORY),
    "refractory current": lambda: make_own(
        "dV/dt = (I0 + I - V)/tau\ndI/dt = -4*I/tau", **(REFRACTORY | {"input": "I += w"})
    ),
    "refractory quadratic": lambda: make_own(
        "dV/dt = V**2 + 2", spike="V -> oo", reset="V = -oo", refractory={"time": "1/5"}
    ),
    "two currents": lambda: make_own(
        "dV/dt = E + G - V\ndE/dt = -3*E\ndG/dt = -G/2",
        inputs={"fast": "E += w", "slow": "G += w; V += w/8"},
    ),
    "adaptation": lambda: make_own(
        "dV/dt = 1.5 - V - a\nda/dt = -a/4", reset="V = 0; a += 0.3", input="V += w*(2 - V)"
    ),
}
BUILT_IN = ("theta", "qif_delta", "lif_delta", "lif", "lif_alpha", "nlif", "rapid_theta")


def get_model(name):
    return OWN[name]() if name in OWN else read_neuron_model(name)


@cache
def generate_both(name):
    """The generated module, for doubles and for numbers of mpmath."""
    ir = lower_once(get_model(name))
    found = []
    for target in ("module", "mpmath"):
        found.append(ModuleType(name))
        exec(compile(print_source(ir, target), f"<{name}>", "exec"), vars(found[-1]))
    return found


def draw_trial(name, seed):
    """A state, inputs (time, weight, port) and an end; some inputs are simultaneous."""
    draw = random.Random(seed)
    module = generate_both(name)[0]
    ports = range(len(getattr(module, "PORTS", ("default",))))
    mean = {"lif": 0.12, "lif_alpha": 0.2, "nlif": 0.03, "two currents": 0.2}.get(name, 0.0)
    events = sorted(
        (round(draw.uniform(0, 3), 2), draw.gauss(mean, 0.1), draw.choice(ports)) for _ in range(60)
    )
    state = [draw.uniform(0, 0.9), *(0.0 for _ in module.STATE[1:])]
    return state, events, 3.0


def run_plainly(module, parameters, trial, number):
    """Spike times and the coordinates at the end, from one event to the next."""
    state, events, end = trial
    c = module.constants(*map(number, parameters))
    z, time, spikes = module.enter_chart(*map(number, state), *c), number(0), []
    for at, weight, port in (*events, (end, None, 0)):
        while time + (wait := module.time_to_spike(*z, *c)) < number(at):
            z, time = module.fire(*z, *module.propagator(wait, *c), *c), time + wait
            spikes.append(time)
        z = module.flow(*z, *module.propagator(number(at) - time, *c), *c)
        time = number(at)
        if weight is None:
            return spikes, z
        where = (port,) if hasattr(module, "jump_at") else ()
        jump = module.jump_at if where else module.jump
        z = jump(*z, number(weight), *where, *c)
        if module.FRAME_CROSSES and module.time_to_spike(*z, *c) == 0:
            spikes.append(time)
            z = module.reset(*z, *c)
    raise AssertionError


class InFrame:
    """One neuron in the frame, as an engine would run it."""

    def __init__(self, module, parameters, state, number):
        self.module, self.number = module, number
        self.c = module.constants(*map(number, parameters))
        self.u = module.frame_enter(*module.enter_chart(*map(number, state), *self.c), *self.c)
        self.since = self.origin = number(0)
        self.spikes, self.looks, self.doubts = [], 0, 0

    def look(self, at):
        module, s = self.module, self.number(at) - self.origin
        n = module.frame_factors(s, *self.c)
        since = self.since if module.FRAME_KEEPS_TIME else self.number(0)
        self.looks += 1
        if not module.frame_quiet(*self.u, since, s, *n, *self.c):
            self.doubts += 1
            while (time := module.frame_spike(*self.u, since, s, *n, *self.c)) < math.inf:
                self.fire(time, self.origin + time)
                since = self.since if module.FRAME_KEEPS_TIME else since
        return s, n

    def fire(self, time, at):
        self.spikes.append(at)
        self.u, self.since = self.module.frame_fire(*self.u, time, *self.c), time

    def take(self, at, weight, port):
        module = self.module
        s, n = self.look(at)
        if hasattr(module, "frame_push_at"):
            k = module.frame_push_at(self.number(weight), port, *n, *self.c)
        else:
            k = module.frame_push(self.number(weight), *n, *self.c)
        self.u, self.since = module.frame_jump(*self.u, *k, *n, *self.c), s
        if module.FRAME_CROSSES and module.frame_crosses(*self.u, *n, *self.c):
            self.fire(s, self.number(at))

    def rebase(self, at):
        s, n = self.look(at)
        self.u = self.module.frame_rebase(*self.u, *n, *self.c)
        self.since, self.origin = max(self.since - s, self.number(0)), self.number(at)


def run_in_frame(module, parameters, trial, number, part):
    """The same in the frame, with a look and a new origin each ``part`` of the longest window."""
    state, events, end = trial
    neuron = InFrame(module, parameters, state, number)
    longest = min(*module.frame_limits(*neuron.c), end)
    step = float(longest) * part
    ends = [step * k for k in range(1, math.ceil(end / step))]
    todo = [(at, 0, weight, port) for at, weight, port in events]
    for at, kind, weight, port in sorted([*todo, *((at, 1, 0.0, 0) for at in ends)]):
        neuron.rebase(at) if kind else neuron.take(at, weight, port)
    _, n = neuron.look(end)
    return neuron, module.frame_leave(*neuron.u, *n, *neuron.c)


def compare_states(module, got, want):
    """How far apart coordinates are; projective ones by the angle between them."""
    if not module.PROJECTIVE:
        return max(abs(g - w) for g, w in zip(got, want, strict=True))
    size = mpmath.norm(got[:2]) * mpmath.norm(want[:2])
    return abs(got[0] * want[1] - got[1] * want[0]) / size


SETTINGS = [
    ("theta", [(1.0, 1.25), (0.5, 6.6)]), ("qif_delta", [(1.0, 0.0), (1.0, 0.25), (1.0, 3.0)]),
    ("lif_delta", [(1.0, 1.35, 1.0), (1.0, 1.0, 1.0), (1.0, 8.0, 1.0)]),
    ("lif", [(1.0, 0.5, 1.0), (1.0, 1.0, 1.0), (1.0, 0.3, 1.0)]),
    ("lif_alpha", [(1.0, 0.5, 1.0)]), ("nlif", [(1.0, 0.5, 1.0)]),
    ("rapid_theta", [(1.0, 1.25, 3.0)]),
    *((name, [None]) for name in OWN),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=[name for name, _ in SETTINGS])
def test_a_neuron_in_the_frame_spikes_as_it_does_from_event_to_event(name, settings):
    doubles, digits = generate_both(name)
    seen = 0
    for seed, parameters in enumerate(settings):
        parameters = parameters or doubles.DEFAULTS
        trial = draw_trial(name, seed)
        with mpmath.workdps(50):
            spikes, end = run_plainly(digits, parameters, trial, mpf)
            exact, there = run_in_frame(digits, parameters, trial, mpf, 0.5)
            neuron, here = run_in_frame(doubles, parameters, trial, float, 0.9)
            seen += len(spikes)
            assert len(exact.spikes) == len(neuron.spikes) == len(spikes)
            for found, tolerance in ((exact.spikes, 1e-40), (neuron.spikes, 2e-14)):
                errors = [abs(f - s) for f, s in zip(found, spikes, strict=True)]
                assert max(errors, default=0) < tolerance
            assert compare_states(digits, there, end) < 1e-40
            assert compare_states(digits, list(map(mpf, here)), end) < 1e-13
    assert seen > 0


def test_a_neuron_far_from_its_threshold_is_quiet_without_asking_for_the_time_to_its_spike():
    module = generate_both("lif")[0]
    neuron, _ = run_in_frame(module, (1.0, 0.5, 1.0), draw_trial("lif", 0), float, 0.1)
    assert neuron.looks > 60
    assert neuron.doubts <= 2 * len(neuron.spikes) + neuron.looks // 8


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("theta", (1.0, 0.26)), ("theta", (1.0, 6.6)), ("qif_delta", (1.0, -6.0)),
        ("qif_delta", (1.0, 0.25)), ("qif_delta", (1.0, 0.2500001)), ("lif_delta", (1.0, 1.0, 1.0)),
        ("lif", (1.0, 0.05, 1.0)), ("lif", (1.0, 0.999999, 1.0)), ("lif", (1.0, 5.0, 1.0)),
        ("lif_alpha", (1.0, 0.5, 1.0)),
    ],
)  # fmt: skip
def test_the_frame_loses_no_more_digits_than_the_flow_from_event_to_event(name, parameters):
    doubles, digits = generate_both(name)
    c = doubles.constants(*parameters)
    reach = min(*doubles.frame_limits(*c), 4.0)
    worst = [0.0, 0.0]
    draw = random.Random(1)
    for _ in range(12):
        events = sorted((draw.uniform(0, reach), draw.gauss(0, 0.05)) for _ in range(40))
        state = [draw.uniform(-1, 0.9), *(draw.uniform(-1, 2) for _ in doubles.STATE[1:])]
        z = doubles.enter_chart(*state, *c)
        with mpmath.workdps(50):
            want = follow(digits, parameters, z, events, reach, mpf, in_frame=False)
            for k, in_frame in enumerate((True, False)):
                got = follow(doubles, parameters, z, events, reach, float, in_frame=in_frame)
                error = compare_states(digits, list(map(mpf, got)), want)
                worst[k] = max(worst[k], float(error / max(1, *map(abs, want))) / UNIT)
    assert worst[0] < 32
    assert worst[0] < 8 * max(worst[1], 2)


def follow(module, parameters, z, events, end, number, *, in_frame):
    """Coordinates at the end, without spikes."""
    c = module.constants(*map(number, parameters))
    z, time = tuple(map(number, z)), number(0)
    for at, weight in events:
        s = number(at)
        if in_frame:
            n = module.frame_factors(s, *c)
            z = module.frame_jump(*z, *module.frame_push(number(weight), *n, *c), *n, *c)
        else:
            z = module.flow(*z, *module.propagator(s - time, *c), *c)
            z = module.jump(*z, number(weight), *c)
        time = s
    if in_frame:
        return module.frame_leave(*z, *module.frame_factors(number(end), *c), *c)
    return module.flow(*z, *module.propagator(number(end) - time, *c), *c)


def test_next_to_its_unstable_point_a_neuron_keeps_its_distance():
    """V = 1 is unstable for I0 = 0: the distance grows as exp(t), and its digits stay."""
    doubles, _ = generate_both("qif_delta")
    c = doubles.constants(1.0, 0.0)
    reach = doubles.frame_limits(*c)[1]
    for distance in (-(2.0**-40), 2.0**-40):
        u = doubles.frame_enter(*doubles.enter_chart(1.0 + distance, *c), *c)
        (V,) = doubles.leave_chart(
            *doubles.frame_leave(*u, *doubles.frame_factors(reach, *c), *c), *c
        )
        with mpmath.workdps(40):
            start = mpf(distance) / (1 + mpf(distance))
            want = 1 / (1 - start * mpmath.exp(reach))
        assert abs(V - want) < 4 * math.exp(reach) * UNIT


def test_an_input_in_the_frame_costs_two_to_six_operations_and_no_exponential():
    counts = {}
    for name in BUILT_IN[:4]:
        functions = {f.name: f.operations for f in lower_once(get_model(name)).functions}
        counts[name] = sum(functions["frame_jump"].values())
        asked = {**functions["frame_jump"], **functions["frame_quiet"], **functions["frame_push"]}
        assert set(asked) <= {"add", "multiply", "compare", "max", "min"}
    assert counts == {"theta": 7, "qif_delta": 8, "lif_delta": 1, "lif": 2}


def test_a_spike_that_was_seen_is_not_seen_again_where_rounding_has_turned_the_sign():
    module = generate_both("theta")[0]
    c = module.constants(*module.DEFAULTS)
    n = module.frame_factors(0.0, *c)
    assert not module.frame_quiet(-1.0, -1e-17, 0.0, 0.0, *n, *c)
    assert module.frame_spike(-1.0, -1e-17, 0.0, 0.0, *n, *c) == math.inf


def test_a_neuron_driven_to_less_than_its_threshold_does_not_spike_by_rounding():
    module = generate_both("lif_delta")[0]
    c = module.constants(1.0, 0.5, 1.0)
    s = 0.7
    n = module.frame_factors(s, *c)
    just_above = math.nextafter(n[module.FACTORS.index("threshold")], math.inf)
    assert not module.frame_quiet(just_above, 0.0, s, *n, *c)
    assert module.frame_spike(just_above, 0.0, s, *n, *c) == math.inf


def test_a_refractory_neuron_loses_inputs_and_takes_one_at_its_release():
    module = generate_both("refractory delta")[0]
    neuron = InFrame(module, module.DEFAULTS, [0.75], float)
    neuron.take(0.25, 1.0, 0)
    assert neuron.spikes == [0.25]
    before = neuron.u
    neuron.take(0.3, 0.1, 0)
    assert neuron.u == before
    neuron.take(0.25 + 0.1, 0.1, 0)
    assert neuron.u != before
    assert neuron.u[-1] == 0.25 + 0.1


def test_a_refractory_period_that_numbers_cannot_hold_leaves_no_reach():
    module = generate_both("refractory delta")[0]
    usual = module.constants(1.0, 1.3, 1.0, 0.5, 0.1)
    long = module.constants(1.0, 1.3, 1.0, 0.5, 1000.0)
    assert module.frame_limits(*usual) == (4.0, 4.0)
    assert module.frame_limits(*long) == (0.0, 0.0)


def test_looks_are_as_far_apart_as_the_sign_allows():
    module = generate_both("theta")[0]
    c = module.constants(*module.DEFAULTS)
    period = c[module.CONSTANTS.index("Theta")]
    assert module.frame_limits(*c) == pytest.approx((period / 3, 2 * period), rel=1e-15)
    module = generate_both("qif_delta")[0]
    assert module.frame_limits(*module.constants(1.0, 0.25)) == (math.inf, math.inf)
    assert module.frame_limits(*module.constants(1.0, 0.0)) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("theta", ("tau", "I0")), ("lif", ("tau_m", "tau_s")), ("lif_delta", ("tau", "I0", "V_th")),
        ("refractory current", ("tau", "I0")), ("nlif", ("tau_m", "tau_s")),
    ],
)  # fmt: skip
def test_a_module_names_the_parameters_that_its_neurons_must_share(name, shared):
    assert shared == generate_both(name)[0].FACTOR_PARAMETERS


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("qif", "what carries its coordinates along depends on its state, which inputs change"),
        ("eif", "its flow has no closed form"),
        ("adex", "its flow has no closed form"),
    ],
)
def test_a_model_without_a_frame_says_why(name, reason):
    derivation = derive_once(read_neuron_model(name))
    assert derivation.frame is None
    assert derivation.without_frame == reason


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"equations": "dV/dt = 2 - V", "reset": ""},
            "it goes on through its spikes, and its side of the threshold is a state as well",
        ),
        (
            {
                "equations": "dV/dt = 2 - V\nda/dt = V - a",
                "refractory": {"time": "1", "hold": ["V"]},
            },
            "what goes on in its refractory period does not go on as it does otherwise",
        ),
        (
            {"equations": "dV/dt = 2 - V", "inputs": {"one": "V += w", "more": "V += w*V**2"}},
            "an input at one of its ports does not act linearly on its coordinates",
        ),
    ],
)  # fmt: skip
def test_a_model_of_ones_own_without_a_frame_says_why(options, reason):
    assert derive(make_own(**options)).without_frame == reason


def change_frame(name, **changes):
    derivation = derive_once(get_model(name))
    frame = dataclasses.replace(derivation.frame, **changes)
    return lower(dataclasses.replace(derivation, frame=frame))


def test_a_wrong_input_in_the_frame_is_refuted():
    frame = derive_once(get_model("theta")).frame
    turned = (frame.jump[0], 2 * sp.Symbol("y", real=True) - frame.jump[1])
    with pytest.raises(VerificationError, match=r"co-moving frame.*after an input at port 0"):
        verify(change_frame("theta", jump=turned))


def test_a_wrong_spike_time_in_the_frame_is_refuted():
    frame = derive_once(get_model("theta")).frame
    late = tuple(
        dataclasses.replace(b, values=(b.values[0] + sp.Rational(1, 100),)) for b in frame.spike
    )
    with pytest.raises(VerificationError, match=r"co-moving frame.*surface at the spike"):
        verify(change_frame("theta", spike=late))


def test_a_look_that_is_always_quiet_is_found():
    with pytest.raises(VerificationError, match=r"trials in the frame.*not quiet"):
        verify(change_frame("lif_delta", quiet=sp.true))


def test_a_spike_that_forgets_the_reset_is_found(monkeypatch):
    forget = "spiketheory.generation.lower_frame.fire"
    monkeypatch.setattr(forget, flow)
    with pytest.raises(VerificationError, match="trials in the frame"):
        verify(change_frame("lif_delta"))


def test_variables_may_have_the_names_that_the_frame_uses():
    """V = max, I = flow: two names of functions; the numbers are those of lif."""
    fields = {"spike": "max = threshold", "reset": "max = 0", "input": "flow += w"}
    domains = {"at": "at > 0", "since": "since > 0", "threshold": "threshold > 0"}
    parameters = {name: {"default": 1.0, "domain": text} for name, text in domains.items()}
    model = build_model(
        name="odd", equations="dmax/dt = (flow - max)/at\ndflow/dt = -flow/since",
        rest={"max": 0, "flow": 0}, parameters=parameters, **fields,
    )  # fmt: skip
    odd, usual = ModuleType("odd"), generate_both("lif")[0]
    exec(compile(print_source(lower(derive(model)), "module"), "<odd>", "exec"), vars(odd))
    found = []
    for module in (odd, usual):
        c = module.constants(1.0, 0.5, 1.0)
        n = module.frame_factors(0.3, *c)
        u = module.frame_jump(0.2, 3.0, *module.frame_push(0.5, *n, *c), *n, *c)
        fired = module.frame_fire(*u, 0.2, *c)
        found.append((*u, *fired, module.frame_spike(*u, 0.1, 0.9, *n, *c)))
    assert found[0] == found[1]
