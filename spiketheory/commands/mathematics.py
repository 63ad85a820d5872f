"""Commands about the mathematics of models: models, derive, codegen."""

from pathlib import Path

import click

from spiketheory.commands.common import (
    AS_JSON_OPTION,
    DERIVE_TIMEOUT_OPTION,
    JSON_OPTION,
    MODEL_OPTION,
    OUT_OPTION,
    TIMEOUT_OPTION,
    print_either,
    show_progress,
    write_output,
)


@click.command()
@JSON_OPTION
def models(as_json: bool) -> None:
    """List the built-in neuron models: equations, parameters, method, and which can be trained.

    Feedforward networks need a model with pseudospikes; --json says why others have none.
    """
    from derivations import import_generated, list_models, read_neuron_model
    from spiketheory.commands.display import describe_models, draw_models, format_json

    rows = describe_models((read_neuron_model(n), import_generated(n)) for n in list_models())
    print_either(format_json(rows) if as_json else draw_models(rows))


# Long: options and examples.
@click.command()
@click.option("--model", metavar="NAME|FILE.toml",
              help="A built-in model (see `spiketheory models`) or a model file.  "
              "[default: none; give it or --readout]")  # fmt: skip
@click.option("--readout", metavar="NAME",
              help="A readout, such as leaky_integrator, in place of a model.  "
              "[default: --model]")  # fmt: skip
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "latex", "markdown", "html", "json"]),
    default="text",
    show_default=True,
    help="How to print it; html is a page with figures that needs no network.",
)
@AS_JSON_OPTION
@click.option("--code", is_flag=True, help="Add the generated code.  [default: formulas only]")
@click.option(
    "--no-cache",
    is_flag=True,
    help="Derive and verify anew, also if this document was made before.  [default: look it up]",
)
@click.option(
    "--thorough",
    is_flag=True,
    help="Verify special functions in more places and far corners.  [default: in a few seconds]",
)
@TIMEOUT_OPTION
@OUT_OPTION
def derive(
    model: str | None,
    readout: str | None,
    style: str,
    as_json: bool,
    code: bool,
    no_cache: bool,
    thorough: bool,
    timeout: float,
    out: Path | None,
) -> None:
    """Derive a model's flow, spike time and gradients, verify them, and show the steps.

    Exit code 1 if a check fails.

    \b
    Examples:
      spiketheory derive --model theta
      spiketheory derive --model theta --format html --out theta.html
      spiketheory derive --model my_neuron.toml --format markdown --out my_neuron.md
      spiketheory derive --readout leaky_integrator
    """  # noqa: D301
    if (model is None) == (readout is None):
        raise click.UsageError("Expected either --model or --readout; give one of them.")
    from spiketheory.files import check_apart
    from spiketheory.route.document_cache import find_document, keep_document, make_key

    check_apart(out, models=[model] if model else [])
    style = "json" if as_json else style
    options = {"format": style, "code": code, "thorough": thorough, "readout": readout}
    key = make_key(model or "readout", options)
    text = find_document(key) if key and not no_cache else None
    if text is None:
        if model is None:
            text = write_readout(str(readout), style, code=code, timeout=timeout)
        else:
            text = write_document(model, style, code=code, thorough=thorough, timeout=timeout)
        if key and key == make_key(model or "readout", options):
            keep_document(key, text)
    write_output(text, out)


def write_readout(readout: str, style: str, *, code: bool, timeout: float) -> str:
    """Derive, verify and explain a readout; one that reads spikes has nothing to derive."""
    with show_progress() as show:
        show(f"Deriving {readout}")
        from derivations import read_readout
        from spiketheory.documents.readout import document_readout
        from spiketheory.generation.readout import generate_readout
        from spiketheory.route.driver import verify_readout_model
        from spiketheory.time_limit import limit_time

        model = read_readout(readout)
        if model.reads == "spikes":
            return document_readout(model, None, format=style)
        with limit_time(timeout, f"the derivation of {readout}"):
            verified = verify_readout_model(model)
            source = generate_readout(verified) if code else None
            return document_readout(model, verified, format=style, code=source)


def write_document(model: str, style: str, *, code: bool, thorough: bool, timeout: float) -> str:
    """Derive, verify and explain a model; say what is going on if it takes a while."""
    with show_progress() as show:
        show(f"Deriving {model}")
        from derivations import compile_verified, read_neuron_model
        from spiketheory.documents.document import document
        from spiketheory.generation.generate import generate
        from spiketheory.route.driver import verify_model
        from spiketheory.time_limit import limit_time

        neuron = read_neuron_model(model)
        with limit_time(timeout, f"the derivation of {neuron.name}"):
            verified = verify_model(neuron, thorough=thorough, on_stage=show)
            show(f"Writing {style}")
            source = generate(verified) if code else None
            compiled = (
                compile_verified(model, verified, backend="numpy") if style == "html" else None
            )
            return document(verified, format=style, code=source, compiled=compiled)


@click.command()
@MODEL_OPTION
@click.option(
    "--target",
    type=click.Choice(["module", "numba", "numpy", "mpmath"]),
    default="module",
    show_default=True,
    help="numba: functions of one neuron; numpy: functions of arrays; module: both, ready to "
    "import; mpmath: functions of one neuron in any number of digits.",
)
@DERIVE_TIMEOUT_OPTION
@OUT_OPTION
def codegen(model: str, target: str, timeout: float, out: Path | None) -> None:
    """Print the code generated from a model's verified derivation.

    Exit code 1 if a check of the derivation fails.
    """
    from derivations import generate_source
    from spiketheory.files import check_apart
    from spiketheory.time_limit import limit_time

    check_apart(out, models=[model])
    with limit_time(timeout, f"the derivation of {model}"):
        source = generate_source(model, target=target)
    write_output(source, out)
