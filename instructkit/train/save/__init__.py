"""What a training leaves on disk: its state, its checkpoints, its model."""
