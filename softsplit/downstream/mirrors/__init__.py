"""Mirrors: the units of the bus as masters see them, with ages; and the thread that writes them."""
