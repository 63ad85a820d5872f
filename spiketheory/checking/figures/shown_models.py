"""What a notebook displays of compiled models: equations of built-in ones, else their facts."""

from html import escape

from derivations import list_models, read_neuron_model
from spiketheory.documents.notebook import show_model
from spiketheory.machine.compile import CompiledModel


def show_equations(model: CompiledModel) -> str | None:
    """LaTeX of the equations of a built-in model; None of others, which are not kept with it."""
    if model.name not in list_models():
        return None
    written = read_neuron_model(model.name)
    return show_model(written) if written.digest == model.digest else None


def show_facts(model: CompiledModel) -> str | None:
    """HTML of the facts of a model that is not built in; None of others."""
    if show_equations(model) is not None:
        return None
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{value:g}</td><td>{escape(domain)}</td></tr>"
        for name, value, domain in zip(model.parameters, model.defaults, model.domains, strict=True)
    )
    return (
        f"<p><b>{escape(model.name)}</b>, state {escape(', '.join(model.state))}, "
        f"{escape(model.backend)}, digest {escape(model.digest[:12])}</p>"
        f"<table><tr><th>parameter</th><th>default</th><th>domain</th></tr>{rows}</table>"
    )
