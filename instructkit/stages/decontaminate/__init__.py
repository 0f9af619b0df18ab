"""The stage that drops, or only names, records that hold rows of an evaluation."""
