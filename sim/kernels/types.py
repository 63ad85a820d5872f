"""Types of what kernels are given."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating]
"""An array in double or single precision."""
Ints: TypeAlias = NDArray[np.int64]
"""An array of places or counts."""
Flags: TypeAlias = NDArray[np.uint8 | np.bool_]
"""An array of zeros and ones."""
Numbers: TypeAlias = tuple[float, ...]
"""A state, constants, a propagator or derivatives: a few numbers of one neuron."""
Real: TypeAlias = type[np.floating]
"""The precision of an array, ``np.float64`` or ``np.float32``."""
