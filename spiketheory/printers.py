"""Expression text: one printer for NumPy arrays, NumPy scalars and Numba."""

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter

FUNCTIONS = {
    "Abs": "np.abs",
    "acos": "np.arccos",
    "acosh": "np.arccosh",
    "asin": "np.arcsin",
    "asinh": "np.arcsinh",
    "atan": "np.arctan",
    "atan2": "np.arctan2",
    "atanh": "np.arctanh",
    "cos": "np.cos",
    "cosh": "np.cosh",
    "exp": "np.exp",
    "log": "np.log",
    "sin": "np.sin",
    "sinh": "np.sinh",
    "tan": "np.tan",
    "tanh": "np.tanh",
}
LARGEST_UNROLLED_POWER = 4


class NumpyPrinter(PythonCodePrinter):
    """Prints expressions with ``np.`` functions, which take arrays and, under Numba, scalars."""

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False, "strict": True})

    def _print_Function(self, expr: sp.Function) -> str:
        name = type(expr).__name__
        arguments = ", ".join(self._print(a) for a in expr.args)
        if name == "softplus":
            return f"np.logaddexp(0.0, {arguments})"
        if name not in FUNCTIONS:
            raise NotImplementedError(f"no NumPy text for the function {name}")
        return f"{FUNCTIONS[name]}({arguments})"

    _print_Abs = _print_Function
    for _name in FUNCTIONS:
        locals()[f"_print_{_name}"] = _print_Function
    del _name

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        base, exponent = expr.as_base_exp()
        if exponent == sp.S.Half:
            return f"np.sqrt({self._print(base)})"
        if exponent == -sp.S.Half:
            return f"1/np.sqrt({self._print(base)})"
        if exponent.is_Integer and 2 <= abs(exponent) <= LARGEST_UNROLLED_POWER:
            factor = self.parenthesize(base, PRECEDENCE["Pow"])
            product = "*".join([factor] * abs(int(exponent)))
            return f"({product})" if exponent > 0 else f"(1/({product}))"
        text: str = super()._print_Pow(expr, rational=rational)
        return text

    def _print_Or(self, expr: sp.Or) -> str:
        return " | ".join(f"({self._print(a)})" for a in sorted_relations(expr))

    def _print_And(self, expr: sp.And) -> str:
        return " & ".join(f"({self._print(a)})" for a in sorted_relations(expr))

    def _print_Relational(self, expr: sp.Rel) -> str:
        return f"{self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)}"

    def _print_Infinity(self, expr: sp.Expr) -> str:
        return "np.inf"

    def _print_NegativeInfinity(self, expr: sp.Expr) -> str:
        return "-np.inf"

    def _print_Pi(self, expr: sp.Expr) -> str:
        return "np.pi"

    def _print_Exp1(self, expr: sp.Expr) -> str:
        return "np.e"


def sorted_relations(expr: sp.Basic) -> list[sp.Basic]:
    """The arguments of And and Or, in an order that does not depend on hashes."""
    return sorted(expr.args, key=sp.default_sort_key)


def print_numpy(expression: sp.Basic) -> str:
    """Return ``expression`` as Python text with NumPy functions."""
    text: str = NumpyPrinter().doprint(expression)
    return text
