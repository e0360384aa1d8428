"""The status page and its kin over HTTP, for people and programs: read-only, and off unless it is wanted."""
