"""Benchmarks: what each stage costs on this machine's own text. `python -m benchmarks` writes docs/benchmarks.md."""
