"""What training and evaluation share: models loaded, batches run with documents isolated, losses per token."""
