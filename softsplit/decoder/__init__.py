"""Decode the traffic of a half-duplex line: pure, without I/O, without a clock."""
