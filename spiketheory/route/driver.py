"""The route from a neuron model to source text: every stage once, in this order.

NeuronModel -derive-> Derivation -lower-> KernelIR -verify-> VerifiedKernel -generate-> source

and the same from a ReadoutModel.
"""

from collections.abc import Callable

from spiketheory.generation.generate import generate
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.generation.lower import lower
from spiketheory.generation.readout import VerifiedReadout, generate_readout, lower_readout
from spiketheory.language.model import NeuronModel
from spiketheory.language.readout import ReadoutModel
from spiketheory.route.fault_report import report_faults
from spiketheory.symbolic.derive import derive
from spiketheory.symbolic.readout import derive_readout
from spiketheory.verification import verify as verification
from spiketheory.verification.readout import verify_readout


def verify_model(
    model: NeuronModel,
    *,
    thorough: bool = False,
    on_stage: Callable[[str], None] = lambda text: None,
) -> VerifiedKernel:
    """Derive a model, lower it, and verify what came out.

    Args:
        model: The model.
        thorough: See `spiketheory.verification.verify.verify`.
        on_stage: Told what is going on.

    Raises:
        DerivationError: If no method solves it.
        VerificationError: If a check fails; what did is recorded in a file that it names.
    """
    on_stage(f"Deriving {model.name}")
    derivation = derive(model)
    on_stage(f"Verifying {model.name} ({derivation.method})")
    with report_faults(model):
        return verification.verify(lower(derivation), thorough=thorough)


def generate_model(model: NeuronModel, *, target: str = "module") -> str:
    """The source text of a model; see `spiketheory.generation.generate.generate` for ``target``."""
    return generate(verify_model(model), target=target)


def verify_readout_model(model: ReadoutModel) -> VerifiedReadout:
    """Derive a readout, lower it, and verify what came out.

    Raises:
        DerivationError: If it cannot be derived.
        VerificationError: If a check fails.
    """
    return verify_readout(lower_readout(derive_readout(model)))


def generate_readout_module(model: ReadoutModel) -> str:
    """The source text of a readout's module."""
    return generate_readout(verify_readout_model(model))
