"""The built-in readouts: every file of this package is one."""
