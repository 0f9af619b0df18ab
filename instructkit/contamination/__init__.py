"""Which records hold rows of an evaluation: shared n-grams weighed by rarity, prompt and answer scored together."""
