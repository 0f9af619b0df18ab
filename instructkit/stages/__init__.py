"""Stages: what a recipe's steps do. `contract` says what a stage is, `table` names them all; one file a stage."""
