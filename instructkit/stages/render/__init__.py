"""`render`: documents become examples, with templates and, where asked for, exemplars."""
