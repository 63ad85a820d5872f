"""What a trained network does: when it knows, how sure it is, what it costs."""
