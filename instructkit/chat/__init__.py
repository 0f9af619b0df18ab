"""Conversations as a model reads them: chat templates, and token ids with labels."""
