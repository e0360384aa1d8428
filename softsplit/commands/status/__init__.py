"""softsplit status."""
