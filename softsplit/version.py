"""The version of softsplit, for its users and for setup.cfg."""

VERSION = "1.0.0"
