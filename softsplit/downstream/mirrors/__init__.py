"""Mirrors: the units of the bus as masters see them, with the age of everything, and who writes them."""
