"""What a network inherits from its neurons' certificate and its readout.

With a kernel kappa the output is the sum over hidden spikes of weight times kappa(t). Where spikes
only shift, they come and go through the trial's end T alone, so that the output is as continuous
there as the kernel is at T, and elsewhere as spike times are.
"""

from dataclasses import dataclass
from typing import Any

from spiketheory.certification.certificate import CONTINUOUS, REFUTED, SMOOTH, Certificate
from spiketheory.errors import SpiketheoryError
from spiketheory.language.model import NeuronModel, format_expression
from spiketheory.language.readout import ReadoutModel
from spiketheory.symbolic.derive import derive
from spiketheory.symbolic.readout import Kernel, derive_readout

DIFFERENTIABLE, JUMPS, OPEN = "continuously differentiable", "not continuous", "undecided"
LOSSES = (DIFFERENTIABLE, CONTINUOUS, JUMPS, OPEN)


@dataclass(frozen=True, kw_only=True)
class Inheritance:
    """How a loss depends on weights, input times, initial states and parameters.

    Attributes:
        readout: Name of the readout.
        loss: One of `LOSSES`, for a loss that is a smooth function of the outputs.
        reasons: Why, sentence by sentence.
        value_at_end: The kernel just before T, as text; "" without a kernel.
        slope_at_end: Its slope there.
    """

    readout: str
    loss: str
    reasons: tuple[str, ...]
    value_at_end: str = ""
    slope_at_end: str = ""


def find_inheritance(certificate: Certificate, readout: ReadoutModel) -> Inheritance:
    """What a network of certified neurons with a readout inherits.

    Args:
        certificate: The certificate of the neurons.
        readout: The readout.
    """
    if readout.reads == "spikes":
        loss, reasons = judge_spikes(certificate.verdict, certificate.model)
        return Inheritance(readout=readout.name, loss=loss, reasons=reasons)
    kernel = derive_readout(readout).kernel
    if kernel is None:
        loss, reasons = judge_maximum(certificate.verdict)
        return Inheritance(readout=readout.name, loss=loss, reasons=reasons)
    loss, reasons = judge_kernel(certificate.verdict, kernel)
    value, slope, _ = map(format_expression, kernel.at_end)
    return Inheritance(
        readout=readout.name, loss=loss, reasons=reasons, value_at_end=value, slope_at_end=slope
    )


def judge_neuron(verdict: str) -> tuple[str, tuple[str, ...]]:
    """What the neurons alone allow."""
    if verdict == SMOOTH:
        return DIFFERENTIABLE, (
            "Spike times are continuously differentiable, and spikes come and go only through the "
            "trial's end: the certificate is smooth.",
        )
    if verdict == CONTINUOUS:
        return CONTINUOUS, (
            "Spike times are continuous, and spikes come and go only through the trial's end, but "
            "derivatives of spike times may jump: the certificate is continuous, not smooth.",
        )
    if verdict == REFUTED:
        return JUMPS, (
            "Spikes can appear, vanish, jump or pile up in mid-trial, where the loss then jumps: "
            "the certificate is refuted.",
        )
    return OPEN, (
        "Whether spikes only shift is undecided, so that nothing follows for the loss.",
    )  # fmt: skip


def judge_kernel(verdict: str, kernel: Kernel) -> tuple[str, tuple[str, ...]]:
    """The same with a kernel, by its value and slope at the trial's end."""
    loss, reasons = judge_neuron(verdict)
    value, slope, _ = kernel.at_end
    if value != 0:
        return JUMPS, (
            *reasons,
            f"The kernel is {format_expression(value)} at the trial's end T: the loss jumps "
            "whenever a spike passes T.",
        )
    if slope != 0:
        reason = (
            f"The kernel vanishes at the trial's end T, but its slope is {format_expression(slope)}"
            " there: the derivative of the loss jumps when a spike passes T."
        )
        return CONTINUOUS if loss == DIFFERENTIABLE else loss, (*reasons, reason)
    reason = (
        "The kernel vanishes at the trial's end T together with its slope: a spike that passes T "
        "changes neither the loss nor its derivative there."
    )
    return loss, (*reasons, reason)


def judge_maximum(verdict: str) -> tuple[str, tuple[str, ...]]:
    """The same with the maximum of the potential."""
    loss, reasons = judge_neuron(verdict)
    reason = (
        "The maximum of the potential is continuous in spike times, and a spike that passes the "
        "trial's end T adds nothing at T; but its derivative jumps where the highest point moves "
        "from one peak to another."
    )
    return CONTINUOUS if loss == DIFFERENTIABLE else loss, (*reasons, reason)


def judge_spikes(verdict: str, model: NeuronModel) -> tuple[str, tuple[str, ...]]:
    """The same where spikes of output neurons are read."""
    loss, reasons = judge_neuron(verdict)
    if not has_pseudospikes(model):
        reason = (
            "Times of spikes of the output neurons are read, and these have no pseudospikes: one "
            "that has not spiked by the trial's end T has no time, and the loss jumps there."
        )
        return JUMPS, (*reasons, reason)
    reason = (
        "Times of spikes of the output neurons are read, and pseudospikes carry them on "
        "continuously through the trial's end T; what that does to derivatives is not certified."
    )
    return CONTINUOUS if loss == DIFFERENTIABLE else loss, (*reasons, reason)


def has_pseudospikes(model: NeuronModel) -> bool:
    """Whether a model has pseudodynamics after the trial's end."""
    try:
        return derive(model).pseudospike is not None
    except SpiketheoryError:  # no method derives it
        return False


def describe_inheritance(inheritance: Inheritance) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "readout": inheritance.readout,
        "loss": inheritance.loss,
        "value_at_end": inheritance.value_at_end or None,
        "slope_at_end": inheritance.slope_at_end or None,
        "reasons": list(inheritance.reasons),
    }
