"""Rendering: the render step from Parquet to Parquet, beside bare Jinja and `datasets.map`."""
