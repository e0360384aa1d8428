"""Install the systemd unit, cron entry and udev rules."""
