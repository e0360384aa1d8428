"""Logging: where the log goes, and conditions, which are logged once when they begin and once when they end."""
