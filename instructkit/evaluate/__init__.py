"""How well a model does on examples: losses per slice, and what it answers."""
