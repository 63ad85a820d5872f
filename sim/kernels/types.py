"""Names for the types of kernels' arguments."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Numbers = tuple[float, ...]
