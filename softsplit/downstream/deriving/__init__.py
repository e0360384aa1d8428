"""Derived units: what their registers say, computed from those of others."""
