import dataclasses
import json
import shutil
import subprocess
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pytest
import sympy as sp
from models import CHECKS, generate_text, make_quadratic, pretend_once, pretend_verified

from derivations import list_models, read_neuron_model
from spiketheory.documents.blocks import Figure, Formula, Heading, Summary, Table
from spiketheory.documents.document import FORMATS, build_blocks, document
from spiketheory.documents.renderers import WIDTH, render_latex, render_markdown, render_text
from spiketheory.errors import InputError
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.language.model import NeuronModel
from spiketheory.language.notation import write_latex, write_math, write_name
from spiketheory.language.parse import parse_expression
from spiketheory.language.symbols import DURATION
from spiketheory.symbolic.derive import derive, differentiate

NEEDS_LATEX = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
SECTIONS = (
    *("Model", "Method", "Chart", "Constants", "Derivation", "Flow", "Spike time", "Input"),
    *("Reset", "Initial state", "Gradients", "Limits of the gradients", "Pseudospikes"),
    *("Verification", "References"),
)


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    """Figures have a file of tests of their own."""
    monkeypatch.setattr(
        "spiketheory.documents.figures.draw_figures", lambda verified, *, compiled: ()
    )


@pytest.fixture(scope="module", params=list_models())
def verified(request) -> VerifiedKernel:
    return pretend_once(read_neuron_model(request.param))


@pytest.fixture(scope="module")
def written(verified):
    """The document in a format, written once for all tests."""
    return lru_cache(lambda format: document(verified, format=format))


@pytest.fixture(scope="module")
def theta() -> VerifiedKernel:
    return pretend_once(read_neuron_model("theta"))


@pytest.fixture(scope="module")
def qif() -> VerifiedKernel:
    return pretend_once(read_neuron_model("qif_delta"))


HEADINGS = {
    "text": lambda title: f"\n{title}\n{'-' * len(title)}\n",
    "latex": lambda title: rf"\section*{{{title}}}",
    "markdown": lambda title: f"\n## {title}\n",
    "html": lambda title: f">{title}</h2>",
}


@pytest.mark.parametrize("format", HEADINGS)
def test_every_format_has_all_sections_in_order(verified, written, format):
    text = written(format)
    sections = [s for s in SECTIONS if s != "Constants" or verified.derivation.constants]
    places = [text.find(HEADINGS[format](title)) for title in sections]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_the_steps_the_checks_and_the_references(verified, written, format):
    text = " ".join(written(format).split())
    for step in verified.derivation.steps:
        assert step.title in text
    for check in CHECKS:
        assert check.name in text
        assert check.detail in text
    for reference in verified.derivation.references:
        assert reference.split(", ")[-1].split(" (")[0] in text


@pytest.mark.parametrize("format", FORMATS)
def test_code_is_appended_only_if_it_is_given(theta, format):
    code = generate_text(read_neuron_model("theta"))
    assert "def time_to_spike(" not in document(theta, format=format)
    assert "def time_to_spike(" in document(theta, format=format, code=code)


def test_the_same_derivation_gives_the_same_document(verified, written):
    """JSON has all that the others show; they are written anew of one model below."""
    assert document(verified, format="json") == written("json")


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_derivation_gives_the_same_document_in_every_format(theta, format):
    assert document(theta, format=format) == document(theta, format=format)


def test_an_unknown_format_is_refused(theta):
    with pytest.raises(InputError) as info:
        document(theta, format="pdf")
    assert str(info.value) == (
        "Expected format to be one of html, json, latex, markdown, text but got 'pdf'; choose one "
        "of these names."
    )


def test_text_fits_a_terminal_and_has_no_latex(written):
    lines = written("text").splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line == line.rstrip() for line in lines)
    assert not [line for line in lines if "\\" in line or "True" in line]


def test_text_draws_small_formulas_in_two_dimensions(theta):
    text = document(theta, format="text")
    assert "            I₀ + V⋅(V - 1)\n    dV/dt = ──────────────\n                  τ\n" in text
    assert "    t_spike = ───────────\n" in text
    assert "    dx/dt = ω⋅y\n" in text


def test_text_says_which_branch_holds_when(qif):
    text = document(qif, format="text")
    assert "if β > 0" in text
    assert "if a * x <= κ * y" in text
    assert "otherwise" in text


def test_parameters_are_listed_with_default_domain_and_unit(theta):
    for line in document(theta, format="text").splitlines():
        if line.split()[:1] == ["tau"]:
            assert line.split() == ["tau", "τ", "1.0", "τ", ">", "0", "tau"]
            break
    else:
        pytest.fail("no row for tau")


