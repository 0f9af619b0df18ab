"""One step of the optimizer after another, on one device or many."""
