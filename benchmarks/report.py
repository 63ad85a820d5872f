"""Tables for people: a result, and a comparison of two."""

from rich.table import Table
from rich.text import Text

from benchmarks.compare import Change, Comparison
from benchmarks.records import Figure, Result

STYLES = {"better": "green", "worse": "red", "changed": "yellow"}


def draw_result(result: Result) -> list[Table]:
    """One table for each benchmark."""
    tables: dict[str, Table] = {}
    for figure in result.figures:
        table = tables.get(figure.benchmark)
        if table is None:
            title = figure.benchmark
            table = tables[title] = Table("", "median", "range", "unit", title=title)
            for column in table.columns[1:3]:
                column.justify = "right"
        table.add_row(Text(figure.name), show(figure.median), show_range(figure), figure.unit)
    return list(tables.values())


def show(number: float) -> str:
    """A number with three or four digits that matter."""
    size = abs(number)
    if size >= 1e4:
        return f"{number:,.0f}"
    if size >= 100:
        return f"{number:.0f}" if number == round(number) else f"{number:.1f}"
    return f"{number:.3g}" if size >= 1e-3 or size == 0 else f"{number:.1e}"


def show_range(figure: Figure) -> str:
    """From the smallest to the largest value; nothing if there is but one."""
    if len(figure.values) == 1:
        return ""
    return f"{show(figure.lowest)} to {show(figure.highest)}"


def format_machine(result: Result) -> str:
    """The machine in two lines."""
    machine = result.machine
    commit = machine.get("commit")
    source = f"commit {commit[:10]}{', changed' if machine.get('dirty') else ''}" if commit else (
        f"version {machine.get('spiketheory')}"
    )  # fmt: skip
    libraries = [f"{k} {v}" for k, v in (machine.get("libraries") or {}).items() if v]
    return (
        f"{machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('threads')} threads; "
        f"load {machine.get('load_average')} before, {machine.get('load_average_at_end')} after; "
        f"{source}\n"
        f"Python {machine.get('python')}, {', '.join(libraries)}, BLAS {machine.get('blas')}"
    )


def draw_comparison(comparison: Comparison, *, every: bool) -> Table:
    """What changed beyond the spread; with ``every`` all that both have."""
    table = Table("", "before", "after", "ratio", "range", "unit", "")
    for column in table.columns[1:5]:
        column.justify = "right"
    for change in comparison.changes:
        if every or change.verdict in STYLES:
            table.add_row(*draw_change(change), style=STYLES.get(change.verdict, ""))
    return table


def draw_change(change: Change) -> list[Text | str]:
    """The cells of one row."""
    ratio = "" if change.ratio is None else f"{change.ratio:.3f}"
    span = "" if change.low is None or change.high is None else (
        f"{change.low:.3f} to {change.high:.3f}"
    )  # fmt: skip
    name = Text(f"{change.benchmark}: {change.name}")
    return [name, show(change.before), show(change.after), ratio, span, change.unit, change.verdict]
