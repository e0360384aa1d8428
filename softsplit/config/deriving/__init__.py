"""Derived units as they are configured: expressions of registers, in units of measure, checked. Pure."""
