"""Networks that a file describes, and what of them learns."""
