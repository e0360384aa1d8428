"""Mirrors: the units of the bus as masters see them, with the ages of their data; and the thread that writes them."""
