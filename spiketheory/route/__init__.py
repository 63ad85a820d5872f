"""Route."""
