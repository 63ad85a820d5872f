"""Commands whose work is shared between processes and machines."""
