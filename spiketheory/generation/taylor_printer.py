r"""Taylor integration for neuron models without a closed form: the printer of the model's part.

Between events the state follows $x' = F(x)$. Writing $F$ as a chain of sums, products, quotients,
powers and elementary functions, every Taylor coefficient of the solution follows from the ones
before by a recurrence (automatic differentiation). `print_taylor_functions` prints these
recurrences and the functions around them; `spiketheory.runtime.taylor` holds the loops.

Three things are exact up to rounding, not to a chosen tolerance: a step's polynomial represents
the solution to the last bit, the first zero of the spike surface on it is isolated by Descartes'
rule of signs and none is missed, and derivatives come from the variational equations along the
same steps.

Where the potential blows up, the near chart's steps would shrink for ever; a far chart, such as
$r = e^{-V}$, makes the spike a finite point. $r \log r$, which such charts contain, is not
analytic at $r = 0$, but its singular part is so weak there that the polynomial of the last step
reaches the spike.

References:
    Jorba & Zou (2005), A software package for the numerical integration of ODEs by means of
    high-order Taylor methods.
"""

from collections.abc import Sequence

import sympy as sp

from spiketheory.generation.taylor_series import (
    SeriesPrinter,
    SignedText,
    eliminate_common,
    join_signs,
    lay_out_sum,
    number_names,
    print_expression,
    sign_sum,
)
from spiketheory.generation.wrap import TAB, lay_out_call, wrap
from spiketheory.language.printers import print_plain
from spiketheory.language.symbols import pick_name, state_symbol
from spiketheory.symbolic.taylor_system import TaylorChart, TaylorSystem

RUNTIME_FUNCTIONS = (
    *("taylor_before", "taylor_carry", "taylor_chain", "taylor_convolve", "taylor_cos_term"),
    *("taylor_cosh_term", "taylor_divide"),
    *("taylor_exp", "taylor_exp_term", "taylor_exprel_nodes", "taylor_exprel_slope_term"),
    *("taylor_exprel_term", "taylor_integrate", "taylor_log", "taylor_log_term"),
    *("taylor_power_term", "taylor_pull", "taylor_quotient_term", "taylor_sin_term"),
    *("taylor_sinh_term", "taylor_start", "taylor_tan_term", "taylor_tanh_term"),
)
"""Functions of `spiketheory.runtime.taylor` that generated text may call."""


def print_taylor_functions(system: TaylorSystem) -> list[str]:
    """Print Python source of a system's functions.

    The public ones are ``flow``, ``flow_vjp``, ``time_to_spike``, ``spike_within``, ``will_spike``,
    ``fire``, ``fire_vjp``, ``flow_constants_vjp``, ``time_to_spike_parameters`` and
    ``fire_constants_vjp``; those before are their helpers. All need NumPy as ``np``
    and `print_taylor_import`.

    Args:
        system: The system.

    Returns:
        The text of each function, formatted, without a newline at the end.

    Raises:
        DerivationError: If a field has a function without a recurrence.
    """
    return TaylorPrinter(system).print_functions()


def print_taylor_import(functions: Sequence[str]) -> str:
    """Print the import of what generated functions call, beside NumPy.

    Args:
        functions: What `print_taylor_functions` returned.

    Returns:
        An import statement over several lines; nothing if they call nothing.
    """
    text = "\n".join(functions)
    names = [name for name in RUNTIME_FUNCTIONS if f"{name}(" in text]
    if not names:
        return ""
    return "\n".join(
        ["from spiketheory.runtime.taylor import (", *(f"{TAB}{name}," for name in names), ")"]
    )


OWN_NAMES = (
    *("table", "chart", "order", "columns", "scale", "m", "c", "v", "rate", "unit"),
    *(
        "elapsed",
        "g_time",
        "covector",
        "constants",
        "time",
        "spiked",
        "beyond",
        "change",
        "slope",
        "height",
    ),
)
"""Variables of generated functions; a system may use these names for its own symbols."""


