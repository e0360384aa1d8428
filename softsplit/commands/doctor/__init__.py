"""softsplit doctor."""
