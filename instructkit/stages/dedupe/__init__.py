"""Stages that find records which say the same, keep one of them, and keep their kin in one split."""
