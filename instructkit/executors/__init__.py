"""Executors: where calls run. A stage cannot tell which."""
