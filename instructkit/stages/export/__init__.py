"""Stages that write examples in the formats of other tools, and the card that describes what was written."""
