"""Benchmarks: ratios within one run, interleaved, since machines are shared and noisy."""
