"""Examples as rows of tokens: labels counted, lengths packed, every loss told."""
