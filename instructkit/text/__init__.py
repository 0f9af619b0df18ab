"""Text as several stages need to see it: which text, normalised how, cut into what."""
