"""One process for each configuration: presence, watchdog, status file, health in words."""
