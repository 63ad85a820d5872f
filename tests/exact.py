"""Generated modules on numbers of mpmath: the same source in 50 digits."""

import inspect
import re
from types import SimpleNamespace

import mpmath

from spiketheory.runtime import roots, special_mpmath

DIGITS = 50


class ExactNumPy:
    """The few NumPy functions that generated code uses, in mpmath's precision."""

    pi, inf = mpmath.pi, mpmath.inf
    abs = staticmethod(abs)
    arctan2 = staticmethod(mpmath.atan2)
    arctan = staticmethod(mpmath.atan)
    arctanh = staticmethod(mpmath.atanh)
    maximum = staticmethod(max)

    @staticmethod
    def logaddexp(a, b):
        return mpmath.log(mpmath.exp(a) + mpmath.exp(b))

    def __getattr__(self, name):
        return getattr(mpmath, name)


def make_exact(module):
    """The functions of a generated module on numbers of mpmath."""
    library = special_mpmath.FUNCTIONS | {
        "np": ExactNumPy(), "exp_dd": special_mpmath.exp_dd, "first_zero": roots.first_zero,
    }  # fmt: skip
    source = re.sub(r"(?m)^(import numpy as np|from spiketheory\S* import .*)$", "",
                    re.sub(r"import \([^)]*\)", "import x", inspect.getsource(module)))  # fmt: skip
    space = {"__name__": "exact", **library}
    exec(compile(source, module.__file__, "exec"), space)
    return SimpleNamespace(**space)
