"""The status page over HTTP, for browsers and programs: read-only, and off by default."""
