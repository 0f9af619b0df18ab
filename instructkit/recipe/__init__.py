"""The recipe: what to build. Read with every fault at once, each with its place in the file."""
