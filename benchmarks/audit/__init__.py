"""`python -m benchmarks.audit`: what looking at instruction data takes."""