def test_a_model_without_parameters_says_so():
    verified = pretend_verified(derive(make_quadratic("dv/dt = v**2 + 1", {})))
    assert "The model has no parameters." in document(verified, format="text")


def test_a_derivation_without_checks_says_so(theta):
    unchecked = VerifiedKernel(ir=theta.ir, checks=())
    assert "No checks are recorded." in document(unchecked, format="text")


def test_a_model_without_pseudospikes_says_why(theta):
    silent = dataclasses.replace(theta.derivation, pseudospike=None)
    verified = pretend_verified(silent)
    assert "None: no pseudodynamics are known" in document(verified, format="text")
    assert json.loads(document(verified, format="json"))["pseudospike"] is None


def test_a_long_formula_is_broken_between_terms():
    verified = pretend_verified(derive(make_long_model()))
    lines = document(verified, format="text").splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all("conductance" not in line or not line.endswith("*") for line in lines)


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("tau_m", r"\tau_{m}"),
        ("omega", r"\omega"),
        ("Theta", r"\Theta"),
        ("inverse_b", "b^{-1}"),
        ("cos_dt", r"\cos_{\Delta t}"),
        ("turns", r"n_{\mathrm{turns}}"),
        ("J_pseudo", r"J_{\mathrm{pseudo}}"),
        (r"\dot{u}", r"\dot{u}"),
        ("V_th", r"V_{\mathrm{th}}"),
    ],
)
def test_symbols_have_the_names_that_a_paper_would_give_them(name, latex):
    assert write_latex(sp.Symbol(name)) == latex


def test_the_duration_comes_last_in_a_product():
    product = sp.Symbol("omega") * DURATION
    assert write_latex(product) == r"\omega \Delta t"
    assert write_math(product).plain == "ω * dt"
    assert write_math(product).shape == ("ω⋅dt",)


def test_the_number_one_is_not_taken_for_a_condition_that_always_holds(theta):
    assert write_latex(sp.Integer(1)) == "1"
    assert "y = 1" in document(theta, format="latex")
    assert write_latex(sp.true) == r"\text{otherwise}"


def test_a_domain_is_written_though_sympy_could_evaluate_it(theta):
    assert r"$\tau > 0$" in document(theta, format="markdown")


def test_markdown_escapes_what_would_mean_something_and_no_bar_ends_a_cell(qif):
    text = document(qif, format="markdown")
    assert text.startswith("# The neuron model qif\\_delta\n")
    for line in text.splitlines():
        if line.startswith("|") and "kappa" in line:
            assert line.count("|") == 5
    assert text.count("```math") == text.count("```") / 2


def test_latex_says_every_character_that_means_something_to_it():
    model = make_quadratic("dv/dt = v**2 + 1", {}, description=r"50% of $x_1 & {#2} ~^ \end <é>")
    text = document(pretend_verified(derive(model)), format="latex")
    assert r"50\% of \$x\_1 \& \{\#2\} \textasciitilde{}" in text


@NEEDS_LATEX
def test_latex_compiles_as_it_stands_and_nothing_runs_off_the_page(verified, tmp_path):
    code = generate_text(verified.derivation.model)
    assert_it_compiles(document(verified, format="latex", code=code), tmp_path)


@NEEDS_LATEX
def test_latex_of_long_formulas_and_strange_texts_compiles_too(tmp_path):
    model = make_long_model(description=r"50% of $x_1 & {#2} ~^ \end <é> τ " + '"')
    verified = pretend_verified(derive(model))
    code = "x = 1  # \\end{verbatim} τ"
    assert_it_compiles(document(verified, format="latex", code=code), tmp_path)


def make_long_model(description: str = "") -> NeuronModel:
    names = [f"conductance_{i}" for i in range(9)]
    total = " + ".join(f"{a}*{b}" for a, b in pairwise(names))
    parameters = {name: {"default": 1.0} for name in names}
    return make_quadratic(f"dv/dt = v**2 + {total}", parameters, description=description)


