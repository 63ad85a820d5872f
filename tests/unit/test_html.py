import re
from html.parser import HTMLParser

import pytest
from models import CHECKS, generate_text, make_quadratic, pretend_once, pretend_verified

from derivations import compile_model, read_neuron_model
from spiketheory.documents import html
from spiketheory.documents.blocks import Figure, Formula, Heading, Math, Paragraph, Summary, Table
from spiketheory.documents.document import build_blocks, document
from spiketheory.documents.html import name_headings, render_html, write_inner
from spiketheory.language.notation import write_name
from spiketheory.symbolic.derive import derive

VOID = {"meta", "link", "br", "hr", "img", "input"}
TITLE = Heading(text="Title", level=1)
LOADS = re.compile(
    r"""(?:src|srcset|poster|action|data)\s*=|@import|<link|<script|<iframe|<object|<embed
    |url\((?!\#)|(?:^|\s)href="(?!\#)""",
    re.VERBOSE,
)
LATEX_OF_THE_PRINTER = (
    *(r"\frac{x}{y}", r"\sqrt{x}", r"\tau_{m}", r"I_{0}", r"V_{\mathrm{th}}", r"b^{-1}"),
    *(r"\dot{u}", r"V^{+}", r"\left(x + y\right)^{2}", r"\left|{\beta}\right|", r"- \infty"),
    *(r"\operatorname{atan}_{2}\left(y,x\right)", r"\operatorname{atanh}{\left(x \right)}"),
    *(r"\cos_{\Delta t}", r"\cos{\left(\Delta t \omega \right)}", r"\log{\left(x \right)}"),
    *(r"e^{- \frac{\Delta t}{\tau_{m}}}", r"\left[\begin{matrix}a & b\\c & d\end{matrix}\right]"),
    *(r"\begin{cases} a & \text{for}\: x > 0 \\ b & \text{otherwise} \end{cases}", r"\mathbf{s}"),
    *(r"\text{if } a \leq b \;\text{and}\; c \geq d \;\text{or}\; e \neq f", r"V \to \infty"),
    *(r"V \leftarrow w + V,\; u \leftarrow d", r"\lambda \cdot \pi"),
    *(r"\frac{\mathrm{d} V}{\mathrm{d} t}", r"\operatorname{sign}{\left(x \right)}"),
    *(r"\left(\frac{\partial R}{\partial w}\right)_{1,2}",),
)  # fmt: skip


