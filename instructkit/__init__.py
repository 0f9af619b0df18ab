"""instructkit: a build system for instruction data, and a trainer for what it builds."""

__version__ = "0.1.0"
