"""What templates make of real rows, for the eye: which rows, their rendering, its drawing, and the watch on files."""
