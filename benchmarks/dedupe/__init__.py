"""Near-duplicate removal against other libraries. `python -m benchmarks.dedupe` writes its part of docs/benchmarks.md."""
