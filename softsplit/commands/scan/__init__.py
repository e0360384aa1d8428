"""softsplit scan."""
