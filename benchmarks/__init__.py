"""Measurements that anyone can repeat: ``python -m benchmarks``, described in README.md here."""