class Reader(HTMLParser):
    """Checks that every element is closed, in order, and that ids differ."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.count = [], [], [], {}

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.count[tag] = self.count.get(tag, 0) + 1
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if "href" in attrs else []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    return reader


@pytest.fixture(scope="module", params=["theta", "qif_delta"])
def verified(request):
    return pretend_once(read_neuron_model(request.param))


@pytest.fixture(scope="module")
def page(verified):
    name = verified.derivation.model.name
    compiled = compile_model(name, backend="numpy")
    code = generate_text(verified.derivation.model)
    return document(verified, format="html", code=code, compiled=compiled)


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page):
    reader = read(page)
    assert reader.count["h1"] == reader.count["main"] == 1
    assert reader.count["svg"] == reader.count["figcaption"] == 2


def test_the_page_loads_nothing_from_anywhere(page):
    assert not LOADS.search(page)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_every_formula_is_mathematics(verified, page):
    formulas = [b for b in build_blocks(verified) if isinstance(b, Formula)]
    cells = [
        c for b in build_blocks(verified) if isinstance(b, Table)
        for row in b.rows for c in row if isinstance(c, Math)
    ]  # fmt: skip
    summary = build_blocks(verified)[2]
    assert isinstance(summary, Summary)
    shown = sum(isinstance(cell, Math) for _, cell in summary.rows)
    assert page.count("<math") == len(formulas) + len(cells) + shown
    assert page.count('<math display="block">') == len(formulas)
    assert "<merror" not in page


def test_no_formula_of_the_page_is_left_as_latex_or_as_text(page):
    formulas = re.findall(r"<math.*?</math>", page, re.DOTALL)
    assert not [f for f in formulas if "\\" in f or "[1ex]" in f or "<mi>&</mi>" in f]
    words = set(re.findall(r"<mtext>(.*?)</mtext>", "".join(formulas)))
    assert words <= {"if&#x000A0;", "otherwise", "for", "or", "and"}


@pytest.mark.parametrize("latex", LATEX_OF_THE_PRINTER)
def test_whatever_the_printer_writes_becomes_mathml(latex):
    mathml = write_inner(latex, "PLAIN")
    assert "PLAIN" not in mathml
    assert "\\" not in mathml
    read(f"<math>{mathml}</math>")


def test_latex_that_cannot_be_converted_is_shown_as_plain_text():
    for latex in (r"\begin{aligned} a &= b \end{aligned}", r"\left(", r"\nonsense{x}"):
        assert write_inner(latex, "a < b") == "<mtext>a &lt; b</mtext>"


def test_words_functions_and_the_differential_are_upright():
    assert write_inner(r"V_{\mathrm{th}}", "").count("<mi>th</mi>") == 1
    assert '<mi mathvariant="normal">d</mi>' in write_inner(
        r"\frac{\mathrm{d} V}{\mathrm{d} t}", ""
    )
    assert '<mspace width="0.17em"/><mi>cos</mi>' in write_inner(r"x \cos{\left(y \right)}", "")
    assert '<mi mathvariant="normal">&#x00394;</mi>' in write_inner(r"\Delta t", "")
    assert "<mi>&#x003C4;</mi>" in write_inner(r"\tau", "")


def test_brackets_are_as_tall_as_what_they_hold_and_no_taller():
    assert 'stretchy="true"' not in write_inner(r"f\left(g\left(x\right) + y\right)", "")
    assert write_inner(r"\left(\frac{x}{y}\right) \left(x\right)", "").count('stretchy="true"') == 2


def test_sections_stand_in_the_contents_and_steps_inside_theirs(page):
    contents = page[page.index("<nav") : page.index("</nav>")]
    for name in ("Behaviour", "Spike time", "Limits of the gradients", "Verification"):
        assert f">{name}</a></li>" in contents
    assert ">Derivation</a>\n<ul>" in contents
    assert contents.count("<ul>") == contents.count("</ul>") == 2


def test_headings_of_the_same_text_get_different_names():
    blocks = [Heading(text="Flow"), Paragraph(text="x"), Heading(text="Flow"), Heading(text="ψ")]
    assert list(name_headings(blocks).values()) == ["flow", "flow-2", "part"]


def test_the_summary_says_method_and_verdict(page):
    summary = page[page.index('class="summary"') : page.index("</section>")]
    assert "riccati" in summary
    assert f"Verified: all {len(CHECKS)} checks hold (1 symbolic, 1 with 50 digits)." in summary


def test_a_derivation_without_checks_is_not_called_verified(verified):
    unchecked = type(verified)(ir=verified.ir, checks=())
    page = render_html(build_blocks(unchecked))
    assert "No checks are recorded." in page
    assert "Verified" not in page
    assert 'class="verdict unchecked"' in page


def test_nothing_in_a_model_file_becomes_markup():
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)> & \" ' </title> {0}"
    model = make_quadratic("dv/dt = v**2 + 1", {}, description=attack)
    page = document(pretend_verified(derive(model)), format="html", code=f"# {attack}")
    read(page)
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") >= 2


def test_texts_of_figures_are_escaped():
    figure = Figure(svg="<svg></svg>", caption="a < b", alt='"<b>"')
    page = render_html([TITLE, figure])
    assert "a &lt; b" in page
    assert 'aria-label="&quot;&lt;b&gt;&quot;"' in page


def test_a_long_sum_is_broken_into_lines_and_a_condition_stands_behind():
    long = Math(plain="a + b", latex="a + b", shape=("a + b",), latex_lines=("a", "+ b"))
    when = write_name("if x", r"\text{if } x")
    page = render_html(
        [
            TITLE,
            Formula(left=None, cases=((long, None),)),
            Formula(left=long, cases=((long, when),)),
        ]
    )
    assert page.count("<mtr>") == 4
    assert page.count('<mspace width="2em"/>') == 1
    read(page)


def test_the_page_follows_light_and_dark_and_prints(page):
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_figures_that_cannot_be_drawn_cost_only_themselves(verified, monkeypatch):
    def fail(verified, *, compiled):
        raise ArithmeticError("no <numbers>")

    monkeypatch.setattr("spiketheory.documents.figures.draw_figures", fail)
    page = document(verified, format="html")
    assert "The figures could not be drawn (ArithmeticError: no &lt;numbers&gt;)." in page


def test_the_style_sheet_names_no_file():
    assert not LOADS.search(html.STYLE)
