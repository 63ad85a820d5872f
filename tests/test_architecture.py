"""The direction of imports and a few habits, held file by file."""

import ast
from pathlib import Path

import pytest

from spiketheory.compile import ADDED_TO_NUMBA

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("spiketheory", "derivations", "sim", "cli")
FORBIDDEN = {
    "spiketheory": {"derivations", "sim", "cli", "benchmarks"},
    "derivations": {"sim", "cli", "benchmarks"},
    "sim": {"sympy", "derivations", "cli", "benchmarks"},
    "cli": set(),
}
COMMANDS = Path("spiketheory/commands")  # the command line: above sim, though kept in spiketheory
FILES = sorted(
    path.relative_to(ROOT)
    for layer in LAYERS
    for path in [*(ROOT / layer).rglob("*.py"), ROOT / f"{layer}.py"]
    if path.exists()
)


@pytest.fixture(params=FILES, ids=str)
def file(request) -> Path:
    return request.param


def parse(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def list_imports(file: Path) -> set[str]:
    """Every module that a file imports, inside functions too; strings given to importlib too."""
    found = set()
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top_level(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


def list_calls(file: Path) -> list[tuple[str, int]]:
    """Full names of the functions that a file calls, and the lines."""
    calls = (node for node in ast.walk(parse(file)) if isinstance(node, ast.Call))
    return [(ast.unparse(call.func), call.lineno) for call in calls]


def layer_of(file: Path) -> str:
    if file.is_relative_to(COMMANDS):
        return "cli"
    return file.parts[0].removesuffix(".py")


def test_imports_point_from_the_later_layers_to_the_earlier_ones(file):
    imported = list_imports(file)
    assert not top_level(imported) & FORBIDDEN[layer_of(file)]
    if layer_of(file) != "cli":
        assert not [module for module in imported if module.startswith("spiketheory.commands")]


def test_imports_are_absolute(file):
    imports = (n for n in ast.walk(parse(file)) if isinstance(n, ast.ImportFrom))
    assert not [n.lineno for n in imports if n.level]


COMPILERS = {Path(f"spiketheory/{name}.py") for name in ("compile", "jit")}
ADDED = {f"spiketheory.{name}" for name in ADDED_TO_NUMBA}


def test_only_compile_and_what_it_adds_name_numba(file):
    module = ".".join(file.with_suffix("").parts)
    if file not in COMPILERS and module not in ADDED:
        imported = list_imports(file)
        assert "numba" not in top_level(imported)
        assert not imported & ADDED


RUNTIME = tuple(
    f"spiketheory.{name}" for name in ("branches", "roots", "special", "taylor_runtime")
)
"""What generated code may call."""


def test_generated_modules_import_numpy_and_their_runtime_only():
    for path in (ROOT / "derivations" / "generated").glob("*.py"):
        imported = list_imports(path.relative_to(ROOT)) - {"numpy"}
        assert {m for m in imported if not m.startswith(RUNTIME)} == set(), path.name


@pytest.mark.parametrize("name", RUNTIME)
def test_the_runtime_of_generated_code_imports_nothing_else(name):
    imported = top_level(list_imports(Path(*name.split(".")).with_suffix(".py")))
    assert imported <= {"numpy", "math", "collections", "typing"}


def test_sim_is_handed_compiled_models_and_no_mathematics():
    """What sim imports of spiketheory leads, however far, to no sympy."""
    todo = [module for f in FILES if layer_of(f) == "sim" for module in list_imports(f)]
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


def test_only_the_command_line_prints_and_exits(file):
    if layer_of(file) != "cli":
        names = {"print", "sys.exit", "exit", "quit", "os._exit"}
        assert not [call for call in list_calls(file) if call[0] in names]


def test_no_text_is_run_or_read_by_sympy(file):
    readers = {"eval", "exec", "compile", "__import__", "sp.sympify", "sp.S", "sp.parse_expr"}
    readers |= {"sympy.sympify", "sympify", "parse_expr", "sp.parsing.parse_expr"}
    assert not [call for call in list_calls(file) if call[0] in readers]


# Names of its own for checks; they should be Dummies, which no model's symbol can equal.
MAY_MAKE_SYMBOLS = {Path("spiketheory/symbols.py"), Path("spiketheory/verify_symbolic.py")}


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


def test_every_package_of_the_source_is_packed():
    """Files of a folder that pyproject.toml does not name would not be installed."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders = {file.parent for file in FILES if len(file.parts) > 1} | {Path("benchmarks")}
    for folder in folders:
        assert f'"{".".join(folder.parts)}"' in text, folder
