"""Templates of promptsource's collection made into files of ours, each compared with what the original renders."""
