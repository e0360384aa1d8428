"""softsplit check."""
