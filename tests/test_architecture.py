"""The direction of imports and a few habits, held file by file."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from spiketheory.machine.compile import ADDED_TO_NUMBA

ROOT = Path(__file__).resolve().parents[1]
ORDER = (
    *("spiketheory.errors", "spiketheory.files", "spiketheory.folder_lock"),
    *("spiketheory.interrupts", "spiketheory.time_limit", "spiketheory.workers"),
    *("spiketheory.memory", "spiketheory.reading", "spiketheory.plain_text"),
    *("spiketheory.shown",),
    *("spiketheory.runtime", "spiketheory.language", "spiketheory.symbolic"),
    *("spiketheory.generation", "spiketheory.reference", "spiketheory.verification"),
    *("spiketheory.certification", "spiketheory.machine", "spiketheory.route"),
    *("spiketheory.documents", "derivations"),
    *("sim.status", "sim.threads", "sim.losses"),
    *("sim.inputs", "sim.network", "sim.kernels", "sim.layers", "sim.events"),
    *("sim.windows", "sim.temporal", "sim.plain", "sim.engine"),
    *("spiketheory.checking", "spiketheory.testing", "spiketheory.testing_plugin"),
    *("sim.analysis", "sim.files", "sim.speech", "sim.training", "sim.report"),
    *("sim.cluster", "sim.interop", "spiketheory.commands"),
    *("cli", "benchmarks"),
)
"""Folders and files, from those that know nothing to those that know all."""
ABOVE = ("spiketheory", "derivations.generated", "sim")
"""Packages of which nothing but parts are imported."""
MAY_IMPORT_DERIVATIONS = (
    *("derivations", "spiketheory.checking", "spiketheory.testing", "spiketheory.testing_plugin"),
    *("sim.interop", "spiketheory.commands", "benchmarks"),
)
PACKAGES = ("spiketheory", "derivations", "sim", "benchmarks")
FILES = [
    *sorted(path.relative_to(ROOT) for top in PACKAGES for path in (ROOT / top).rglob("*.py")),
    Path("cli.py"),
]


def name_module(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_module(file): file for file in FILES}


def of_every_file(check: Callable[[Path], None]) -> Callable[[], None]:
    """A test that holds of all files: one for each would take ten times as long to run."""

    def test() -> None:
        wrong = []
        for file in FILES:
            try:
                check(file)
            except AssertionError as error:
                wrong.append(f"{file}: {error}")
        assert not wrong, "\n".join(wrong)

    test.__name__ = check.__name__
    return test


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


@cache
def list_imports(file: Path) -> set[str]:
    """Every module that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module or "")
    return found


