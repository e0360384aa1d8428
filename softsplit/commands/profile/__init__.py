"""softsplit profile."""
