"""Derived units: their registers are computed from those of other units."""
