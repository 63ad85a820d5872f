"""What kernels of all kinds of networks have in common."""
