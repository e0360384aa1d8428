"""Clients of the real devices, one for each transport, and how they tell late answers from right ones."""