def top_level(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


def place_of(module: str) -> str | None:
    """The folder, or single file, of `ORDER` that a module is in."""
    fitting = [place for place in ORDER if f"{module}.".startswith(f"{place}.")]
    return max(fitting, key=len, default=None)


@cache
def list_calls(file: Path) -> list[tuple[str, int]]:
    """Full names of the functions that a file calls, and the lines."""
    calls = (node for node in ast.walk(parse(file)) if isinstance(node, ast.Call))
    return [(ast.unparse(call.func), call.lineno) for call in calls]


def is_in(file: Path, *places: str) -> bool:
    return place_of(name_module(file)) in places


@of_every_file
def test_every_file_has_a_place_in_the_order(file):
    assert place_of(name_module(file)) or name_module(file) in ABOVE


@of_every_file
def test_imports_point_from_later_folders_to_earlier_ones(file):
    own = place_of(name_module(file))
    for module in list_imports(file) & MODULES.keys():
        other = place_of(module)
        assert own is None or other is None or ORDER.index(other) <= ORDER.index(own), module


def find_cycles() -> list[set[str]]:
    """Sets of modules each of which leads to all others of its set."""
    follows = {m: list_imports(f) & MODULES.keys() - {m} for m, f in MODULES.items()}
    reached: dict[str, set[str]] = {}
    for module in MODULES:
        todo, seen = [module], set()
        while todo:
            new = follows[todo.pop()] - seen
            seen |= new
            todo += new
        reached[module] = seen
    cycles = [{n for n in reached[m] if m in reached[n]} for m in MODULES if m in reached[m]]
    return [c for k, c in enumerate(cycles) if c not in cycles[:k]]


def test_no_files_import_each_other():
    assert find_cycles() == []


@of_every_file
def test_only_what_runs_models_by_name_imports_derivations(file):
    imported = list_imports(file)
    if "derivations" in top_level(imported):
        assert is_in(file, *MAY_IMPORT_DERIVATIONS)


def test_a_folder_has_at_most_25_files():
    folders = [file.parent for file in FILES if file.parts[0] != "benchmarks"]
    assert max(folders.count(folder) for folder in folders) <= 25


@of_every_file
def test_imports_are_absolute(file):
    imports = (n for n in ast.walk(parse(file)) if isinstance(n, ast.ImportFrom))
    assert not [n.lineno for n in imports if n.level]


MAY_TOUCH = {
    "matplotlib": (
        *("spiketheory.documents", "spiketheory.checking", "sim.analysis", "sim.report"),
        "benchmarks",
    ),
    "click": ("spiketheory.commands", "benchmarks"),
    "rich": ("spiketheory.commands", "benchmarks"),
    "sympy": (
        *("spiketheory.language", "spiketheory.symbolic", "spiketheory.generation"),
        *("spiketheory.reference", "spiketheory.verification", "spiketheory.certification"),
        *("spiketheory.route", "spiketheory.documents", "spiketheory.checking", "derivations"),
        *("spiketheory.commands", "spiketheory.testing", "benchmarks"),
    ),
    "numba": ("spiketheory.machine", "benchmarks"),
    "sklearn": ("sim.interop", "sim.report", "benchmarks"),
    "torch": ("sim.interop", "benchmarks"),
}
"""Which folders may import what is heavy, or belongs to one face of the program."""


@pytest.mark.parametrize("library", MAY_TOUCH)
def test_a_library_is_touched_only_by_the_folders_that_it_is_for(library):
    touching = [file for file in FILES if library in top_level(list_imports(file))]
    assert touching
    assert [file for file in touching if not is_in(file, *MAY_TOUCH[library])] == []


ADDED = {f"spiketheory.machine.{name}" for name in ADDED_TO_NUMBA}
COMPILERS = {Path(f"spiketheory/machine/{name}.py") for name in ("compile", "jit")}


@of_every_file
def test_what_teaches_numba_is_imported_where_something_is_compiled(file):
    if file not in COMPILERS and name_module(file) not in ADDED:
        assert not list_imports(file) & ADDED


RUNTIME = tuple(
    f"spiketheory.runtime.{name}"
    for name in ("branches", "differences", "roots", "special", "taylor")
)
"""What generated code may call."""


def test_generated_modules_import_numpy_and_their_runtime_only():
    for path in (ROOT / "derivations" / "generated").rglob("*.py"):
        imported = list_imports(path.relative_to(ROOT)) - {"numpy"}
        assert {m for m in imported if not m.startswith(RUNTIME)} == set(), path.name


@pytest.mark.parametrize("name", RUNTIME)
def test_the_runtime_of_generated_code_imports_nothing_else(name):
    imported = list_imports(Path(*name.split(".")).with_suffix(".py")) - {*RUNTIME}
    assert top_level(imported) <= {"numpy", "math", "collections", "typing"}


def test_sim_is_handed_compiled_models_and_no_mathematics():
    """What sim imports of spiketheory leads, however far, to no sympy."""
    todo = [module for f in FILES if f.parts[0] == "sim" for module in list_imports(f)]
    seen: set[str] = set()
    while todo:
        module = todo.pop()
        path = Path(*module.split(".")).with_suffix(".py")
        if module in seen or not (ROOT / path).exists():
            continue
        seen.add(module)
        imported = list_imports(path)
        assert "sympy" not in top_level(imported), f"sim leads to {module}, which imports sympy"
        todo += imported


MAKES_CONSOLES = Path("spiketheory/commands/terminal.py")
"""What is printed passes there, so that text from files cannot steer a terminal."""
ENDS_PROCESSES = ("spiketheory.interrupts", "spiketheory.workers")
"""What ends a process that hears no signal, or has lost the one that it works for."""


@of_every_file
def test_consoles_are_made_in_one_file_only(file):
    if file != MAKES_CONSOLES:
        assert not [call for call in list_calls(file) if call[0].split(".")[-1] == "Console"]


@of_every_file
def test_only_the_command_line_prints_and_exits(file):
    if is_in(file, *ENDS_PROCESSES):
        assert {call for call, _ in list_calls(file)}.isdisjoint({"print", "sys.exit", "exit"})
    elif not is_in(file, "spiketheory.commands", "cli", "benchmarks"):
        names = {"print", "sys.exit", "exit", "quit", "os._exit"}
        assert not [call for call in list_calls(file) if call[0] in names]


RUNS_PRINTED_TEXT = Path("spiketheory/verification/places.py")
"""What the generator printed is checked as it will be imported; nothing else of a model is run."""


@of_every_file
def test_no_text_is_run_or_read_by_sympy(file):
    if is_in(file, "benchmarks"):  # peers are given what they ask for
        return
    if file == RUNS_PRINTED_TEXT:
        assert "compile(print_in_digits(function)" in (ROOT / file).read_text("utf-8")
        runs = [call for call, _ in list_calls(file) if call in ("exec", "compile", "eval")]
        assert sorted(runs) == ["compile", "compile", "exec", "exec"]
        return
    readers = {"eval", "exec", "compile", "__import__", "sp.sympify", "sp.S", "sp.parse_expr"}
    readers |= {"sympy.sympify", "sympify", "parse_expr", "sp.parsing.parse_expr"}
    assert not [call for call in list_calls(file) if call[0] in readers]


@of_every_file
def test_kernels_open_no_files(file):
    if is_in(file, "sim.kernels", "sim.layers", "sim.events"):
        assert not [call for call in list_calls(file) if call[0] == "open"]


# Names of its own for checks; they should be Dummies, which no model's symbol can equal.
MAY_MAKE_SYMBOLS = {
    Path("spiketheory/language/symbols.py"),
    Path("spiketheory/verification/symbolic.py"),
}


def list_symbol_makers() -> list[str]:
    """Where a Symbol of known assumptions is made: it could be mistaken for a model's own."""
    found = []
    for file in FILES:
        if file in MAY_MAKE_SYMBOLS:
            continue
        for call in (n for n in ast.walk(parse(file)) if isinstance(n, ast.Call)):
            makes = ast.unparse(call.func) in ("sp.Symbol", "sp.symbols", "sympy.Symbol")
            if makes and call.keywords:
                found.append(f"{file}:{call.lineno}")
    return found


def test_symbols_with_assumptions_are_made_in_one_file_only():
    assert list_symbol_makers() == []


MOST_LINES = 50


@of_every_file
def test_a_long_function_says_why(file):
    if is_in(file, "benchmarks") or "generated" in file.parts:
        return
    lines = (ROOT / file).read_text("utf-8").splitlines()
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= MOST_LINES:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            assert lines[first - 2].strip().startswith("# Long: "), f"{node.name} is long"
