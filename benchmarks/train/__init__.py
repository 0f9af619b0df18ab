"""Training beside transformers.Trainer and TRL, tokenisation beside the tokenizer library, what a step costs."""
