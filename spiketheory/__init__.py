"""Neuron models whose spikes only shift: read, derive, verify, certify, generate, compile.

Names are imported when they are first asked for: running a compiled model does not load sympy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from spiketheory.certification.certify import certify as certify
    from spiketheory.certification.recheck import recheck as recheck
    from spiketheory.errors import SpiketheoryError as SpiketheoryError
    from spiketheory.generation.generate import generate as generate
    from spiketheory.generation.lower import lower as lower
    from spiketheory.language.model import NeuronModel as NeuronModel
    from spiketheory.language.parse import build_model as build_model
    from spiketheory.language.parse import parse_model as parse_model
    from spiketheory.language.parse import read_model as read_model
    from spiketheory.machine.compile import CompiledModel as CompiledModel
    from spiketheory.machine.compile import load_compiled as load_compiled
    from spiketheory.symbolic.derive import derive as derive
    from spiketheory.testing import assert_spikes_only_shift as assert_spikes_only_shift
    from spiketheory.testing import check_model as check_model
    from spiketheory.verification.verify import verify as verify

NAMES = {
    "certify": "spiketheory.certification.certify",
    "recheck": "spiketheory.certification.recheck",
    "SpiketheoryError": "spiketheory.errors",
    "generate": "spiketheory.generation.generate",
    "lower": "spiketheory.generation.lower",
    "NeuronModel": "spiketheory.language.model",
    "build_model": "spiketheory.language.parse",
    "parse_model": "spiketheory.language.parse",
    "read_model": "spiketheory.language.parse",
    "CompiledModel": "spiketheory.machine.compile",
    "load_compiled": "spiketheory.machine.compile",
    "derive": "spiketheory.symbolic.derive",
    "assert_spikes_only_shift": "spiketheory.testing",
    "check_model": "spiketheory.testing",
    "verify": "spiketheory.verification.verify",
}
"""Where each public name is defined; it is imported when it is first asked for."""
__all__ = (
    "CompiledModel",
    "NeuronModel",
    "SpiketheoryError",
    "assert_spikes_only_shift",
    "build_model",
    "certify",
    "check_model",
    "derive",
    "generate",
    "load_compiled",
    "lower",
    "parse_model",
    "read_model",
    "recheck",
    "verify",
)


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(NAMES[name]), name)


def __dir__() -> list[str]:
    """All public names."""
    return sorted({*globals(), *__all__})
