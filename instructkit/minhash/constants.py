"""Numbers that both forms of the kernels share; a change of any changes every sketch (raise the stages' versions)."""

from __future__ import annotations

import numpy as np

BASE = np.uint64(0x9E3779B97F4A7C15)
"""Of the polynomial over the code points of a unit."""
VALUE = np.uint64(0xD6E8FEB86659FD93)
"""Spreads code points over 64 bits."""
ROLL = np.uint64(0xC2B2AE3D27D4EB4F)
"""Of the polynomials over the units of a shingle, over the minima of a band, and of the fingerprint's first half."""
ROLL_2 = np.uint64(0xA0761D6478BD642F)
"""Of the fingerprint's second half."""
FEW = np.uint64(0x8EBC6AF09C88C6E3)
"""Start of the one shingle of a text with fewer units than a shingle has."""
NONE = np.uint64(0x589965CC75374CC3)
"""Start of the one shingle of a text without any unit."""

CHUNK = 4096
"""Bytes cut at a time; a unit takes one at least."""
LONGEST_SHINGLE = 100
"""Units in a shingle, at most."""
