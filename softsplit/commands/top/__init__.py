"""softsplit top."""
