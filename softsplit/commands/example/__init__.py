"""softsplit example."""
