"""Verify a derivation and its kernel functions: symbolic proofs, comparisons in 50 digits."""

import random
from collections.abc import Iterator

import mpmath
from mpmath import mpf

from spiketheory.generation.kernel_ir import KernelIR, VerifiedKernel
from spiketheory.symbolic.derivation import Check
from spiketheory.verification import crossing as verify_crossing
from spiketheory.verification import frame as verify_frame
from spiketheory.verification import gradients as verify_gradients
from spiketheory.verification import measured as verify_measured
from spiketheory.verification import numeric as verify_numeric
from spiketheory.verification import peaks as verify_peaks
from spiketheory.verification import ports as verify_ports
from spiketheory.verification import refractory as verify_refractory
from spiketheory.verification import taylor as verify_taylor
from spiketheory.verification.cases import DIGITS, Case, build_cases
from spiketheory.verification.places import SEED, Kernels, Place, build_places
from spiketheory.verification.symbolic import check_symbolically, make_settings


# Long: what each check is for; the code is seven lines.
def verify(ir: KernelIR, *, thorough: bool = False) -> VerifiedKernel:
    r"""Run every check on a derivation and its kernel functions; the only way to code.

    Symbolic checks hold for every sign that the branches ask about (docs/mathematics.md, 1-3, 6-9):

    - *chart round trip*: ``to_state(from_state(s)) = s``.
    - *chart field*: the chart's field is the model's equation.
    - *flow residual*: along the flow the state obeys the model's equation, and the coordinates
      the chart's (up to a multiple, if positive multiples are the same state).
    - *flow at zero duration*, *semigroup*: the flow is one.
    - *input jump*, *simultaneous inputs*: the jump is the model's; two at once add up.
    - *spike surface*, *reset*: limits of the state on both sides of a spike; a reset onto the
      surface leads inside.
    - *time to spike*: the flow is on the surface after it, for every branch.
    - *spike time gradient*: each branch's derivative, and
      $-(\nabla g \cdot \mathrm{D}\Phi)/(\nabla g \cdot F)$, are the stated gradient.
    - *transversality*: in a projective chart the field grazes the surface nowhere.
    - *initial coordinate*: it is read back, and its default is the model's rest.
    - *pseudospike continuity*: delay 0 and rate 1 at a spike, a period and 0 just after it.
    - *co-moving frame*: an input there is flow, input and the flow back.
    - *pseudo input*: it acts as an input does, and the neuron then runs on freely, where the
      derivation says so.

    Checks in 50 digits run the very kernel functions that will be printed, at random parameters,
    states and inputs from a fixed seed, and in far corners:

    - *flow*, *spike time against direct integration*: of the model's own equation, in V, or 1/V
      where V is large.
    - *first spike*, *spike prediction*: nothing comes before the time to spike, and
      ``will_spike`` agrees with it.
    - *crossing at spikes*: the surface's function falls there.
    - *next maximum*: where there is one, the slope falls through zero there, and not before.
    - *initial bounds*, *pseudospike values*: ranges, also of the gradients.
    - *inputs at ports*, *gradient of inputs at ports*: where a model has several.
    - *branch seams*: values and derivatives of neighbouring branches agree where they meet.
    - *gradient of ...*: each vector-Jacobian product against central differences of the composed
      maps: the spike time, flow-input-flow with the input's time, flow-spike-flow, the initial
      state, the pseudospikes, and flow-input-spike-flow by the parameters.
    - *moving threshold*: the model in X = V - theta(z) is the model as written.
    - *trials in the frame*: an input and the spikes around it, beside flow and jump.
    - *held flow*, *gradient through a refractory period*: the same of the refractory period and
      of the whole neuron, where it has one.

    Of neurons that go on through their spikes these checks are about a neuron below its threshold;
    the module as it is printed is compared with direct integration from both sides, with the side
    after inputs and spikes.

    Args:
        ir: What `spiketheory.generation.lower.lower` returned.
        thorough: Look at special functions in as many places as at elementary ones, and in far
            corners (currents of 1e4), which takes several seconds.

    Returns:
        The kernel functions and what was checked.

    Raises:
        VerificationError: If a check fails; names it, what was expected and what came.
    """
    derivation = ir.derivation
    with mpmath.workdps(DIGITS):
        cases = build_cases(derivation)
        settings = make_settings(derivation, cases)
        checks = [*check_symbolically(settings, verify_frame.SYMBOLIC)]
        checks += check_numerically(ir, cases, thorough=thorough)
    return VerifiedKernel(ir=ir, checks=tuple(checks))


def check_numerically(
    ir: KernelIR, cases: tuple[Case, ...], *, thorough: bool = False
) -> Iterator[Check]:
    """Run the checks in 50 digits, in their order."""
    defaults = {p.symbol: mpf(repr(p.default)) for p in ir.derivation.model.parameters}
    at_defaults = Place(Kernels(ir), defaults, random.Random(SEED))
    yield from verify_measured.check_measured(ir, [at_defaults])
    yield from verify_ports.check_ports(ir)
    if ir.derivation.model.is_crossing:
        yield from verify_crossing.check_crossings(ir)
        if ir.derivation.is_integrated:
            return
    if ir.derivation.is_integrated:
        yield from verify_taylor.check_integrals(ir)
        return
    ordinary, far = build_places(Kernels(ir, thorough=thorough), cases)
    everywhere = [*ordinary, *far]
    yield from verify_numeric.check_first_spike(everywhere)
    yield from verify_numeric.check_integration(ordinary)
    yield from verify_peaks.check_peaks(everywhere)
    yield from verify_numeric.check_initial(everywhere)
    yield from verify_numeric.check_pseudospike(everywhere)
    yield from verify_numeric.check_seams(ordinary, cases)
    yield from verify_gradients.check_wait_gradient(everywhere)
    yield from verify_gradients.check_trial(everywhere)
    yield from verify_gradients.check_fire(everywhere)
    yield from verify_gradients.check_start(everywhere)
    yield from verify_gradients.check_pseudospike_gradient(everywhere)
    yield from verify_gradients.check_parameters(ordinary)
    if not ir.derivation.is_measured:  # else they were checked beside the change of variables
        yield from verify_gradients.check_maps(ordinary)
    yield from verify_refractory.check_refractory(ir, ordinary)
    yield from verify_frame.check_frame(ir, ordinary)
