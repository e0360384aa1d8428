"""The configuration of derived units: expressions of registers, checked with their units of measure. Pure."""
