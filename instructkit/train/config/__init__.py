"""What a training is: the keys of an entry under a recipe's `train:`."""
