"""Troubles in sentences: those of upstreams and their units, those of downstreams and their masters. Pure."""
