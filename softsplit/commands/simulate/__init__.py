"""softsplit simulate."""
