"""Generated modules on numbers of mpmath: the same source in 50 digits."""

import inspect
import re
from types import SimpleNamespace

from spiketheory.runtime import roots, special_mpmath

DIGITS = 50


def make_exact(module):
    """The functions of a generated module on numbers of mpmath."""
    library = special_mpmath.FUNCTIONS | {
        "np": special_mpmath.numpy_in_digits, "exp_dd": special_mpmath.exp_dd,
        "first_zero": roots.first_zero, "first_peak": roots.first_peak,
    }  # fmt: skip
    source = re.sub(r"(?m)^(import numpy as np|from spiketheory\S* import .*)$", "",
                    re.sub(r"import \([^)]*\)", "import x", inspect.getsource(module)))  # fmt: skip
    space = {"__name__": "exact", **library}
    exec(compile(source, module.__file__, "exec"), space)
    return SimpleNamespace(**space)
