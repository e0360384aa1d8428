"""softsplit service."""
