"""softsplit record."""
