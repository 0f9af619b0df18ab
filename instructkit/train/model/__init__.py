"""The model that is trained: loaded or new, whole or in part."""
