"""softsplit read."""
