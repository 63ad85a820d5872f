"""Property tests for neuron models: do spikes only shift, and is the code right?

In a test suite of your own (docs/checking.md)::

    from spiketheory.testing import check_model

    def test_my_neuron():
        assert check_model("my_neuron.toml").verdict == "smooth"

`check_model` looks for trials of small networks, feedforward and recurrent, in which a property
does not hold, and shrinks what it finds; `assert_spikes_only_shift` raises with that trial. To
write properties of your own with Hypothesis, make a `Subject` by `load_subject` and draw from
`weights`, `states`, `spike_trains`, `trials`, `paths` and `coincidences`; the ``check_*``
functions are the properties that `check_model` checks.

Importing this module does not import Hypothesis, nor anything else that takes time; all is loaded
when it is used.
"""

import functools
import importlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spiketheory.checking.runner import Report
    from spiketheory.checking.subject import Subject
    from spiketheory.language.model import NeuronModel
    from spiketheory.machine.compile import CompiledModel

_HOMES = {
    "loop": ("Loop", "Run"),
    "trial": ("Path", "Place", "Trial"),
    "failure": ("Failure", "PropertyFailure"),
    "subject": ("NotApplicable", "Subject", "make_subject"),
    "runner": ("Recipe", "Report", "Result", "run_check"),
    "strategies": ("coincidences", "durations", "meetings", "paths", "relabellings", "spike_trains",
                   "states", "trials", "waits", "weights"),
    "properties": ("check_continuity", "check_counts", "check_digits", "check_swaps",
                   "check_symmetry"),
    "state_properties": ("check_flow", "check_prediction"),
    "engine_properties": ("check_engines",),
    "gradient_properties": ("check_gradients", "check_pseudospikes", "check_smooth_swaps"),
}  # fmt: skip
_WHERE = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["assert_spikes_only_shift", "check_model", "load_subject", *sorted(_WHERE)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"spiketheory.checking.{_WHERE[name]}"), name)
    return skip_what_says_nothing(found) if name.startswith("check_") else found


def skip_what_says_nothing(check: Callable[..., None]) -> Callable[..., None]:
    """A property that has Hypothesis draw again where what was drawn says nothing of it."""

    @functools.wraps(check)
    def checked(subject: "Subject", drawn: Any) -> None:
        import numpy as np
        from hypothesis import reject

        from spiketheory.checking.subject import NotApplicable

        try:
            with np.errstate(all="ignore"):
                check(subject, drawn)
        except NotApplicable:
            reject()

    return checked


def load_subject(
    model: "str | os.PathLike[str] | NeuronModel",
    *,
    compiled: "CompiledModel | None" = None,
    parameters: dict[str, float] | None = None,
    assume: Sequence[str] = (),
) -> "Subject":
    """Prepare a model for its tests.

    Args:
        model: The path of a model file, or a model.
        compiled: Its generated code; None generates it, or finds it in the cache.
        parameters: Values of its parameters; defaults fill in the rest.
        assume: Relations that what is drawn keeps to, such as ``w >= 0``, beside those of the
            model.

    Returns:
        The model under test, to hand to strategies and properties.
    """
    from spiketheory.checking.subject import make_subject
    from spiketheory.language.model import NeuronModel
    from spiketheory.language.parse import read_model

    neuron = model if isinstance(model, NeuronModel) else read_model(model)
    if compiled is None:
        compiled = compile_neuron(neuron)
    return make_subject(neuron, compiled, parameters=parameters, assume=assume)


def compile_neuron(neuron: "NeuronModel") -> "CompiledModel":
    """The generated code of a model, interpreted if it has closed forms, else compiled."""
    from spiketheory.checking.subject import choose_backend
    from spiketheory.machine.compile import load_compiled
    from spiketheory.route.model_cache import load_or_generate

    module = load_or_generate(neuron)
    return load_compiled(module, backend=choose_backend(module))


def check_model(
    model: "str | os.PathLike[str] | NeuronModel | Subject",
    *,
    compiled: "CompiledModel | None" = None,
    parameters: dict[str, float] | None = None,
    assume: Sequence[str] = (),
    examples: int = 100,
    seed: int = 0,
    properties: Sequence[str] | None = None,
) -> "Report":
    """Look for trials in which a property does not hold, in this process.

    Args:
        model: The path of a model file, a model, or what `load_subject` returned.
        compiled: See `load_subject`.
        parameters: See `load_subject`.
        assume: See `load_subject`.
        examples: Examples per property.
        seed: Seed of the search; the same seed finds the same.
        properties: Names of the properties to check; None stands for all.

    Returns:
        The report; ``verdict`` is ``smooth``, ``continuous`` or ``broken``.
    """
    from spiketheory.checking.runner import run_check
    from spiketheory.checking.search import NAMES
    from spiketheory.checking.subject import Subject

    if not isinstance(model, Subject):
        model = load_subject(model, compiled=compiled, parameters=parameters, assume=assume)
    steps = run_check(model, examples=examples, seed=seed, names=properties or NAMES)
    *_, (_, report) = steps
    return report


def assert_spikes_only_shift(
    model: "str | os.PathLike[str] | NeuronModel | Subject", *, smooth: bool = False, **options: Any
) -> "Report":
    """Raise unless spikes only shift; the arguments are those of `check_model`.

    Args:
        model: The model.
        smooth: Whether gradients must be continuous where an input meets a spike, too.
        options: See `check_model`.

    Raises:
        PropertyFailure: With the smallest trial found.
    """
    from spiketheory.checking.failure import PropertyFailure

    report = check_model(model, **options)
    for result in report.results:
        if result.failure and (smooth or report.verdict == "broken"):
            raise PropertyFailure(result.failure)
    return report
