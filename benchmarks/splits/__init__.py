"""`python -m benchmarks.splits`: real sets, mixed and divided by group, and the same rows divided at random."""