class TaylorPrinter:
    """What the functions of one system share.

    Attributes:
        size: Number of coordinates.
        first: Row of the first tangent vector; the row before is the surface.
        rows: Number of rows; known when the series are printed.
        names: Names of generated variables, apart from the system's symbols.
        taken: All names that a further variable must not have.
    """

    def __init__(self, system: TaylorSystem) -> None:
        self.system = system
        self.size = len(system.coordinates)
        self.first = self.size + 1
        self.rows = self.first + self.size * (self.size + len(system.constants))
        taken = {s.name for s in system.symbols} | {"np", "float", "range"}
        self.names = {name: pick_name(name, taken) for name in OWN_NAMES}
        taken |= set(self.names.values())
        self.stored = [c.name for c in system.coordinates]
        self.constants = [k.name for k in system.constants]
        self.covector = [pick_name(f"l_{name}", taken) for name in self.stored]
        self.tangent = [pick_name(f"d_{name}", taken) for name in self.stored]
        self.taken = taken | set(self.covector) | set(self.tangent)

    def fill(self, text: str, **more: object) -> str:
        """Fill in the names of variables."""
        return text.format(**self.names, **more)

    def list_names(self, *own: str) -> list[str]:
        """Names of generated variables."""
        return [self.names[name] for name in own]

    def print_functions(self) -> list[str]:
        """Texts of all functions, helpers first."""
        system = self.system
        near = self.print_series("taylor_near_series", system.near)
        far = [] if system.far is None else [self.print_series("taylor_far_series", system.far)]
        changes = [] if system.far is None else [
            self.print_change("taylor_enter", system.near, system.far_from_near),
            self.print_change("taylor_leave", system.far, system.near_from_far),
        ]  # fmt: skip
        return [
            near,
            *far,
            self.print_dispatch(),
            *changes,
            self.print_switch(),
            self.print_store(),
            self.print_surface(),
            self.print_reset(),
            self.print_spike_vjp(),
            *self.print_flow(),
            *self.print_spike_times(),
            *self.print_fire(),
            *(self.print_parameters() if self.constants else []),
        ]

    def print_function(
        self, name: str, arguments: Sequence[str], summary: str, body: Sequence[str],
        details: Sequence[str] = (),
    ) -> str:  # fmt: skip
        """Text of a function; with details, its docstring has them after the summary."""
        lines = [lay_out_call(f"def {name}", arguments, indent="", closing="):", call=True)]
        if details:
            lines += [f'    """{summary}', ""]
            lines += [f"{TAB}{line}".rstrip() for detail in details for line in wrap(detail)]
            lines += ['    """']
        else:
            lines += [f'    """{summary}"""']
        return "\n".join([*lines, *body])

    def print_call(self, opening: str, arguments: Sequence[str], indent: str = TAB) -> str:
        """A line that ends with a call."""
        return lay_out_call(f"{indent}{opening}", arguments, indent=indent, call=True)

    def print_floats(self, variable: str, names: Sequence[str]) -> str:
        """The line that puts numbers into a tuple."""
        numbers = [f"float({name})" for name in names]
        return lay_out_call(f"    {self.names[variable]} = ", numbers, indent=TAB)

    def print_return(self, values: Sequence[str], indent: str = TAB) -> str:
        """Return a tuple, also of one entry."""
        line = f"{indent}return {', '.join(values)}"
        if len(values) > 1 and len(line) <= 100:
            return line
        return lay_out_call(f"{indent}return ", values, indent=indent)

    def list_loads(self, chart: TaylorChart, indent: str, *used: sp.Expr) -> list[str]:
        """Lines that read those of a chart's coordinates that expressions use."""
        symbols = set().union(*(e.free_symbols for e in used))
        return [
            self.fill("{indent}{x} = float({table}[{i}, 0])", indent=indent, x=x.name, i=i)
            for i, x in enumerate(chart.coordinates)
            if x in symbols
        ]

    def tangent_row(self, column: int) -> int:
        """First row of a tangent vector."""
        return self.first + self.size * column

    def print_series(self, name: str, chart: TaylorChart) -> str:
        """The recurrences of a chart, for the state and for its tangents."""
        series = SeriesPrinter(
            chart.coordinates,
            self.tangent_row(self.size + len(self.constants)),
            self.names,
            number_names("k", self.taken),
        )
        rates = [series.sign_terms(value) for value in chart.field]
        surface = series.sign_terms(sp.S.One if chart.surface is None else chart.surface)
        series.write(self.size, *surface)
        loop = [
            *series.take_lines(),
            self.fill("        {rate} = {scale} / ({m} + 1)"),
            *(self.print_rate(str(i), terms) for i, terms in enumerate(rates)),
            *self.list_tangents(series, chart),
            *self.list_constant_tangents(series, chart),
        ]
        self.rows = max(self.rows, series.next_row)
        head = [*series.print_scalars(), self.fill("    for {m} in range({order} + 1):")]
        if any(self.names["unit"] in line for line in loop):
            head.append(self.fill("        {unit} = 1.0 if {m} == 0 else 0.0"))
        return self.print_function(
            name,
            self.list_names("table", "order", "columns", "scale") + self.constants,
            "Coefficients of the state, the surface and the tangents.",
            [*head, *loop],
        )

    def print_rate(self, row: str, terms: Sequence[SignedText], indent: str = TAB * 2) -> str:
        """The line that computes a coordinate's next coefficient."""
        opening = self.fill("{table}[{row}, {m} + 1] = ", row=row)
        return lay_out_sum(opening, terms, indent, factor=self.names["rate"])

    def list_tangents(self, series: SeriesPrinter, chart: TaylorChart) -> list[str]:
        """Lines of the variational equations."""
        jacobian = sp.Matrix(chart.field).jacobian(chart.coordinates)
        sums = [
            [t for j in range(self.size) for t in self.sign_variation(series, jacobian[i, j], j)]
            for i in range(self.size)
        ]
        return [
            *self.guard(0, series.take_lines()),
            self.fill("        for {c} in range({columns}):"),
            self.fill("            {v} = {first} + {n} * {c}", first=self.first, n=self.size),
            *(
                self.print_rate(self.tangent_part(i), terms or [(False, "0.0")], TAB * 3)
                for i, terms in enumerate(sums)
            ),
        ]

    def tangent_part(self, i: int) -> str:
        """Row of a tangent's component, in the loop over tangents."""
        return f"{self.names['v']} + {i}" if i else self.names["v"]

    def guard(self, least: int, lines: Sequence[str]) -> list[str]:
        """Lines that run only if there are more than so many tangents."""
        if not lines:
            return []
        indented = [TAB + line.replace("\n", f"\n{TAB}") for line in lines]
        return [self.fill("        if {columns} > {least}:", least=least), *indented]

    def sign_variation(self, series: SeriesPrinter, entry: sp.Expr, j: int) -> list[SignedText]:
        """Terms of an entry of the Jacobian times component j of the tangent."""
        if entry == 0:
            return []
        row = self.tangent_part(j)
        constant, inner = entry.as_independent(*series.coordinates, as_Add=False)
        if inner == 1:
            return [series.scale(constant, series.read(row))]
        return [series.scale(constant, series.call("convolve", series.find_row(inner), row))]

    def list_constant_tangents(self, series: SeriesPrinter, chart: TaylorChart) -> list[str]:
        """Lines that add how the field itself depends on the constants."""
        sums = []
        for p, constant in enumerate(self.system.constants):
            for i, value in enumerate(chart.field):
                derivative = value.diff(constant)
                if derivative != 0:
                    row = self.tangent_row(self.size + p) + i
                    cell = series.cell(row, f"{self.names['m']} + 1")
                    sums.append((cell, series.sign_terms(derivative)))
        lines, change = series.take_lines(), self.names["change"]
        for cell, terms in sums:
            lines.append(lay_out_sum(f"{change} = ", terms, TAB * 2, factor=self.names["rate"]))
            lines.append(f"        {cell} = float({cell}) + {change}")
        return self.guard(self.size, lines)

    def print_dispatch(self) -> str:
        """The function that fills the table in whichever chart the state is in."""
        own = self.list_names("table", "chart", "order", "columns", "scale")
        inner = ", ".join([own[0], *own[2:], *self.constants])
        near = f"taylor_near_series({inner})"
        body = [f"    {near}"]
        if self.system.far is not None:
            body = [
                self.fill("    if {chart} == 0:"),
                f"        {near}",
                "    else:",
                f"        taylor_far_series({inner})",
            ]
        summary = "Fill the table in the chart that the state is in."
        return self.print_function("taylor_series", own + self.constants, summary, body)

    def print_change(self, name: str, chart: TaylorChart, values: Sequence[sp.Expr]) -> str:
        """A change of chart, of the state and of the tangents."""
        jacobian = sp.Matrix(values).jacobian(chart.coordinates)
        inverses = {
            x: state_symbol(pick_name(f"inverse_{x.name}", self.taken)) for x in chart.coordinates
        }
        finite = [name_inverses(e, inverses) for e in (*values, *jacobian)]
        used = set().union(*(e.free_symbols for e in finite))
        taken = self.taken | {inverse.name for inverse in inverses.values()}
        block, left = eliminate_common(finite, taken, TAB)
        tangent = [state_symbol(d) for d in self.tangent]
        pushed = sp.Matrix(self.size, self.size, left[self.size :]) * sp.Matrix(tangent)
        body = self.list_loads(chart, TAB, *chart.coordinates)
        for i, x in enumerate(chart.coordinates):
            if x == chart.surface:  # infinitely far away in the other chart
                load = "    {x} = taylor_before(float({table}[{i}, 0]))"
                body[i] = self.fill(load, x=x.name, i=i)
        body += [
            f"    {inverse.name} = taylor_divide(1.0, {x.name})"
            for x, inverse in inverses.items()
            if inverse in used
        ]
        body += block
        for i, value in enumerate(left[: self.size]):
            body.append(lay_out_sum(self.fill("{table}[{i}, 0] = ", i=i), sign_sum(value), TAB))
        body.append(self.fill("    for {c} in range({columns}):"))
        body.append(self.fill("        {v} = {first} + {n} * {c}", first=self.first, n=self.size))
        for i, d in enumerate(self.tangent):
            part = self.tangent_part(i)
            body.append(self.fill("        {d} = float({table}[{part}, 0])", d=d, part=part))
        for i, value in enumerate(pushed):
            opening = self.fill("{table}[{part}, 0] = ", part=self.tangent_part(i))
            body.append(lay_out_sum(opening, sign_sum(value), TAB * 2))
        body += self.list_constant_change(values)
        arguments = self.list_names("table", "columns") + self.constants
        summary = "Change the chart of the state and of its tangents."
        return self.print_function(name, arguments, summary, body)

    def list_constant_change(self, values: Sequence[sp.Expr]) -> list[str]:
        """Lines that add how a change of chart itself depends on the constants."""
        lines = []
        for p, constant in enumerate(self.system.constants):
            for i, value in enumerate(values):
                derivative = value.diff(constant)
                if derivative != 0:
                    row = self.tangent_row(self.size + p) + i
                    cell = self.fill("{table}[{row}, 0]", row=row)
                    terms = [(False, f"float({cell})"), *sign_sum(derivative)]
                    lines.append(lay_out_sum(f"{cell} = ", terms, TAB * 2))
        return [line.removeprefix(TAB) for line in self.guard(self.size, lines)]

    def print_switch(self) -> str:
        """The function that decides on the chart."""
        system, call = self.system, ", ".join(self.list_names("table", "columns") + self.constants)
        body = [self.fill("    return {chart}")]
        if system.far is not None:
            body = [
                self.fill("    if {chart} == 0:"),
                *self.list_loads(system.near, TAB * 2, system.enter_far),
                f"        if {print_expression(system.enter_far)} > 0.0:",
                f"            taylor_enter({call})",
                "            return 1",
                "        return 0",
                *self.list_loads(system.far, TAB, system.leave_far),
                f"    if {print_expression(system.leave_far)} > 0.0:",
                f"        taylor_leave({call})",
                "        return 0",
                "    return 1",
            ]
        arguments = self.list_names("table", "chart", "columns") + self.constants
        summary = "Change the chart if that is due; return which one it is."
        return self.print_function("taylor_switch", arguments, summary, body)

    def print_store(self) -> str:
        """The function that ends in the stored coordinates."""
        arguments = self.list_names("table", "chart", "columns") + self.constants
        call = ", ".join(self.list_names("table", "columns") + self.constants)
        body = []
        if self.system.far is not None:
            body = [self.fill("    if {chart} == 1:"), f"        taylor_leave({call})"]
        return self.print_function("taylor_store", arguments, "Go to the stored coordinates.", body)

    @property
    def spike_side(self) -> int:
        """Number of the chart with the spike surface."""
        return int(self.system.spike_chart is not self.system.near)

    def print_surface(self) -> str:
        """The function that evaluates the spike surface."""
        chart = self.system.spike_chart
        loads = self.list_loads(chart, TAB, chart.surface)
        body = [*loads, lay_out_sum("return ", sign_sum(chart.surface), TAB)]
        if self.system.far is not None:
            test = self.fill("    if {chart} != {side}:", side=self.spike_side)
            body = [test, "        return 1.0", *body]
        arguments = self.list_names("table", "chart") + self.constants
        return self.print_function(
            "taylor_surface", arguments, "Value of the spike surface; 1.0 in a chart without one.",
            body,
        )  # fmt: skip

    def print_reset(self) -> str:
        """The function that computes the stored coordinates after a spike."""
        block, left = eliminate_common(self.system.reset, self.taken, TAB)
        values = [" ".join(join_signs(sign_sum(value))) for value in left]
        loads = self.list_loads(self.system.spike_chart, TAB, *self.system.reset)
        return self.print_function(
            "taylor_reset",
            [self.names["table"], *self.constants],
            "Stored coordinates after a spike.",
            [*loads, *block, self.print_return(values)],
        )

    def print_spike_vjp(self) -> str:
        """The derivatives by the state at the spike, and by the constants directly.

        With b the state at the spike and g the surface, the spike time moves by
        dt = -(dg db) / (dg F(b)), and the state after it, at a fixed time, by
        DR (db + F(b) dt) - F(R b) dt.
        """
        system, chart = self.system, self.system.spike_chart
        assert chart.surface is not None
        covector = sp.Matrix([[state_symbol(name) for name in self.covector]])
        after = dict(zip(system.coordinates, system.reset, strict=True))
        reset = sp.Matrix(system.reset)
        by_state = covector * reset.jacobian(chart.coordinates)
        leaving = sp.Matrix(system.near.field).subs(after, simultaneous=True)
        field = sp.Matrix(chart.field)
        by_time = state_symbol(self.names["g_time"]) + (by_state * field - covector * leaving)[0]
        inputs = (*chart.coordinates, *system.constants)
        gradient = [chart.surface.diff(x) for x in inputs]
        fall = (sp.Matrix([gradient[: self.size]]) * field)[0]
        direct = [*by_state, *(covector * reset.jacobian(system.constants or [sp.Dummy()]))]
        direct = direct[: len(inputs)]
        block, left = eliminate_common([*direct, *gradient, by_time, fall], self.taken, TAB)
        *parts, by_time, fall = left
        rate = state_symbol(self.names["rate"])
        results = [d - rate * g for d, g in zip(parts, parts[len(inputs) :], strict=False)]
        own = self.list_names("table", "columns", "chart", "time", "spiked")
        numbers = [f"float({name})" for name in self.covector]
        test = [own[0], own[2], *self.constants]
        return self.print_function(
            "taylor_spike_vjp",
            [*own, *self.constants, *self.covector, self.names["g_time"]],
            "Derivatives of a loss by the state at the spike and by the constants directly.",
            [
                self.fill("    if not {spiked}:"),
                self.print_call("taylor_store", [own[0], own[2], own[1], *self.constants], TAB * 2),
                self.print_return([*numbers, *(["0.0"] * len(self.constants))], TAB * 2),
                *self.list_loads(chart, TAB, *chart.coordinates),
                *block,
                self.print_call(self.fill("{height} = taylor_surface"), test),
                self.fill("    {beyond} = {time} == 0.0 and {height} < 0.0"),
                lay_out_sum(self.fill("{change} = "), sign_sum(by_time), TAB),
                lay_out_sum(self.fill("{slope} = "), sign_sum(fall), TAB),
                self.fill("    {rate} = 0.0 if {beyond} else taylor_divide({change}, {slope})"),
                self.print_return([" ".join(join_signs(sign_sum(r))) for r in results]),
            ],
        )

    def list_run(self, columns: int, limit: str, watch: bool) -> list[str]:
        """Lines that integrate from the stored coordinates on."""
        numbers = [f"float({name})" for name in self.stored]
        state = f"({', '.join(numbers)}{',' * (len(numbers) == 1)})"
        first = ["taylor_series", "taylor_switch", "taylor_surface", self.names["table"]]
        first += [str(columns), str(self.size), limit]
        if columns and not watch and self.system.far is not None:
            opening, arguments = "{chart} = taylor_carry", first
        else:
            opening, arguments = (
                "{time}, {chart}, {spiked} = taylor_integrate",
                [*first, str(watch)],
            )
        return [
            self.print_floats("constants", self.constants),
            self.print_call(
                self.fill("{table} = taylor_start"), [str(self.rows), str(columns), state]
            ),
            self.print_call(self.fill(opening), [*arguments, self.names["constants"]]),
        ]

    @property
    def horizon(self) -> str:
        """Text of the time after which no spike is looked for."""
        return f"float({print_expression(self.system.horizon)})"

    def list_store(self, columns: int) -> list[str]:
        """Lines that go to the stored coordinates."""
        return [self.fill("    taylor_store({table}, {chart}, {n}, *{constants})", n=columns)]

    def return_state(self, indent: str = TAB) -> str:
        """The line that returns the state."""
        cells = [self.fill("{table}[{i}, 0]", i=i) for i in range(self.size)]
        return self.print_return(cells, indent)

    def return_pulled(self) -> str:
        """The line that returns the covector on the tangents by the coordinates."""
        return self.print_return(
            [
                self.fill("taylor_pull({table}, {n}, {i}, {covector})", n=self.size, i=i)
                for i in range(self.size)
            ]
        )

    def print_flow(self) -> list[str]:
        """The flow and its vector-Jacobian product."""
        before = [*self.stored, self.names["elapsed"], *self.constants]
        limit = self.fill("float({elapsed})")
        field = [
            f"d{x}/dt = {print_plain(rate)}"
            for x, rate in zip(self.stored, self.system.near.field, strict=True)
        ]
        return [
            self.print_function(
                "flow",
                before,
                "Coordinates after a time without events.",
                [*self.list_run(0, limit, False), *self.list_store(0), self.return_state()],
                [*field, "", f"Returns {', '.join(self.stored)}."],
            ),
            self.print_function(
                "flow_vjp",
                [*before, *self.covector],
                "Derivatives of a loss by the coordinates before the flow, from those after it.",
                [
                    *self.list_run(self.size, limit, False),
                    *self.list_store(self.size),
                    self.print_floats("covector", self.covector),
                    self.return_pulled(),
                ],
                [f"Returns {', '.join(f'd_{x}' for x in self.stored)}."],
            ),
        ]

    def print_spike_times(self) -> list[str]:
        """The time of the next spike, and whether it comes soon enough."""
        surface = f"the spike is where {print_plain(self.system.spike_chart.surface)} falls"
        within = [*self.stored, self.names["elapsed"], *self.constants]
        return [
            self.print_function(
                "time_to_spike",
                [*self.stored, *self.constants],
                "Time to the next spike without further input; inf if there is none.",
                [
                    *self.list_run(0, self.horizon, True),
                    self.fill("    return {time} if {spiked} else np.inf"),
                ],
                [
                    f"{surface} through zero; 0.0 on it and beyond, unless it rises",
                    f"no spike after {print_plain(self.system.horizon)} is looked for",
                    "",
                    "Returns duration.",
                ],
            ),
            self.print_function(
                "spike_within",
                within,
                "Time to the next spike without further input; inf if it is not within a time.",
                [
                    *self.list_run(0, self.fill("float({elapsed})"), True),
                    self.fill("    return {time} if {spiked} else np.inf"),
                ],
                ["Returns duration."],
            ),
            self.print_prediction(within),
        ]

    def print_prediction(self, arguments: Sequence[str]) -> str:
        """Whether a spike comes soon enough."""
        call = self.print_call("return spike_within", arguments)
        return self.print_function(
            "will_spike",
            arguments,
            "Whether a spike comes within a time: whether time_to_spike is less.",
            [f"{call} < {self.names['elapsed']}"],
            ["Returns spikes."],
        )

    def print_fire(self) -> list[str]:
        """The state after a spike and its vector-Jacobian product."""
        before = [*self.stored, self.names["elapsed"], *self.constants]
        reset = [
            f"{x} = {print_plain(value)}"
            for x, value in zip(self.stored, self.system.reset, strict=True)
        ]
        return [
            self.print_function(
                "fire",
                before,
                "Coordinates after the next spike, which comes after the given time.",
                [
                    *self.list_run(0, self.horizon, True),
                    self.fill("    if {spiked}:"),
                    self.fill("        return taylor_reset({table}, *{constants})"),
                    *self.list_store(0),
                    self.return_state(),
                ],
                [
                    *reset,
                    "where there is no spike, the coordinates at the end of the search",
                    "",
                    f"Returns {', '.join(self.stored)}.",
                ],
            ),
            self.print_function(
                "fire_vjp",
                [*before, *self.covector, self.names["g_time"]],
                "Derivatives of a loss by the coordinates before flow and spike.",
                [*self.list_spike_vjp(self.size), self.return_pulled()],
                [
                    "l_*: its derivatives by the coordinates after the spike, at fixed time;",
                    "g_time: its derivative by the spike time",
                    "",
                    f"Returns {', '.join(f'd_{x}' for x in self.stored)}.",
                ],
            ),
        ]

    def list_spike_vjp(self, columns: int) -> list[str]:
        """Lines that go to a spike and pull the covector back through it."""
        own = self.list_names("table", "chart", "time", "spiked")
        arguments = [own[0], str(columns), *own[1:], self.fill("*{constants}"), *self.covector]
        return [
            *self.list_run(columns, self.horizon, True),
            self.print_call(
                self.fill("{covector} = taylor_spike_vjp"), [*arguments, self.names["g_time"]]
            ),
        ]

    def print_parameters(self) -> list[str]:
        """Derivatives of flow, spike and spike time by the constants."""
        n, wide = self.size, self.size + len(self.constants)
        before = [*self.stored, self.names["elapsed"], *self.constants]
        pulls = [
            self.fill("taylor_pull({table}, {n}, {c_}, {covector})", n=n, c_=c)
            for c in range(n, wide)
        ]
        direct = [self.fill("{covector}[{c_}]", c_=c) for c in range(n, wide)]
        returns = f"Returns {', '.join(f'd_{k}' for k in self.constants)}."
        zeros = ", ".join(["0.0"] * n)
        call = ", ".join(["fire_constants_vjp(" + ", ".join(self.stored), "np.inf"])
        call += ", " + ", ".join([*self.constants, zeros, "1.0"])
        return [
            self.print_function(
                "flow_constants_vjp",
                [*before, *self.covector],
                "Derivatives of a loss by the constants through the flow.",
                [
                    *self.list_run(wide, self.fill("float({elapsed})"), False),
                    *self.list_store(wide),
                    self.print_floats("covector", self.covector),
                    self.print_return(pulls),
                ],
                [returns],
            ),
            self.print_function(
                "fire_constants_vjp",
                [*before, *self.covector, self.names["g_time"]],
                "Derivatives of a loss by the constants through flow and spike.",
                [
                    *self.list_spike_vjp(wide),
                    self.print_return([f"{p} + {d}" for p, d in zip(pulls, direct, strict=True)]),
                ],
                [
                    "l_*: its derivatives by the coordinates after the spike, at fixed time;",
                    "g_time: its derivative by the spike time",
                    "",
                    returns,
                ],
            ),
            self.print_function(
                "time_to_spike_parameters",
                [*self.stored, *self.constants],
                "Derivatives of the time to the next spike by the constants; 0.0 if there is none.",
                [self.print_call(f"return {call.split('(')[0]}", call.split("(")[1].split(", "))],
                [returns],
            ),
        ]


def name_inverses(expression: sp.Expr, inverses: dict[sp.Symbol, sp.Symbol]) -> sp.Expr:
    """Write negative whole powers of coordinates with symbols for their inverses.

    At the spike a far coordinate may be zero.
    """
    return expression.replace(
        lambda e: e.is_Pow and e.base in inverses and e.exp.is_Integer and e.exp < 0,
        lambda e: inverses[e.base] ** (-e.exp),
    )
