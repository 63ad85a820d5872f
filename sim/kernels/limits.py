"""How large coordinates may be."""

LARGE_COORDINATE = 2.0**64
"""Larger ones of a projective chart are scaled down."""
SCALING = 2.0**-128
"""By this power of two, which is exact."""
LARGEST_COORDINATE = 1e150
"""Gradients square the coordinates; beyond, their squares leave the range of floats."""
LIMITS = {
    "float64": (LARGEST_COORDINATE, LARGE_COORDINATE),
    "float32": (1e15, 2.0**30),
}
"""Largest coordinate, and the one beyond which projective ones are scaled down, by precision."""
