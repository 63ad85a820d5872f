"""What the kernels of both engines share: types, and how large numbers may be."""
