"""Who said what on a half-duplex line: pure, without I/O, without a clock."""
