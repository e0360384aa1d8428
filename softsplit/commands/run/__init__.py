"""softsplit run."""
