"""The version of softsplit, for its users and for setup.cfg."""

VERSION = "0.1.0"
