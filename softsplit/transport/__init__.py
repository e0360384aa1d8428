"""Bytes in and out: serial ports, sockets, taps."""