def assert_it_compiles(latex: str, folder: Path) -> None:
    (folder / "a.tex").write_text(latex, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert (folder / "a.pdf").stat().st_size > 10_000
    assert "Overfull \\hbox" not in log


def test_json_reads_back_with_its_sections_in_a_stable_order(verified, written):
    content = json.loads(written("json"))
    assert content["schema"] == 2
    assert list(content) == [
        *("schema", "model", "method", "reason", "rejected", "chart", "constants", "propagator"),
        *("numbers", "flow", "will_spike", "time_to_spike", "descent", "integrated", "jump"),
        *("other_jumps", "reset", "initial", "gradients", "pseudospike", "without_pseudospikes"),
        *("frame", "without_frame", "steps", "checks", "references"),
    ]
    assert (content["frame"] is None) == bool(content["without_frame"])
    present = {key for key in ("numbers", "flow", "descent", "integrated") if content[key]}
    expected = {"bessel": {"numbers", "flow"}, "taylor": {"integrated"}}
    assert present - {"descent"} == expected.get(content["method"], {"flow"})
    assert ("descent" in present) == (verified.derivation.descent is not None)
    assert content["model"]["digest"] == verified.derivation.model.digest
    assert content["gradients"].keys() == differentiate(verified.derivation).keys()
    assert len(content["steps"]) == len(verified.derivation.steps)


def test_a_document_explains_the_frame_or_why_there_is_none(verified, written):
    text = written("text")
    _, found, rest = text.partition("\nCo-moving frame\n---------------\n")
    assert found
    if verified.derivation.frame is None:
        assert rest.strip().startswith(f"None: {verified.derivation.without_frame}.")
    else:
        assert "No spike came before, since the last event" in rest


def test_json_formulas_read_back_to_the_formulas_they_were_written_from(verified, written):
    d = verified.derivation
    content = json.loads(written("json"))
    model = d.model
    for symbol, derivative in zip(model.state, model.derivatives, strict=True):
        text = content["model"]["derivatives"][symbol.name]["expr"].replace("Abs(", "abs(")
        assert parse_expression(text, model.symbols, where="json") == derivative
    names = {s.name: s for s in (*d.chart.coordinates, *d.propagator.symbols)}
    names |= {c.symbol.name: c.symbol for c in d.constants}
    names |= {s.name: s for s in (d.numbers.symbols if d.numbers else ())}
    flows = [] if d.is_integrated else zip(d.chart.coordinates, d.closed.flow, strict=True)
    for coordinate, flow in flows:
        text = content["flow"][coordinate.name]["expr"]
        assert sp.simplify(parse_expression(text, names, where="json") - flow) == 0


def test_json_keeps_the_conditions_of_the_spike_time(qif):
    branches = json.loads(document(qif, format="json"))["time_to_spike"]
    assert [b["condition"]["expr"] for b in branches][0::3] == ["beta > 0", "True"]
    assert branches[1]["value"]["expr"] == "oo"
    assert branches[-1]["condition"]["latex"] == r"\text{otherwise}"


def test_every_text_of_the_model_file_is_in_the_json(theta):
    content = json.loads(document(theta, format="json"))
    assert content["model"]["source"] == dict(theta.derivation.model.source)


def test_a_table_that_is_too_wide_is_printed_row_by_row():
    wide = write_name("a + " * 30 + "a", "a + " * 30 + "a")
    table = Table(header=("By", "Limit", "Verdict"), rows=(("V", wide, "bounded"),) * 2)
    text = render_text([table])
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.count("    By       V\n") == 2
    title = Heading(text="Title", level=1)
    assert render_latex([title, table]).count(r"\textbf{Limit:} \fitequation{a + a") == 2


def test_a_condition_stands_below_its_case_where_there_is_no_room_beside_it():
    value, condition = write_name("a + b", "a + b"), write_name("if x and " * 10 + "y", "x")
    otherwise = write_name("otherwise", r"\text{otherwise}")
    text = render_text([Formula(left=None, cases=((value, condition), (value, otherwise)))])
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "        a + b"
    assert lines[1].startswith("            if x and if x")
    assert lines[-1] == "        a + b   otherwise"


def test_figures_and_the_summary_are_for_pages_only(theta):
    figure = Figure(svg="<svg></svg>", caption="A caption.", alt="Something to be seen.")
    blocks = build_blocks(theta, figures=[figure])
    assert figure in blocks
    assert any(isinstance(block, Summary) for block in blocks)
    for render in (render_text, render_latex, render_markdown):
        text = render(blocks)
        assert "svg" not in text
        assert "A caption." not in text
        assert "checks hold" not in text


def test_the_document_is_built_of_the_same_blocks_for_every_format(theta):
    assert build_blocks(theta) == build_blocks(theta)
    assert len(build_blocks(theta, code="x = 1")) == len(build_blocks(theta)) + 2


def test_a_long_sum_is_broken_into_lines_in_latex_too():
    latex = document(pretend_verified(derive(make_long_model())), format="latex")
    assert r"\begin{aligned}" in latex
    terms = latex.split(r"\begin{aligned}")[1].split(r"\end{aligned}")[0]
    assert all(rf"\mathrm{{conductance}}_{{{i}}}" in terms for i in range(9))
