"""One process for each configuration: lock, presence, watchdog, notification, health."""
