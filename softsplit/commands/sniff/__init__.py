"""softsplit sniff."""
