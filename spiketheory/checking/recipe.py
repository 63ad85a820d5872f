"""What to check, of a built-in model's name or a model file."""

from functools import partial

from derivations import compile_model, generate_cached, import_generated, read_neuron_model
from spiketheory.checking.runner import Recipe
from spiketheory.checking.subject import choose_backend
from spiketheory.files import is_file_name
from spiketheory.machine.compile import CompiledModel


def make_recipe(model: str, *, parameters: dict[str, float], assume: tuple[str, ...]) -> Recipe:
    """The `Recipe` of a model.

    Args:
        model: Name of a built-in model, or path of a TOML file.
        parameters: Values that are kept fixed, by name.
        assume: Assumptions, as text.
    """
    return Recipe(
        neuron=read_neuron_model(model),
        compile_model=partial(compile_to_check, model),
        parameters=parameters,
        assume=assume,
    )


def compile_to_check(model: str) -> CompiledModel:
    """`compile_model` with the backend that is faster for a few small networks."""
    module = generate_cached(model) if is_file_name(model) else import_generated(model)
    return compile_model(model, backend=choose_backend(module))
