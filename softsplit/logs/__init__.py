"""Logging: where it goes, and conditions, which are told once when they begin and once when they end."""
