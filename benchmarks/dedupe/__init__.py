"""Near-duplicate removal against other libraries. `python -m benchmarks.dedupe` writes a part of docs/benchmarks.md."""
